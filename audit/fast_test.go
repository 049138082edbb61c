package audit

import (
	"bytes"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// fill sets fields of a message at random, all of them with share 1: whatever fields the message has, so that one that is added to
// the proto and not to the encoder is found.
func fill(rng *rand.Rand, m protoreflect.Message, share float64) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		if f.ContainingOneof() != nil && !f.ContainingOneof().IsSynthetic() || rng.Float64() > share {
			continue
		}
		if f.IsList() {
			list := m.Mutable(f).List()
			for range 1 + rng.IntN(3) {
				if f.Message() != nil {
					fill(rng, list.AppendMutable().Message(), share)
				} else {
					list.Append(scalar(rng, f))
				}
			}
			continue
		}
		m.Set(f, scalar(rng, f))
	}
}

func scalar(rng *rand.Rand, f protoreflect.FieldDescriptor) protoreflect.Value {
	switch f.Kind() {
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(strings.Repeat("é", rng.IntN(100)))
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes(make([]byte, rng.IntN(200)))
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(rng.IntN(2) == 0)
	case protoreflect.Uint32Kind:
		return protoreflect.ValueOfUint32(rng.Uint32() >> rng.IntN(33))
	case protoreflect.Int64Kind:
		return protoreflect.ValueOfInt64(int64(rng.Uint64() >> rng.IntN(65)))
	case protoreflect.DoubleKind:
		return protoreflect.ValueOfFloat64([]float64{0, math.NaN(), math.Inf(-1), rng.NormFloat64()}[rng.IntN(4)])
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(protoreflect.EnumNumber(rng.Int32() >> rng.IntN(32) * (1 - 2*rng.Int32N(2))))
	}
	panic("a kind that the test doesn't know: " + f.Kind().String())
}

func TestEncodePredictionIsMarshal(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range 3000 {
		p := new(candorv1.PredictionRecord)
		fill(rng, p.ProtoReflect(), []float64{1, .8, .3, 0}[i%4])
		p.PredictionId = make([]byte, idBytes)
		rec := &candorv1.Record{TimeUs: int64(rng.Uint64() >> rng.IntN(65)), Entry: &candorv1.Record_Prediction{Prediction: p}}
		want, err := proto.MarshalOptions{Deterministic: true}.Marshal(rec)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Encode(rec)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Fatalf("record %v\ngot  %x\nwant %x", rec, got, want)
		}
	}
}

func TestEncodePredictionWantsUTF8(t *testing.T) {
	for _, p := range []*candorv1.PredictionRecord{
		{Model: "\xff"}, {Stages: []*candorv1.StageRecord{{Detail: "\xff"}}}, {Rows: []*candorv1.RowRecord{{Answers: []*candorv1.RowAnswer{{Label: "\xff"}}}}},
	} {
		p.PredictionId = make([]byte, idBytes)
		if _, err := Encode(&candorv1.Record{Entry: &candorv1.Record_Prediction{Prediction: p}}); err == nil {
			t.Errorf("%v was encoded", p)
		}
	}
}
