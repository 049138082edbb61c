package config

import (
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"gopkg.in/yaml.v3"
)

// maxValues bounds the values of a configuration, those behind an alias counted each time that it is used: a few nested
// aliases can stand for billions.
const maxValues = 50_000

// maxKey and maxScalar bound keys and values, in bytes: a key is part of the path of all that is below it, and both are quoted
// in faults.
const (
	maxKey    = 128
	maxScalar = 16 << 10
)

// maxMerges bounds how deep merge keys may lead into one another: an anchor may hold itself.
const maxMerges = 16

// decode fills message from a mapping, and remembers where every value stands.
func (s *source) decode(root *yaml.Node, message proto.Message) {
	s.message(root, message.ProtoReflect(), nil)
}

// visit counts a value and reports whether reading may go on.
func (s *source) visit(node *yaml.Node) bool {
	s.values++
	if s.values > maxValues && !s.halted {
		s.halted = true
		s.complainAt(node, nil, fmt.Sprintf("the file has more than %d values, aliases followed", maxValues),
			"write values instead of aliases of aliases")
	}
	return !s.halted
}

func resolve(node *yaml.Node) *yaml.Node {
	// An alias leads to its anchor, never to another alias.
	if node.Kind == yaml.AliasNode && node.Alias != nil {
		return node.Alias
	}
	return node
}

func isNull(node *yaml.Node) bool { return node.Kind == yaml.ScalarNode && node.Tag == "!!null" }

// message reads a mapping into a message. Absent values (null) leave it as it is.
func (s *source) message(node *yaml.Node, msg protoreflect.Message, at path) {
	if !s.isMapping(node, at, "keys and values: "+oneOf(fieldNames(msg.Descriptor()))) {
		return
	}
	fields := msg.Descriptor().Fields()
	type guess struct {
		field      protoreflect.FieldDescriptor
		key, value *yaml.Node
	}
	var guesses []guess
	for _, entry := range s.entries(node, at) {
		name := entry.key.Value
		field := fields.ByName(protoreflect.Name(name))
		if field == nil {
			field = fields.ByJSONName(name)
		}
		if field != nil {
			s.field(entry.key, entry.value, msg, field, at)
			continue
		}
		names := fieldNames(msg.Descriptor())
		remedy := "write " + oneOf(names)
		if near := nearest(name, names); near != "" {
			remedy = "write " + near
			guesses = append(guesses, guess{fields.ByName(protoreflect.Name(near)), entry.key, entry.value})
		}
		s.complainAt(entry.key, at.key(name), fmt.Sprintf("unknown key %q", name), remedy)
	}
	// What is under a mistyped key is looked at as if it had been typed right, so that one run shows its faults too.
	for _, g := range guesses {
		if _, given := s.places[at.field(string(g.field.Name())).String()]; !given && !inOneofThatIsSet(msg, g.field) {
			s.field(g.key, g.value, msg, g.field, at)
		}
	}
}

func inOneofThatIsSet(msg protoreflect.Message, field protoreflect.FieldDescriptor) bool {
	oneof := field.ContainingOneof()
	return oneof != nil && msg.WhichOneof(oneof) != nil
}

func fieldNames(message protoreflect.MessageDescriptor) []string {
	names := make([]string, message.Fields().Len())
	for i := range names {
		names[i] = string(message.Fields().Get(i).Name())
	}
	return names
}

// field reads one field of a message.
func (s *source) field(key, node *yaml.Node, msg protoreflect.Message, field protoreflect.FieldDescriptor, parent path) {
	node = resolve(node)
	at := parent.field(string(field.Name()))
	if first, given := s.places[at.String()]; given {
		s.complainAt(key, at, "the key is given twice", fmt.Sprintf("keep this one or the one in line %d", first.node().Line))
		return
	}
	if isNull(node) {
		s.places[at.String()] = place{key: key}
		return
	}
	s.places[at.String()] = place{key, node}
	if !s.visit(node) {
		return
	}
	if inOneofThatIsSet(msg, field) {
		other := msg.WhichOneof(field.ContainingOneof())
		s.complainAt(key, at, fmt.Sprintf("%s and %s exclude each other", other.Name(), field.Name()), "keep one of them")
		return
	}
	switch {
	case field.IsMap():
		s.mapField(node, msg, field, at)
	case field.IsList():
		s.list(node, msg.Mutable(field).List(), field, at)
	default:
		if value, ok := s.single(node, msg.NewField(field), field, at); ok {
			msg.Set(field, value)
		}
	}
}

func (s *source) list(node *yaml.Node, list protoreflect.List, field protoreflect.FieldDescriptor, at path) {
	if node.Kind != yaml.SequenceNode {
		s.complainAt(node, at, "wants a list, but holds "+shape(node), "write the elements between [ and ], or each in a line after \"- \"")
		if node.Kind == yaml.MappingNode && field.Message() == nil {
			s.lose(at)
			return
		}
		// One element, without the list around it: look at it all the same.
		node = &yaml.Node{Kind: yaml.SequenceNode, Line: node.Line, Column: node.Column, Content: []*yaml.Node{node}}
	}
	for i, element := range node.Content {
		element = resolve(element)
		if !s.visit(element) {
			return
		}
		here := at.item(i)
		s.places[here.String()] = place{value: element}
		// An element that can't be read is kept as a zero, so that the next ones keep their index.
		value, ok := s.single(element, list.NewElement(), field, here)
		if !ok {
			value = list.NewElement()
		}
		list.Append(value)
	}
}

func (s *source) mapField(node *yaml.Node, msg protoreflect.Message, field protoreflect.FieldDescriptor, at path) {
	if !s.isMapping(node, at, "names, each with its own keys and values below") {
		return
	}
	entries := msg.Mutable(field).Map()
	for _, entry := range s.entries(node, at) {
		here := at.key(entry.key.Value)
		if first, given := s.places[here.String()]; given {
			s.complainAt(entry.key, here, "the name is given twice", fmt.Sprintf("keep this one or the one in line %d", first.node().Line))
			continue
		}
		value := resolve(entry.value)
		s.places[here.String()] = place{entry.key, value}
		if !s.visit(value) {
			return
		}
		// A name with nothing after it is an entry without fields, about which the rules will have something to say.
		if got, ok := s.single(value, entries.NewValue(), field.MapValue(), here); ok {
			entries.Set(protoreflect.ValueOfString(entry.key.Value).MapKey(), got)
		}
	}
}

// single reads one value: a message, into the empty one given, or a scalar.
func (s *source) single(node *yaml.Node, empty protoreflect.Value, field protoreflect.FieldDescriptor, at path) (protoreflect.Value, bool) {
	if field.Message() != nil && !isWellKnown(field.Message()) {
		if isNull(node) {
			return empty, true
		}
		s.message(node, empty.Message(), at)
		return empty, !s.unreadable[at.String()]
	}
	value, problem := scalar(node, field)
	if problem == nil {
		return value, true
	}
	s.lose(at)
	s.complainAt(node, at, problem.text, problem.remedy)
	return value, false
}

// isMapping complains about a node that is none.
func (s *source) isMapping(node *yaml.Node, at path, wanted string) bool {
	if node.Kind == yaml.MappingNode {
		return true
	}
	s.lose(at)
	s.complainAt(node, at, "wants keys and values, but holds "+shape(node), "write "+wanted)
	return false
}

type entry struct{ key, value *yaml.Node }

// entries are the keys and values of a mapping, what it merges (<<) included; its own keys come first and win.
func (s *source) entries(node *yaml.Node, at path) []entry {
	var own, merged []entry
	seen := map[string]bool{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := resolve(node.Content[i]), node.Content[i+1]
		switch {
		case key.Kind != yaml.ScalarNode:
			s.complainAt(node.Content[i], at, "a key is "+shape(key), "write a name before the colon")
		case len(key.Value) > maxKey:
			s.complainAt(node.Content[i], at, fmt.Sprintf("the key %q has %d bytes", abridged(key.Value), len(key.Value)), "write a short name before the colon")
		case key.Tag == "!!merge":
			merged = append(merged, s.merge(value, at, maxMerges)...)
		default:
			// The position of a key behind an alias is that of the alias.
			own = append(own, entry{&yaml.Node{Kind: yaml.ScalarNode, Value: key.Value, Line: node.Content[i].Line, Column: node.Content[i].Column}, value})
			seen[key.Value] = true
		}
	}
	for _, m := range merged {
		if !seen[m.key.Value] {
			seen[m.key.Value] = true
			own = append(own, m)
		}
	}
	return own
}

// merge is what a merge key adds: the entries of a mapping, or of a list of them.
func (s *source) merge(node *yaml.Node, at path, depth int) []entry {
	node = resolve(node)
	if !s.visit(node) {
		return nil
	}
	if depth == 0 {
		s.complainAt(node, at, fmt.Sprintf("merge keys lead more than %d deep", maxMerges), "write the values themselves")
		return nil
	}
	var out []entry
	switch node.Kind {
	case yaml.SequenceNode:
		for _, element := range node.Content {
			out = append(out, s.merge(element, at, depth-1)...)
		}
	case yaml.MappingNode:
		var inherited []entry
		for i := 0; i+1 < len(node.Content); i += 2 {
			key, value := resolve(node.Content[i]), node.Content[i+1]
			switch {
			case key.Tag == "!!merge":
				inherited = slices.Concat(inherited, s.merge(value, at, depth-1))
			case key.Kind == yaml.ScalarNode && len(key.Value) <= maxKey && s.visit(value):
				out = append(out, entry{key, value})
			}
		}
		out = slices.Concat(out, inherited)
	default:
		s.complainAt(node, at, "<< merges "+shape(node), "give it an alias of a mapping, such as *defaults")
	}
	return out
}

// shape says in words what kind of value a node is.
func shape(node *yaml.Node) string {
	node = resolve(node)
	switch node.Kind {
	case yaml.MappingNode:
		return "keys and values"
	case yaml.SequenceNode:
		return "a list"
	}
	switch node.Tag {
	case "!!null":
		return "nothing"
	case "!!bool":
		return node.Value
	case "!!int", "!!float":
		return "the number " + abridged(node.Value)
	}
	return fmt.Sprintf("the text %q", abridged(node.Value))
}

// abridged keeps a message readable whatever was written.
func abridged(text string) string {
	const most = 60
	runes := []rune(text)
	if len(runes) <= most {
		return text
	}
	return string(runes[:most]) + "..."
}
