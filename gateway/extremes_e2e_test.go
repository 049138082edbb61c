package gateway_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/candor-gateway/candor/config"
	"github.com/candor-gateway/candor/gateway"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// extreme are the values between which every one of a field lies; nil: it is no number.
func extreme(field protoreflect.FieldDescriptor) []protoreflect.Value {
	switch {
	case field.IsList() || field.IsMap():
	case field.Kind() == protoreflect.Int64Kind:
		return []protoreflect.Value{protoreflect.ValueOfInt64(1), protoreflect.ValueOfInt64(1_000_000), protoreflect.ValueOfInt64(math.MaxInt64)}
	case field.Kind() == protoreflect.Uint32Kind:
		return []protoreflect.Value{protoreflect.ValueOfUint32(1), protoreflect.ValueOfUint32(math.MaxUint32)}
	case field.Message() != nil && field.Message().FullName() == "google.protobuf.Duration":
		var out []protoreflect.Value
		for _, d := range []time.Duration{1, time.Second, 87600 * time.Hour, math.MaxInt64} {
			out = append(out, protoreflect.ValueOfMessage(durationpb.New(d).ProtoReflect()))
		}
		return out
	}
	return nil
}

// place is a number within a configuration: the message that has it is found in any copy.
type place struct {
	field protoreflect.FieldDescriptor
	in    func(protoreflect.Message) protoreflect.Message
}

// places are those numbers that the message has.
func places(message protoreflect.Message, in func(protoreflect.Message) protoreflect.Message) (out []place) {
	message.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		switch {
		case extreme(field) != nil:
			out = append(out, place{field, in})
		case field.IsMap() && field.MapValue().Message() != nil:
			value.Map().Range(func(key protoreflect.MapKey, one protoreflect.Value) bool {
				out = append(out, places(one.Message(), func(m protoreflect.Message) protoreflect.Message { return in(m).Get(field).Map().Get(key).Message() })...)
				return true
			})
		case field.IsList() && field.Message() != nil:
			for i := range value.List().Len() {
				out = append(out, places(value.List().Get(i).Message(), func(m protoreflect.Message) protoreflect.Message { return in(m).Get(field).List().Get(i).Message() })...)
			}
		case !field.IsMap() && field.Message() != nil && field.Message().FullName() != "google.protobuf.Timestamp":
			out = append(out, places(value.Message(), func(m protoreflect.Message) protoreflect.Message { return in(m).Get(field).Message() })...)
		}
		return true
	})
	return out
}

// Whatever duration or whole number a field holds that the check lets pass: calls under it have an end, and nothing panics.
func TestExtremesServe(t *testing.T) {
	edits := withLimit(1000, `, alerts: [{name: a, alertmanager: "https://alerts.example.com"}, {name: b, webhook: "https://alerts.example.com/"}]`)
	edits[1] = "queues: {desk: {deadline: 1h, lease: 5m, capacity: {reviewers: 3, service_time: 1m, per_day: 100}, coalesce: {within: 1h}}}" + edits[1][len(edits[0]):]
	w := start(t, append(edits,
		"timeout: 5s, breaker: BREAKER, card: &card", "timeout: 5s, hedge: {}, breaker: {min_calls: 1000, collapse: {below: 0.3, min_rows: 1}}, replicas: {}, card: &card",
		"address: PRIMARY", `addresses: ["PRIMARY", "OLD"]`)...)
	before := w.edited()
	all := places(before.ProtoReflect(), func(m protoreflect.Message) protoreflect.Message { return m })
	slices.SortFunc(all, func(a, b place) int { return cmp.Compare(a.field.FullName(), b.field.FullName()) })
	all = slices.CompactFunc(all, func(a, b place) bool { return a.field == b.field })
	tried, served := 0, 0
	for _, p := range all {
		for _, value := range extreme(p.field) {
			cfg := proto.CloneOf(before)
			p.in(cfg.ProtoReflect()).Set(p.field, value)
			cfg.Ensembles["both"].Version = fmt.Sprint("v", tried) // of one version nothing may change
			tried++
			text, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(cfg)
			if err != nil {
				t.Fatal(err)
			}
			read, faults := config.Parse("f.yaml", text)
			if len(faults.Errors()) > 0 {
				continue
			}
			var restart *gateway.RestartError
			if _, err := w.gateway.Reload(t.Context(), read, nil); errors.As(err, &restart) {
				continue
			} else if err != nil {
				t.Errorf("%s is %v: %v", p.field.FullName(), value, err)
				continue
			}
			served++
			for _, rows := range [][][4]float32{{{.99, .5, .5, 1}}, {{.5, .5, .5, 1}}} {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				_, err := w.predictions().Predict(ctx, &candorv1.PredictRequest{Request: request(rows, "candor_route")})
				if ctx.Err() != nil || status.Code(err) == codes.Internal {
					t.Errorf("%s is %v: %v", p.field.FullName(), value, err)
				}
				cancel()
			}
		}
	}
	if served < len(all)/2 {
		t.Errorf("of %d numbers only %d values were served: too few to show anything", len(all), served)
	}
	if n := w.metric("candor_panics_total"); n != 0 {
		t.Errorf("%v panics", n)
	}
}
