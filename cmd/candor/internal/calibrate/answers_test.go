package calibrate

import (
	"math"
	"testing"

	"github.com/candor-gateway/candor/calibration"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/router"
)

// What is certified must be what the gateway does: a calibrator that finds another of two labels more probable leaves the answer the
// model's, with the same confidence here and there.
func TestConfidencesAreTheGateways(t *testing.T) {
	// σ(f-2) of the second label's log-odds f: at 0.7 it says 0.24.
	c, err := calibration.New(&candorv1.Artefact{Name: "x", Version: 1, Scope: someScope,
		Body: &candorv1.Artefact_Platt{Platt: &candorv1.Platt{A: 1, B: -2}}})
	if err != nil {
		t.Fatal(err)
	}
	const yes, no = 1, 0
	s := calibration.Sample{
		Labels: someScope.GetLabels(), Probs: [][]float64{{.3, .7}, {.01, .99}, {.6, .4}}, Truth: []int{yes, no, no},
	}
	for _, method := range []candorv1.ConfidenceMethod{
		candorv1.ConfidenceMethod_CONFIDENCE_METHOD_MAX_PROB, candorv1.ConfidenceMethod_CONFIDENCE_METHOD_MARGIN,
		candorv1.ConfidenceMethod_CONFIDENCE_METHOD_ENTROPY,
	} {
		values, wrong := confidences(c.ApplyTo(s), method)
		for i, probs := range s.Probs {
			ev := router.Score(router.Scores{
				Kind: candorv1.ScoreKind_SCORE_KIND_PROBABILITY, Values: probs, Labels: s.Labels, Method: method, Calibrator: c,
			})
			if math.Abs(values[i]-*ev.Confidence) > 1e-9 || wrong[i] != (ev.Top != s.Truth[i]) {
				t.Errorf("%v, row %d: %v and wrong %v here, %v and %q in the gateway", method, i, values[i], wrong[i], *ev.Confidence, ev.Label)
			}
		}
	}
}
