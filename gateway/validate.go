package gateway

import (
	"errors"
	"strings"

	"buf.build/go/protovalidate"
	"google.golang.org/protobuf/proto"
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
		return invalid(protovalidate.FieldPathString(v.Proto.GetField()), v.Proto.GetMessage())
	}
	return invalid("request", err.Error())
}

func list(names []string) string { return strings.Join(names, ", ") }
