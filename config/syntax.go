package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"gopkg.in/yaml.v3"
)

// maxCuts bounds how often a text is tried again without a piece that is not YAML.
const maxCuts = 8

// readYAML makes a tree of a text. What is not YAML is a fault, and is cut out, so that the rest can be read; nil means that
// there is no rest.
func (s *source) readYAML(text []byte) *yaml.Node {
	if len(text) > maxText {
		s.complain(nil, fmt.Sprintf("the file has more than %d bytes", maxText), "take out what is not configuration")
		return nil
	}
	lines := bytes.SplitAfter(bytes.Clone(text), []byte("\n"))
	for range maxCuts {
		root, err := parseYAML(bytes.Join(lines, nil))
		if err == nil {
			return s.mapping(root)
		}
		line := faultyLine(lines, err)
		s.addAt(line, faultyColumn(lines, line), Fault{Problem: "this is not YAML: " + bare(err), Remedy: yamlRemedy(lines, line, err)})
		if !s.cut(lines, line) {
			return nil
		}
	}
	return nil
}

var errSecondDocument = errors.New("a second document begins after ---")

// parseYAML parses one document; nil without an error means that there is nothing in it.
func parseYAML(text []byte) (*yaml.Node, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var document, second yaml.Node
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF):
		return nil, nil
	case err != nil:
		return nil, err
	}
	switch err := decoder.Decode(&second); {
	case errors.Is(err, io.EOF):
	case err != nil:
		return nil, err
	default:
		return nil, errSecondDocument
	}
	if len(document.Content) == 0 {
		return nil, nil
	}
	return document.Content[0], nil
}

// mapping is root when it is a mapping, which a configuration is.
func (s *source) mapping(root *yaml.Node) *yaml.Node {
	switch {
	case root == nil || root.Kind == yaml.ScalarNode && root.Tag == "!!null":
		if len(s.faults) == 0 {
			s.complain(nil, "the file is empty", "begin with a copy of examples/candor.yaml")
		}
		return nil
	case root.Kind != yaml.MappingNode:
		s.complainAt(root, nil, "the file holds "+shape(root), `write keys and values, such as "listen:"; examples/candor.yaml shows all of them`)
		return nil
	}
	return root
}

var yamlErrorLine = regexp.MustCompile(`^yaml: line (\d+): `)

// bare is the message of a YAML error without the line, which is often that of the surrounding block.
func bare(err error) string {
	message := err.Error()
	if prefix := yamlErrorLine.FindString(message); prefix != "" {
		return message[len(prefix):]
	}
	return strings.TrimPrefix(message, "yaml: ")
}

// faultyLine finds the line, from 1, with which a text stops being YAML: the one after the longest beginning that is. The
// parser's own idea is the start of the block that it was in.
func faultyLine(lines [][]byte, err error) int {
	const (
		maxBisected = 256 << 10 // Every step parses the text again.
		ahead       = 8         // A beginning may end inside a value of several lines, and be wrong for that alone.
	)
	good, bad := 0, len(lines)
	if len(bytes.Join(lines, nil)) > maxBisected {
		reported := 1
		fmt.Sscanf(err.Error(), "yaml: line %d:", &reported)
		return min(reported, len(lines))
	}
	parses := func(n int) bool {
		_, err := parseYAML(bytes.Join(lines[:n], nil))
		return err == nil
	}
	for bad-good > 1 {
		middle := (good + bad) / 2
		found := false
		for n := middle; n < min(middle+ahead, bad) && !found; n++ {
			if parses(n) {
				good, found = n, true
			}
		}
		if !found {
			bad = middle
		}
	}
	return good + 1
}

// faultyColumn is where a line's text begins, or its first tab, from 1.
func faultyColumn(lines [][]byte, line int) int {
	text := lines[line-1]
	if tab := indentTab(text); tab >= 0 {
		return tab + 1
	}
	return len(text) - len(bytes.TrimLeft(text, " ")) + 1
}

// indentTab is the place of a tab in a line's indentation, or -1.
func indentTab(line []byte) int {
	indent := line[:len(line)-len(bytes.TrimLeft(line, " \t"))]
	return bytes.IndexByte(indent, '\t')
}

func yamlRemedy(lines [][]byte, line int, err error) string {
	switch {
	case errors.Is(err, errSecondDocument):
		return "keep one document in a file"
	case indentTab(lines[line-1]) >= 0:
		return "indent with spaces, never with tabs"
	case strings.Contains(err.Error(), "mapping values are not allowed"):
		return "put what follows the first colon between quotes, or check the indentation and the colon of the line above"
	case strings.Contains(err.Error(), "found undefined tag"), strings.Contains(err.Error(), "unknown anchor"):
		return "write the value itself, or define the anchor above it"
	}
	return "check the indentation, colons, quotes and brackets from here on"
}

// cut blanks what stands in the way of reading on: the line and what is indented below it, and when that didn't help, the
// whole top-level entry around it. It reports whether there was anything left to blank.
func (s *source) cut(lines [][]byte, line int) bool {
	first, last := topLevelEntry(lines, line-1)
	name, _, _ := strings.Cut(string(lines[first]), ":")
	name = strings.Trim(strings.TrimSpace(name), `"'`)
	if !s.damaged[name] {
		s.damaged[name] = true
		first, last = line-1, line
		for last < len(lines) && (isBlank(lines[last]) || indent(lines[last]) > indent(lines[line-1])) {
			last++
		}
	}
	progress := false
	for i := first; i < last; i++ {
		if !isBlank(lines[i]) {
			progress = true
			lines[i] = []byte("\n")
		}
	}
	return progress
}

// topLevelEntry is the range of lines around line i that begins with one that is not indented, all from 0.
func topLevelEntry(lines [][]byte, i int) (first, last int) {
	begins := func(line []byte) bool { return !isBlank(line) && !bytes.ContainsAny(line[:1], " \t#-") }
	first, last = i, i+1
	for first > 0 && !begins(lines[first]) {
		first--
	}
	for last < len(lines) && !begins(lines[last]) {
		last++
	}
	return first, last
}

func isBlank(line []byte) bool { return len(bytes.TrimSpace(line)) == 0 }

func indent(line []byte) int { return len(line) - len(bytes.TrimLeft(line, " \t")) }
