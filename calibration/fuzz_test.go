package calibration

import (
	"encoding/binary"
	"math"
	"testing"

	"google.golang.org/protobuf/proto"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// Whatever is stored as an artefact, New refuses it or Apply answers probabilities.
func FuzzArtefact(f *testing.F) {
	for _, k := range []int{2, 4} {
		s := overconfident(1, 300, k, 0.5)
		for _, m := range Methods() {
			a, err := Fit(m, s)
			if err != nil {
				f.Fatal(err)
			}
			data, err := proto.Marshal(a)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data, floats(s.Probs[0]))
			f.Add(data, floats([]float64{1, 0, 0, 0}[:k]))
			f.Add(data, floats([]float64{math.NaN(), math.Inf(1), math.MaxFloat64, 5e-324}[:k]))
		}
	}
	f.Fuzz(func(t *testing.T, data, numbers []byte) {
		a := &candorv1.Artefact{}
		if proto.Unmarshal(data, a) != nil {
			return
		}
		c, err := New(a)
		if err != nil {
			return
		}
		k := len(a.GetScope().GetLabels())
		probs := make([]float64, min(k, 64))
		for i := range probs {
			if len(numbers) >= 8*(i+1) {
				probs[i] = math.Float64frombits(binary.LittleEndian.Uint64(numbers[8*i:]))
			}
		}
		sum := 0.0
		for _, p := range c.Apply(nil, probs) {
			if !(p >= 0 && p <= 1) {
				t.Fatalf("%v of %v by %v", p, probs, a)
			}
			sum += p
		}
		if math.Abs(sum-1) > 1e-9 {
			t.Fatalf("%v of %v by %v", sum, probs, a)
		}
	})
}

func floats(values []float64) []byte {
	var out []byte
	for _, v := range values {
		out = binary.LittleEndian.AppendUint64(out, math.Float64bits(v))
	}
	return out
}
