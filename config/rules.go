package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"buf.build/go/protovalidate"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// namePattern is how config.proto spells a name; modelPattern allows capitals too, because clients chose those names.
const (
	namePattern  = "^[a-z0-9][a-z0-9._-]{0,62}$"
	modelPattern = "^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$"
	tokenPattern = "^[0-9a-f]{64}$"
	// fromPattern and untilPattern are times of day.
	fromPattern  = "^([01][0-9]|2[0-3]):[0-5][0-9]$"
	untilPattern = "^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$"
	// artefactPattern is name@version.
	artefactPattern = "^[a-z0-9][a-z0-9._-]{0,62}@[1-9][0-9]{0,8}$"
)

// checkRules complains about every rule of config.proto that the configuration breaks. What could not be read is not
// complained about again for being absent.
func (s *source) checkRules(cfg *candorv1.Config) {
	err := protovalidate.Validate(cfg)
	var broken *protovalidate.ValidationError
	switch {
	case err == nil:
	case errors.As(err, &broken):
		for _, violation := range broken.Violations {
			s.violation(cfg.ProtoReflect().Descriptor(), violation)
		}
	default:
		// A rule that doesn't compile is our mistake; a test of every rule keeps it from getting here.
		s.complain(nil, "the rules can't be checked: "+err.Error(), "report this as a bug of candor")
	}
}

func (s *source) violation(root protoreflect.MessageDescriptor, v *protovalidate.Violation) {
	at, oneof := violationPath(root, v.Proto.GetField())
	if s.lost(at) {
		return
	}
	if oneof != nil {
		if !s.lostWithin(at) {
			s.complain(at, "nothing is chosen", "add "+oneOf(oneofNames(oneof)))
		}
		return
	}
	if v.Proto.GetForKey() {
		problem, remedy := badText(at[len(at)-1], v)
		s.complain(at, problem, remedy)
		return
	}
	if !s.written(at) && v.FieldDescriptor != nil {
		if !s.lostWithin(at) {
			s.complain(at, "is missing", "add "+string(v.FieldDescriptor.Name())+": "+example(v.FieldDescriptor))
		}
		return
	}
	problem, remedy := s.words(v)
	s.complain(at, problem, remedy)
}

// violationPath turns protovalidate's path into ours. The oneof is the last element's, when that is none of the fields.
func violationPath(message protoreflect.MessageDescriptor, fields *validate.FieldPath) (path, protoreflect.OneofDescriptor) {
	var at path
	for _, element := range fields.GetElements() {
		name := protoreflect.Name(element.GetFieldName())
		field := message.Fields().ByName(name)
		if field == nil {
			return at, message.Oneofs().ByName(name)
		}
		at = at.field(string(name))
		switch subscript := element.GetSubscript().(type) {
		case *validate.FieldPathElement_Index:
			at = at.item(int(subscript.Index))
		case *validate.FieldPathElement_StringKey:
			at = at.key(subscript.StringKey)
		}
		if field.IsMap() {
			field = field.MapValue()
		}
		if field.Message() != nil {
			message = field.Message()
		}
	}
	return at, nil
}

func oneofNames(oneof protoreflect.OneofDescriptor) []string {
	names := make([]string, oneof.Fields().Len())
	for i := range names {
		names[i] = string(oneof.Fields().Get(i).Name())
	}
	return names
}

// example shows what the value of a missing field may look like.
func example(field protoreflect.FieldDescriptor) string {
	switch {
	case field.IsMap():
		return "with one name and its keys below at least"
	case field.IsList():
		return "with a list of one element at least"
	case field.Message() != nil && !isWellKnown(field.Message()):
		return "with " + oneOf(fieldNames(field.Message()))
	}
	return wanted(field)
}

// words says what is wrong with a value that is there.
func (s *source) words(v *protovalidate.Violation) (problem, remedy string) {
	must := strings.TrimPrefix(strings.TrimPrefix(v.Proto.GetMessage(), "value "), "must be ")
	field, rule := v.FieldDescriptor, v.Proto.GetRuleId()
	switch {
	case rule == "string.in":
		return fmt.Sprintf("%q is not among its values", abridged(v.FieldValue.String())), "write one of " + strings.Trim(strings.TrimPrefix(must, "in list "), "[]")
	case field == nil && rule == "string.min_len": // An element of a list.
		return "is empty", "take it out, or write what it shall be"
	case field == nil && rule == "string.max_len":
		return fmt.Sprintf("has more than %s characters", counted(v.RuleValue)), "write less"
	case field == nil:
		return "breaks a rule: " + v.Proto.GetMessage(), "change it, or take it out"
	case rule == "string.pattern" || rule == "string.uri":
		return badText(v.FieldValue.String(), v)
	case rule == "string.min_len" || rule == "string.uri_empty":
		return "is empty", "write " + wanted(field)
	case rule == "string.max_bytes":
		return fmt.Sprintf("%q is too long", abridged(v.FieldValue.String())), "write at most " + counted(v.RuleValue) + " bytes: it stands in every record"
	case rule == "string.max_len":
		return fmt.Sprintf("has %d characters, more than %s", utf8.RuneCountInString(v.FieldValue.String()), counted(v.RuleValue)), "write less"
	case rule == "repeated.unique":
		return "an element is given twice", "keep one of each"
	case rule == "repeated.max_items":
		return "has too many elements", "keep " + counted(v.RuleValue) + " of them"
	case rule == "repeated.min_items", rule == "map.min_pairs", rule == "required":
		return "is empty", "add " + counted(v.RuleValue) + " element"
	case rule == "enum.not_in" && v.FieldValue.Enum() != 0:
		return "can't be " + enumName(field.Enum(), v.FieldValue.Enum()), "write " + oneOf(allowedNames(field))
	case strings.HasPrefix(rule, "enum."):
		return "is unspecified", "write " + oneOf(enumNames(field.Enum()))
	case rule == "bool.const":
		return "may only be " + fmt.Sprint(v.RuleValue.Interface()), "write that, or leave it out and choose another"
	case strings.HasPrefix(rule, "duration."):
		return "is out of range", "write a duration " + durationRange(v)
	}
	return fmt.Sprintf("%v is out of range", v.FieldValue.Interface()), "write a number " + rangeWords.Replace(must)
}

var rangeWords = strings.NewReplacer(
	"greater than or equal to", "of at least", "less than or equal to", "at most", "greater than", "above", "less than", "below",
)

// allowedNames are the short names of an enum's values that a field's rules allow.
func allowedNames(field protoreflect.FieldDescriptor) []string {
	rules, ok := proto.GetExtension(field.Options(), validate.E_Field).(*validate.FieldRules)
	names := enumNames(field.Enum())
	if ok {
		for _, n := range rules.GetEnum().GetNotIn() {
			names = slices.DeleteFunc(names, func(name string) bool { return name == enumName(field.Enum(), protoreflect.EnumNumber(n)) })
		}
	}
	return names
}

func counted(rule protoreflect.Value) string {
	if !rule.IsValid() {
		return "one"
	}
	return fmt.Sprint(rule.Interface())
}

// durationRange says in Go's durations what protovalidate says in proto's.
func durationRange(v *protovalidate.Violation) string {
	rules, ok := proto.GetExtension(v.FieldDescriptor.Options(), validate.E_Field).(*validate.FieldRules)
	if !ok || rules.GetDuration() == nil {
		return "above 0"
	}
	var bounds []string
	if d := rules.GetDuration(); d.GetGte() != nil {
		bounds = append(bounds, "of at least "+d.GetGte().AsDuration().String())
	} else if d.GetGt() != nil {
		bounds = append(bounds, "above "+d.GetGt().AsDuration().String())
	}
	if lte := rules.GetDuration().GetLte(); lte != nil {
		bounds = append(bounds, "at most "+lte.AsDuration().String())
	}
	return strings.Join(bounds, " and ")
}

// badText words a text, or a map's key, that doesn't match its pattern.
func badText(text string, v *protovalidate.Violation) (problem, remedy string) {
	text = fmt.Sprintf("%q", abridged(strings.Trim(text, `."[]`)))
	if v.Proto.GetRuleId() == "string.uri" {
		return text + " is not a URL", "write one such as https://alerts.example.com/candor"
	}
	switch pattern := v.RuleValue.String(); pattern {
	case namePattern:
		return text + " is not a name", "write 1 to 63 of a-z 0-9 . _ -, with a letter or digit first"
	case modelPattern:
		return text + " is not a model's name", "write 1 to 63 of A-Z a-z 0-9 . _ -, with a letter or digit first"
	case artefactPattern:
		return text + " is not an artefact's name and version", "write one such as fraud-beta@3, as candor artefacts list shows it"
	case fromPattern:
		return text + " is not a time of day", "write one such as 09:30"
	case untilPattern:
		return text + " is not a time of day", "write one such as 17:30, at most 24:00"
	case tokenPattern:
		if v.FieldDescriptor.Name() == "training_sha256" {
			return "is not a SHA-256", "write the 64 hexadecimal digits, in lower case, that sha256sum prints of the training file"
		}
		return "is not the SHA-256 of a token", "write the 64 hexadecimal digits, in lower case, that `candor token` prints"
	default:
		return text + " doesn't match " + pattern, "write it so that it does"
	}
}
