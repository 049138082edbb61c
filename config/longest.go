package config

import (
	"fmt"
	"time"

	"buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// longest is the longest duration that may be written, about ten years. A time.Duration holds 292 years: what is made of several such, as the
// waits of a limit's receivers that follow one another, or the twice of a deadline, doesn't come near.
const longest = 10 * 365 * 24 * time.Hour

// checkLongest complains about durations above it, unless config.proto says itself how long they may be.
func (s *source) checkLongest(cfg *candorv1.Config) { s.durationsOf(nil, cfg.ProtoReflect()) }

func (s *source) durationsOf(at path, message protoreflect.Message) {
	message.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		here := at.field(string(field.Name()))
		switch {
		case field.IsMap():
			if field.MapValue().Message() != nil {
				value.Map().Range(func(key protoreflect.MapKey, value protoreflect.Value) bool {
					s.durationsOf(here.key(key.String()), value.Message())
					return true
				})
			}
		case field.Message() == nil:
		case field.IsList():
			for i := range value.List().Len() {
				s.durationsOf(here.item(i), value.List().Get(i).Message())
			}
		case field.Message().FullName() == durationName:
			if d, ok := value.Message().Interface().(*durationpb.Duration); ok && d.AsDuration() > longest && !bounded(field) && !s.lost(here) {
				s.complain(here, fmt.Sprintf("%v is out of range", d.AsDuration()), fmt.Sprintf("write a duration of at most %.0fh", longest.Hours()))
			}
		default:
			s.durationsOf(here, value.Message())
		}
		return true
	})
}

// bounded says that a duration's own rules have an upper bound.
func bounded(field protoreflect.FieldDescriptor) bool {
	rules, ok := proto.GetExtension(field.Options(), validate.E_Field).(*validate.FieldRules)
	return ok && rules.GetDuration().GetLte() != nil
}
