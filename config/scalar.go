package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"gopkg.in/yaml.v3"
)

// misread is what is wrong with a scalar.
type misread struct{ text, remedy string }

const (
	durationName  = protoreflect.FullName("google.protobuf.Duration")
	timestampName = protoreflect.FullName("google.protobuf.Timestamp")
)

// isWellKnown says that a message is written as one scalar.
func isWellKnown(message protoreflect.MessageDescriptor) bool {
	return message.FullName() == durationName || message.FullName() == timestampName
}

// scalar reads a value of a field that is neither a message nor, itself, a list or map.
func scalar(node *yaml.Node, field protoreflect.FieldDescriptor) (protoreflect.Value, *misread) {
	wrong := func(remedy string) (protoreflect.Value, *misread) {
		return protoreflect.Value{}, &misread{"wants " + wanted(field) + ", but holds " + shape(node), remedy}
	}
	if node.Kind != yaml.ScalarNode || isNull(node) {
		return wrong("write " + wanted(field))
	}
	if len(node.Value) > maxScalar {
		return protoreflect.Value{}, &misread{fmt.Sprintf("has %d bytes, more than %d", len(node.Value), maxScalar), "write less"}
	}
	if strings.HasPrefix(node.Tag, "!") && !strings.HasPrefix(node.Tag, "!!") || node.Tag == "!!binary" {
		return protoreflect.Value{}, &misread{"has the unknown YAML tag " + abridged(node.Tag), "write the value without a tag"}
	}
	if field.Message() != nil {
		if field.Message().FullName() == durationName {
			return readDuration(node)
		}
		return readTime(node)
	}
	switch field.Kind() {
	case protoreflect.StringKind:
		// Whatever was written, as it was written: a version 1.10 is not the number 1.1.
		if !utf8.ValidString(node.Value) {
			return protoreflect.Value{}, &misread{"holds text that is not UTF-8", "write it in UTF-8"}
		}
		return protoreflect.ValueOfString(node.Value), nil
	case protoreflect.BoolKind:
		if node.Tag != "!!bool" {
			return wrong("write true or false, without quotes")
		}
		return protoreflect.ValueOfBool(strings.EqualFold(node.Value, "true")), nil
	case protoreflect.EnumKind:
		return readEnum(node, field.Enum())
	case protoreflect.DoubleKind:
		if number, ok := readNumber(node.Value); ok {
			return protoreflect.ValueOfFloat64(number), nil
		}
		return wrong("write a number such as 0.9")
	}
	if value, ok := readInteger(node.Value, field.Kind()); ok {
		return value, nil
	}
	return wrong("write a whole number, without a unit")
}

// wanted says in words what a field wants.
func wanted(field protoreflect.FieldDescriptor) string {
	switch field.Kind() {
	case protoreflect.MessageKind:
		switch field.Message().FullName() {
		case durationName:
			return "a duration such as 250ms, 5m or 24h"
		case timestampName:
			return "a time such as 2026-03-01T12:00:00Z"
		}
		return "keys and values"
	case protoreflect.StringKind:
		return "text"
	case protoreflect.BoolKind:
		return "true or false"
	case protoreflect.EnumKind:
		return oneOf(enumNames(field.Enum()))
	case protoreflect.DoubleKind:
		return "a number"
	}
	return "a whole number"
}

// readNumber reads YAML's and JSON's ways to write a number, the special ones included.
func readNumber(text string) (float64, bool) {
	switch strings.ToLower(strings.TrimPrefix(text, "+")) {
	case ".inf":
		return math.Inf(1), true
	case "-.inf":
		return math.Inf(-1), true
	case ".nan":
		return math.NaN(), true
	}
	if strings.ContainsAny(text, "xXpP_") {
		return 0, false
	}
	number, err := strconv.ParseFloat(text, 64)
	return number, err == nil
}

// readInteger reads a whole number that fits the kind. "1e6" is one; "010" is refused, because YAML 1.1 and 1.2 disagree
// about it.
func readInteger(text string, kind protoreflect.Kind) (protoreflect.Value, bool) {
	digits := strings.TrimLeft(text, "+-")
	if len(digits) > 1 && digits[0] == '0' && digits[1] >= '0' && digits[1] <= '9' {
		return protoreflect.Value{}, false
	}
	text = strings.TrimPrefix(text, "+")
	if number, err := strconv.ParseFloat(text, 64); err == nil && strings.ContainsAny(text, ".eE") && !strings.ContainsAny(text, "xX") {
		const exact = 1 << 53
		if number != math.Trunc(number) || math.Abs(number) > exact {
			return protoreflect.Value{}, false
		}
		text = strconv.FormatInt(int64(number), 10)
	}
	switch kind {
	case protoreflect.Int64Kind:
		n, err := strconv.ParseInt(text, 0, 64)
		return protoreflect.ValueOfInt64(n), err == nil
	case protoreflect.Uint32Kind:
		n, err := strconv.ParseUint(text, 0, 32)
		return protoreflect.ValueOfUint32(uint32(n)), err == nil
	}
	// config.proto has no other kind; a test says so.
	return protoreflect.Value{}, false
}

// readEnum reads a value's full name (MODE_ENFORCE) or what follows the enum's own (enforce), in any case of letters. Numbers
// are refused: nobody can read them in a review.
func readEnum(node *yaml.Node, enum protoreflect.EnumDescriptor) (protoreflect.Value, *misread) {
	prefix := enumPrefix(enum)
	written := strings.ToUpper(strings.ReplaceAll(node.Value, "-", "_"))
	for i := range enum.Values().Len() {
		value := enum.Values().Get(i)
		full := string(value.Name())
		if written == full || value.Number() != 0 && prefix+written == full {
			return protoreflect.ValueOfEnum(value.Number()), nil
		}
	}
	names := enumNames(enum)
	remedy := "write " + oneOf(names)
	if near := nearest(strings.TrimPrefix(written, prefix), names); near != "" {
		remedy = "write " + near
	}
	return protoreflect.Value{}, &misread{fmt.Sprintf("unknown value %q", abridged(node.Value)), remedy}
}

// enumPrefix is what every value's name begins with: that of the zero value, without UNSPECIFIED.
func enumPrefix(enum protoreflect.EnumDescriptor) string {
	return strings.TrimSuffix(string(enum.Values().ByNumber(0).Name()), "UNSPECIFIED")
}

// enumNames are the short names of the values that may be written.
func enumNames(enum protoreflect.EnumDescriptor) []string {
	var names []string
	for i := range enum.Values().Len() {
		if value := enum.Values().Get(i); value.Number() != 0 {
			names = append(names, enumName(enum, value.Number()))
		}
	}
	return names
}

// enumName is the short name of a value.
func enumName(enum protoreflect.EnumDescriptor, number protoreflect.EnumNumber) string {
	value := enum.Values().ByNumber(number)
	if value == nil {
		return strconv.Itoa(int(number))
	}
	return strings.ToLower(strings.TrimPrefix(string(value.Name()), enumPrefix(enum)))
}

// short is the name of an enum value as people write it.
func short(value protoreflect.Enum) string { return enumName(value.Descriptor(), value.Number()) }

// readDuration reads what Go reads, which includes the "0.25s" of proto's JSON.
func readDuration(node *yaml.Node) (protoreflect.Value, *misread) {
	if duration, err := time.ParseDuration(node.Value); err == nil {
		return protoreflect.ValueOfMessage(durationpb.New(duration).ProtoReflect()), nil
	}
	remedy := "write a number with a unit, such as 250ms, 5m or 24h"
	if _, err := strconv.ParseFloat(node.Value, 64); err == nil {
		if _, err := time.ParseDuration(node.Value + "s"); err == nil {
			remedy = fmt.Sprintf("give it a unit, such as %ss or %[1]sms", node.Value)
		}
	} else if days, ok := strings.CutSuffix(node.Value, "d"); ok {
		if n, err := strconv.ParseUint(days, 10, 16); err == nil {
			remedy = fmt.Sprintf("write days as hours: %dh", n*24)
		}
	}
	return protoreflect.Value{}, &misread{fmt.Sprintf("%q is not a duration", abridged(node.Value)), remedy}
}

// readTime reads RFC 3339.
func readTime(node *yaml.Node) (protoreflect.Value, *misread) {
	if t, err := time.Parse(time.RFC3339Nano, node.Value); err == nil {
		if stamp := timestamppb.New(t); stamp.IsValid() {
			return protoreflect.ValueOfMessage(stamp.ProtoReflect()), nil
		}
	}
	remedy := "write it as RFC 3339 does, with a zone, such as 2026-03-01T12:00:00Z"
	for _, layout := range []string{time.DateOnly, time.DateTime, "2006-01-02T15:04:05"} {
		if t, err := time.Parse(layout, node.Value); err == nil {
			remedy = "say when and in which zone, such as " + t.Format(time.RFC3339)
		}
	}
	return protoreflect.Value{}, &misread{fmt.Sprintf("%q is not a time", abridged(node.Value)), remedy}
}
