package draw

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
)

// maxDepth is how deep a document is shown indented; what lies deeper stands at that depth.
const maxDepth = 20

// documents draws JSON documents as trees, member by member in their order. What is no JSON is shown as the text that it is.
func documents(b *strings.Builder, encoded [][]byte) {
	for _, data := range encoded {
		var drawn strings.Builder
		if err := tree(&drawn, data); err != nil {
			fmt.Fprintf(b, "  no JSON, and shown as text: %s\n", cli.Plain(err.Error()))
			texts(b, [][]byte{data})
			continue
		}
		b.WriteString(drawn.String())
	}
}

// level is an object or a list that is being read.
type level struct {
	list bool
	// n counts members.
	n int
	// name of the member whose value comes next, in an object.
	name string
}

// tree writes a document. It reads token by token, so that a deep or long one costs no more than the lines that are shown.
func tree(b *strings.Builder, data []byte) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	p := page{b: b}
	if len(bytes.TrimSpace(data)) == 0 {
		return io.ErrUnexpectedEOF
	}
	var open []level
	for {
		t, err := d.Token()
		if errors.Is(err, io.EOF) && len(open) == 0 {
			return nil
		}
		if errors.Is(err, io.EOF) {
			return io.ErrUnexpectedEOF
		}
		if err != nil {
			return err
		}
		if len(open) > 0 && t != json.Delim('}') && t != json.Delim(']') {
			at := &open[len(open)-1]
			if name, ok := t.(string); ok && !at.list && at.name == "" {
				at.name, at.n = jsonText(name), at.n+1
				continue
			}
			if at.list {
				at.name, at.n = fmt.Sprintf("[%d]", at.n), at.n+1
			}
		}
		more := true
		switch t {
		case json.Delim('{'), json.Delim('['):
			if line := lead(open, ""); line != "" {
				more = p.line(line)
			}
			open = append(open, level{list: t == json.Delim('[')})
		case json.Delim('}'), json.Delim(']'):
			closed := open[len(open)-1]
			open = open[:len(open)-1]
			if closed.n == 0 {
				more = p.line(strings.Repeat("  ", min(len(open), maxDepth)) + "(empty)")
			}
			settle(open)
		default:
			more = p.line(lead(open, scalar(t)))
			settle(open)
		}
		if !more {
			return nil
		}
	}
}

// settle ends a member.
func settle(open []level) {
	if len(open) > 0 {
		open[len(open)-1].name = ""
	}
}

// lead is a line: indented, with the member's name and its value.
func lead(open []level, value string) string {
	if len(open) == 0 {
		return value
	}
	name := open[len(open)-1].name
	return strings.TrimRight(strings.Repeat("  ", min(len(open)-1, maxDepth))+name+": "+value, " ")
}

func scalar(t json.Token) string {
	switch v := t.(type) {
	case string:
		return jsonText(v)
	case nil:
		return "null"
	}
	return fmt.Sprint(t)
}

// jsonText is a string in quotes, in which quotes and line breaks can't be mistaken for the end of it.
func jsonText(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}
