package gateway_test

import (
	"context"
	"fmt"
	"testing"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/gen/inference"
	"github.com/candor-gateway/candor/internal/oiptest"
)

// valueMember answers, for a row [_, _, v, w], the value v plus an offset, with an interval of width w around it.
func valueMember(t *testing.T, offset float32) *oiptest.Server {
	return oiptest.Start(t, oiptest.Model{Name: "m", Version: "1", Infer: func(_ context.Context, req *inference.ModelInferRequest) (*inference.ModelInferResponse, error) {
		in, err := floatsOf(req)
		if err != nil {
			return nil, err
		}
		n := int64(len(in) / 4)
		var value, low, high []float32
		for i := range n {
			v, half := in[4*i+2]+offset, in[4*i+3]/2
			value, low, high = append(value, v), append(low, v-half), append(high, v+half)
		}
		return oiptest.Reply(req, oiptest.FP32("value", []int64{n}, value...), oiptest.FP32("low", []int64{n, 1}, low...), oiptest.FP32("high", []int64{n, 1}, high...)), nil
	}})
}

// A regression that isn't sure enough is answered by the median of an ensemble; without a member, with a wider interval; without
// two, by a declared value.
func TestMedianOfRegressions(t *testing.T) {
	servers := []*oiptest.Server{valueMember(t, -1), valueMember(t, 0), valueMember(t, 5)}
	var backends string
	for i, s := range servers {
		backends += fmt.Sprintf("  e%d: {address: '%s', model: m, version: \"1\", breaker: %s, card: *card}\n", i, s.Addr(), calmBreaker)
	}
	w := regression(t, "card: {\n", "card: &card {\n", "models:\n  fraud:", backends+`ensembles:
  values: {version: "1", members: [{backend: e0}, {backend: e1}, {backend: e2}], quorum: 2, combiner: median, remedial: {constant_value: 7}}
models:
  fraud:`, "interval_scale: 100000", "interval_scale: 1000", "interval_width: 100}}", "interval_width: 100}}\n      fallback: {ensemble: values, threshold: {interval_width: 400}}")
	ask := func() *candorv1.Prediction {
		t.Helper()
		a := w.infer(t.Context(), request([][4]float32{{50, 500, 20, 10}}))
		if a.err != nil {
			t.Fatal(a.err)
		}
		return a.predictions[0]
	}
	three := ask()
	if r := three.GetRegression(); three.GetAnsweredBy() != "values" || r.GetValue() != 20 || r.GetLower() != 15 || r.GetUpper() != 25 || r.GetUnit() != "EUR" {
		t.Errorf("three: %v", three)
	}
	if u := three.GetUncertainty(); u.GetKind() != candorv1.UncertaintyKind_UNCERTAINTY_KIND_SPREAD || u.GetValue() != 6 {
		t.Errorf("uncertainty of three: %v", u)
	}
	servers[0].Kill()
	two := ask()
	// The middle of 20 and 25, and a third of interval_scale more.
	if r := two.GetRegression(); two.GetAnsweredBy() != "values" || r.GetValue() != 22.5 || !(r.GetUpper()-r.GetLower() > 300) || !(two.GetUncertainty().GetValue() > 300) {
		t.Errorf("two: %v", two)
	}
	servers[2].Kill()
	one := ask()
	if one.GetAnsweredBy() != "values/constant" || one.GetRegression().GetValue() != 7 || !hasReason(one.GetDecision(), candorv1.Reason_REASON_REMEDIAL) {
		t.Errorf("one: %v", one)
	}
}
