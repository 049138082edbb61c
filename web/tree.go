package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Bounds on a JSON document that is shown as a tree.
const (
	maxTreeBytes = 2 << 20
	maxTreeNodes = 2000
	maxTreeDepth = 32
	maxTreeText  = 2000 // bytes of one string
	// openDepth is how deep a tree is unfolded at first.
	openDepth = 2
)

// tree is a value of a JSON document.
type tree struct {
	// Name in the object above, or the number in the array; Named false: it is the document.
	Name  string
	Named bool
	// Kind is object, array, text, number, true, false or null.
	Kind string
	// Text of a leaf.
	Text string
	// Children of an object or an array; Left says that there are more than are shown.
	Children []tree
	Left     bool
	Open     bool
}

// Summary of an object or an array: how many values it has.
func (t tree) Summary() string {
	noun := "entry"
	if len(t.Children) != 1 {
		noun = "entries"
	}
	more := ""
	if t.Left {
		more = " shown, and more"
	}
	return fmt.Sprintf("%s, %d %s%s", t.Kind, len(t.Children), noun, more)
}

// Branch: it has children, or could have.
func (t tree) Branch() bool { return t.Kind == "object" || t.Kind == "array" }

// treeReader builds a tree of at most maxTreeNodes, and reads the whole of the document all the same: what is no JSON at its end is
// none.
type treeReader struct {
	d     *json.Decoder
	nodes int
}

// treeOf reads a document, in its own order of names, and with duplicates.
func treeOf(data []byte) (tree, error) {
	if len(data) > maxTreeBytes {
		return tree{}, fmt.Errorf("it has more than %d MiB", maxTreeBytes>>20)
	}
	r := &treeReader{d: json.NewDecoder(bytes.NewReader(data))}
	r.d.UseNumber()
	t, err := r.value(0)
	if err != nil {
		return tree{}, plainJSONError(err)
	}
	if _, err := r.d.Token(); !errors.Is(err, io.EOF) {
		return tree{}, errors.New("something follows behind its end")
	}
	return t, nil
}

func plainJSONError(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("it ends too early")
	}
	return err
}

func (r *treeReader) value(depth int) (tree, error) {
	tok, err := r.d.Token()
	if err != nil {
		return tree{}, err
	}
	r.nodes++
	switch v := tok.(type) {
	case json.Delim:
		return r.branch(v, depth)
	case string:
		if len(v) > maxTreeText {
			return tree{Kind: "text", Text: v[:maxTreeText], Left: true}, nil
		}
		return tree{Kind: "text", Text: v}, nil
	case json.Number:
		return tree{Kind: "number", Text: v.String()}, nil
	case bool:
		return tree{Kind: fmt.Sprint(v), Text: fmt.Sprint(v)}, nil
	}
	return tree{Kind: "null", Text: "null"}, nil
}

func (r *treeReader) branch(open json.Delim, depth int) (tree, error) {
	t := tree{Kind: "object", Open: depth < openDepth}
	if open == '[' {
		t.Kind = "array"
	}
	if depth > maxTreeDepth {
		return tree{}, fmt.Errorf("it is nested more than %d deep", maxTreeDepth)
	}
	for i := 0; r.d.More(); i++ {
		name := fmt.Sprint(i)
		if open == '{' {
			tok, err := r.d.Token()
			if err != nil {
				return tree{}, err
			}
			name = tok.(string) // a decoder answers nothing else where a name belongs
		}
		child, err := r.value(depth + 1)
		if err != nil {
			return tree{}, err
		}
		if r.nodes > maxTreeNodes {
			t.Left = true
			continue
		}
		child.Name, child.Named = name, true
		t.Children = append(t.Children, child)
	}
	_, err := r.d.Token() // the end of it
	return t, err
}
