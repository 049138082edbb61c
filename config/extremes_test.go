package config

import (
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// extremes of a field; nil: it is no number.
func extremes(field protoreflect.FieldDescriptor) (out []protoreflect.Value) {
	switch {
	case field.IsMap():
	case field.Kind() == protoreflect.Int64Kind:
		for _, n := range []int64{math.MinInt64, -1, 0, 1, math.MaxInt64} {
			out = append(out, protoreflect.ValueOfInt64(n))
		}
	case field.Kind() == protoreflect.Uint32Kind:
		for _, n := range []uint32{0, 1, math.MaxUint32} {
			out = append(out, protoreflect.ValueOfUint32(n))
		}
	case field.Kind() == protoreflect.DoubleKind:
		for _, n := range []float64{math.NaN(), math.Inf(-1), -math.MaxFloat64, 0, math.SmallestNonzeroFloat64, 1, math.MaxFloat64, math.Inf(1)} {
			out = append(out, protoreflect.ValueOfFloat64(n))
		}
	case field.Message() != nil && field.Message().FullName() == durationName:
		for _, d := range []*durationpb.Duration{
			{Seconds: -315576000000}, durationpb.New(math.MinInt64), {Nanos: -1}, {}, {Nanos: 1}, durationpb.New(time.Second), durationpb.New(longest),
			durationpb.New(longest + 1), durationpb.New(math.MaxInt64), {Seconds: 315576000000},
		} {
			out = append(out, protoreflect.ValueOfMessage(d.ProtoReflect()))
		}
	}
	return out
}

// numbers calls visit for every number that a message can have, in it and below: at answers the message in another copy of the whole.
func numbers(message protoreflect.Message, at func(protoreflect.Message) protoreflect.Message, visit func(field protoreflect.FieldDescriptor, at func(protoreflect.Message) protoreflect.Message)) {
	for i := range message.Descriptor().Fields().Len() {
		field := message.Descriptor().Fields().Get(i)
		visit(field, at)
		if !message.Has(field) || field.IsMap() && field.MapValue().Message() == nil || !field.IsMap() && (field.Message() == nil || isWellKnown(field.Message())) {
			continue
		}
		value := message.Get(field)
		switch {
		case field.IsMap():
			value.Map().Range(func(key protoreflect.MapKey, one protoreflect.Value) bool {
				numbers(one.Message(), func(m protoreflect.Message) protoreflect.Message { return at(m).Get(field).Map().Get(key).Message() }, visit)
				return true
			})
		case field.IsList():
			for j := range value.List().Len() {
				numbers(value.List().Get(j).Message(), func(m protoreflect.Message) protoreflect.Message { return at(m).Get(field).List().Get(j).Message() }, visit)
			}
		default:
			numbers(value.Message(), func(m protoreflect.Message) protoreflect.Message { return at(m).Get(field).Message() }, visit)
		}
	}
}

// every lists the numbers of a message and of those below it.
func every(message protoreflect.MessageDescriptor, seen map[protoreflect.FullName]bool) (out []string) {
	if seen[message.FullName()] || isWellKnown(message) {
		return nil
	}
	seen[message.FullName()] = true
	for i := range message.Fields().Len() {
		field := message.Fields().Get(i)
		if extremes(field) != nil {
			out = append(out, string(field.FullName()))
		}
		if field.IsMap() {
			field = field.MapValue()
		}
		if field.Message() != nil {
			out = append(out, every(field.Message(), seen)...)
		}
	}
	return out
}

// alike is how many places of one field are tried.
const alike = 2

// Whatever number a field of the configuration holds, there is a fault that names it, or what is made of the configuration finds nothing wrong.
func TestExtremes(t *testing.T) {
	example, err := os.ReadFile(exampleFile)
	if err != nil {
		t.Fatal(err)
	}
	visited := map[string]int{}
	for _, text := range [][]byte{example, base(t,
		edit{"sqlite: {path: candor.db}", "postgres: {url_env: CANDOR_URL}"},
		edit{"max_count: 10", "max_count: 10, alerts: [{name: a, webhook: 'https://alerts.example.com/'}, {name: b, alertmanager: 'https://alerts.example.com'}]"},
		edit{"queues:\n", "webhooks: {ledger: {url: 'https://ledger.example.com/'}}\nqueues:\n"},
	)} {
		whole, faults := Parse("f.yaml", text)
		if len(faults.Errors()) > 0 {
			t.Fatal(faults)
		}
		numbers(whole.ProtoReflect(), func(m protoreflect.Message) protoreflect.Message { return m }, func(field protoreflect.FieldDescriptor, at func(protoreflect.Message) protoreflect.Message) {
			name := string(field.FullName())
			if visited[name]++; visited[name] > alike {
				return
			}
			for _, value := range extremes(field) {
				cfg := proto.CloneOf(whole)
				if holder := at(cfg.ProtoReflect()); field.IsList() {
					list := holder.NewField(field).List()
					list.Append(value)
					holder.Set(field, protoreflect.ValueOfList(list))
				} else {
					holder.Set(field, value)
				}
				extreme(t, cfg, field, value)
			}
		})
	}
	missing := every((&candorv1.Config{}).ProtoReflect().Descriptor(), map[protoreflect.FullName]bool{})
	missing = slices.DeleteFunc(missing, func(name string) bool { return visited[name] > 0 })
	if len(missing) > 0 {
		t.Errorf("nothing was tried of %q", missing)
	}
}

func extreme(t *testing.T, cfg *candorv1.Config, field protoreflect.FieldDescriptor, value protoreflect.Value) {
	t.Helper()
	text, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(cfg)
	if err != nil { // a duration that is none
		return
	}
	read, faults := Parse("f.yaml", text)
	if errs := faults.Errors(); len(errs) > 0 {
		named := func(f Fault) bool {
			// An element of a list, as of a shape, may be named by what it makes of the whole.
			return strings.Contains(f.String(), string(field.Name())) || field.IsList() && strings.Contains(f.String(), fmt.Sprint(value.Interface()))
		}
		if !slices.ContainsFunc(errs, named) {
			t.Errorf("%s is %v, and no fault names it: %v", field.FullName(), value, errs)
		}
		return
	}
	before := t.Failed()
	if compiles(t, read); t.Failed() && !before {
		t.Errorf("%s is %v", field.FullName(), value)
	}
}
