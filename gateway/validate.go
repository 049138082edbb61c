package gateway

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"buf.build/go/protovalidate"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// validate holds a request against the rules in its proto.
func validate(msg proto.Message) error {
	err := protovalidate.Validate(msg)
	if err == nil {
		return nil
	}
	var ve *protovalidate.ValidationError
	if errors.As(err, &ve) && len(ve.Violations) > 0 {
		v := ve.Violations[0]
		field := protovalidate.FieldPathString(v.Proto.GetField())
		if choice := msg.ProtoReflect().Descriptor().Oneofs().ByName(protoreflect.Name(field)); choice != nil {
			return invalid(field, "it is missing; send one of "+list(fieldsOf(choice)))
		}
		return invalid(field, words(v))
	}
	return invalid("request", err.Error())
}

// fieldsOf are the names of a oneof's fields.
func fieldsOf(choice protoreflect.OneofDescriptor) []string {
	names := make([]string, choice.Fields().Len())
	for i := range names {
		names[i] = string(choice.Fields().Get(i).Name())
	}
	return names
}

// longestEcho is how many bytes of what was sent an error repeats.
const longestEcho = 100

// words say what is wrong with a field; protovalidate's own say it, unless they are for who knows the rule.
func words(v *protovalidate.Violation) string {
	switch rule := v.Proto.GetRuleId(); {
	case rule == "string.min_len" && v.RuleValue.Uint() == 1, rule == "string.pattern" && v.FieldValue.String() == "":
		return "it is empty; fill it in"
	case rule == "string.pattern":
		// What clients get back in headers is bounded.
		sent := v.FieldValue.String()
		if len(sent) > longestEcho {
			sent = strings.ToValidUTF8(sent[:longestEcho], "") + "…"
		}
		return fmt.Sprintf("%q is not of the form %s", sent, v.RuleValue.String())
	}
	return v.Proto.GetMessage()
}

// allowed answers who calls a method for operators: somebody with one of the roles, whose request keeps the rules of its proto.
func allowed(ctx context.Context, in proto.Message, roles ...candorv1.Role) (*Principal, error) {
	p, err := requireRole(ctx, roles...)
	if err != nil {
		return nil, err
	}
	return p, validate(in)
}

func list(names []string) string { return strings.Join(names, ", ") }
