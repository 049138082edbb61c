package cli

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"unicode"
	"unicode/utf8"

	"golang.org/x/term"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// protoJSON spells fields as the protos and the configuration do, and leaves no field out, so that a script needs no
// "or else 0".
var protoJSON = protojson.MarshalOptions{UseProtoNames: true, EmitDefaultValues: true}

// JSON writes a message as one indented JSON object. protojson varies its white space on purpose; this doesn't.
func JSON(w io.Writer, m proto.Message) error { return writeProto(w, m, "  ") }

// JSONLine writes a message as JSON on one line.
func JSONLine(w io.Writer, m proto.Message) error { return writeProto(w, m, "") }

func writeProto(w io.Writer, m proto.Message, indent string) error {
	data, err := protoJSON.Marshal(m)
	if err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	var out bytes.Buffer
	if indent == "" {
		err = json.Compact(&out, data)
	} else {
		err = json.Indent(&out, data, "", indent)
	}
	if err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	out.WriteByte('\n')
	_, err = w.Write(out.Bytes())
	return err
}

// Value writes any value as indented JSON.
func Value(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// Table writes rows in columns, the first row being the head; an empty cell is shown as -.
func Table(w io.Writer, rows [][]string) error {
	filled := make([][]string, len(rows))
	for i, row := range rows {
		filled[i] = slices.Clone(row)
		for j := range row {
			filled[i][j] = cmp.Or(row[j], "-")
		}
	}
	return Columns(w, filled)
}

// Columns writes rows in columns of equal width. Cells are made safe by [Plain].
func Columns(w io.Writer, rows [][]string) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		safe := make([]string, len(row))
		for i, cell := range row {
			safe[i] = Plain(cell)
		}
		// Without the empty cells at the end no line ends in blanks.
		for len(safe) > 0 && safe[len(safe)-1] == "" {
			safe = safe[:len(safe)-1]
		}
		if _, err := fmt.Fprintln(tw, strings.Join(safe, "\t")); err != nil {
			return err
		}
	}
	return tw.Flush()
}

// Plain makes text from elsewhere (inputs, notes, messages of model servers) safe for a terminal: what isn't printable, such
// as an escape sequence that would move the cursor or a character that turns the writing direction, is shown as its escape.
func Plain(s string) string {
	clean := utf8.ValidString(s)
	for _, r := range s {
		clean = clean && unicode.IsPrint(r)
	}
	if clean {
		return s
	}
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == unicode.ReplacementChar && !strings.HasPrefix(s[i:], "\uFFFD"):
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case unicode.IsPrint(r):
			b.WriteRune(r)
		default:
			quoted := strconv.QuoteRuneToASCII(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		}
	}
	return b.String()
}

// IsTerminal says whether a person sits at the stream.
func IsTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
