package demo

import (
	"bytes"
	"fmt"
	"os"

	"gopkg.in/yaml.v3"
)

// configFile is a configuration's text with the demo's own values put in: everything else, comments included, stays as its
// author wrote it.
type configFile struct {
	doc yaml.Node
	// name for messages.
	name string
}

func parseConfigFile(name string, text []byte) (*configFile, error) {
	f := &configFile{name: name}
	if err := yaml.Unmarshal(text, &f.doc); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(f.doc.Content) != 1 || f.doc.Content[0].Kind != yaml.MappingNode {
		return nil, fmt.Errorf("%s: it holds no configuration; remove it, and the demo writes its own", name)
	}
	return f, nil
}

// set puts a value, anything that YAML can hold, at a path of keys, and makes what is missing on the way.
func (f *configFile) set(value any, path ...string) error {
	at := f.doc.Content[0]
	for _, key := range path {
		if at.Kind != yaml.MappingNode {
			if at.Tag != "!!null" && at.Kind != 0 {
				return fmt.Errorf("%s: line %d: %q should hold keys", f.name, at.Line, key)
			}
			*at = yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
		}
		at = child(at, key)
	}
	var v yaml.Node
	if err := v.Encode(value); err != nil {
		return fmt.Errorf("%s: %w", f.name, err)
	}
	v.LineComment, v.FootComment = at.LineComment, at.FootComment
	*at = v
	return nil
}

// child is the value of a key, made when there is none.
func child(m *yaml.Node, key string) *yaml.Node {
	for i := 0; i+1 < len(m.Content); i += 2 {
		if m.Content[i].Value == key {
			return m.Content[i+1]
		}
	}
	v := &yaml.Node{}
	m.Content = append(m.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: key}, v)
	return v
}

// head replaces the comment at the top. Lines begin with "# ".
func (f *configFile) head(comment string) {
	root := f.doc.Content[0]
	f.doc.HeadComment, root.HeadComment = comment, ""
}

// text is the file as it would be written.
func (f *configFile) text() ([]byte, error) {
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(&f.doc); err != nil {
		return nil, fmt.Errorf("%s: %w", f.name, err)
	}
	if err := enc.Close(); err != nil {
		return nil, fmt.Errorf("%s: %w", f.name, err)
	}
	return spaced(b.Bytes()), nil
}

// spaced puts back the empty lines before sections, which the YAML package doesn't keep.
func spaced(text []byte) []byte {
	var out []byte
	before := byte('#')
	for line := range bytes.Lines(text) {
		// A section begins in the first column, with its comment or with its key.
		if first := line[0]; first != ' ' && first != '\n' && before != '#' && before != '\n' {
			out = append(out, '\n')
		}
		out, before = append(out, line...), line[0]
	}
	return out
}

// write stores the text, for its owner to read.
func (f *configFile) write(path string) error {
	text, err := f.text()
	if err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o600)
}
