package config

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// source is one text while it is read: where every value stands, what could not be read, and the faults found so far.
type source struct {
	name string
	// places by path: what was written, and where.
	places map[string]place
	// unreadable paths were written, but hold no value in the message, because their text is wrong. Nothing more is said
	// about what is missing there.
	unreadable map[string]bool
	// holdsUnreadable are the paths of everything around those.
	holdsUnreadable map[string]bool
	// damaged holds the top-level keys that a piece was cut out of, because it was not YAML.
	damaged map[string]bool
	// values counts the nodes that were visited, those behind aliases each time.
	values int
	// halted says that reading was given up: nothing can be said about the rest.
	halted bool
	faults Faults
}

func newSource(name string) *source {
	return &source{
		name:            name,
		places:          map[string]place{},
		unreadable:      map[string]bool{},
		holdsUnreadable: map[string]bool{},
		damaged:         map[string]bool{},
	}
}

// maxFaults bounds how many are kept: nobody reads more, and a text that is no configuration at all could have millions.
const maxFaults = 1000

// place is where a value stands. key is nil for an element of a list; value is nil when nothing follows the key.
type place struct{ key, value *yaml.Node }

// node is what a person would point at.
func (p place) node() *yaml.Node {
	if p.key != nil && (p.value == nil || p.value.Kind != yaml.ScalarNode) {
		return p.key
	}
	return p.value
}

// path leads from the top of the configuration to a value; its elements are ".name", "[0]" or `["a name with dots"]`.
type path []string

func (p path) field(name string) path { return append(slices.Clip(p), "."+name) }

func (p path) item(i int) path { return append(slices.Clip(p), "["+strconv.Itoa(i)+"]") }

var plainKey = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// key is the path of a map's entry.
func (p path) key(key string) path {
	if plainKey.MatchString(key) {
		return p.field(key)
	}
	return append(slices.Clip(p), "["+strconv.Quote(key)+"]")
}

func (p path) String() string { return strings.TrimPrefix(strings.Join(p, ""), ".") }

// top is the path that begins at the top-level key.
func top(name string) path { return path{"." + name} }

// written says that there is a value at a path.
func (s *source) written(at path) bool { return s.places[at.String()].value != nil }

// lose notes that the value at a path could not be read.
func (s *source) lose(at path) {
	s.unreadable[at.String()] = true
	for n := range at {
		s.holdsUnreadable[at[:n].String()] = true
	}
}

// lost says that the value at a path, or something that holds it, could not be read.
func (s *source) lost(at path) bool {
	if len(at) > 0 && s.damaged[strings.TrimPrefix(at[0], ".")] {
		return true
	}
	for n := range at {
		if s.unreadable[at[:n+1].String()] {
			return true
		}
	}
	return s.unreadable[""]
}

// lostWithin says that the value at a path, or something in it, could not be read.
func (s *source) lostWithin(at path) bool {
	return s.lost(at) || s.holdsUnreadable[at.String()]
}

// complain adds a fault about the value at a path; when there is none, it stands where the nearest thing around it does.
func (s *source) complain(at path, problem, remedy string) { s.add(at, problem, remedy, false) }

// warn adds a warning in the same way.
func (s *source) warn(at path, problem, remedy string) { s.add(at, problem, remedy, true) }

func (s *source) add(at path, problem, remedy string, warning bool) {
	line, column := 1, 1
	for n := len(at); n > 0; n-- {
		if node := s.places[at[:n].String()].node(); node != nil {
			line, column = node.Line, node.Column
			break
		}
	}
	s.addAt(line, column, Fault{Field: at.String(), Problem: problem, Remedy: remedy, Warning: warning})
}

// complainAt adds a fault that stands at a node.
func (s *source) complainAt(node *yaml.Node, at path, problem, remedy string) {
	s.addAt(node.Line, node.Column, Fault{Field: at.String(), Problem: problem, Remedy: remedy})
}

func (s *source) addAt(line, column int, fault Fault) {
	switch n := len(s.faults); {
	case n > maxFaults:
		return
	case n == maxFaults:
		fault = Fault{Problem: fmt.Sprintf("there are more than %d faults", maxFaults), Remedy: "correct the ones that are listed first"}
		line, column = 1, 1
	}
	fault.File, fault.Line, fault.Column = s.name, max(line, 1), max(column, 1)
	s.faults = append(s.faults, fault)
}
