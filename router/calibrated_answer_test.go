package router

import "testing"

// turned maps the second label's probability p of two to 1-p, or the top's to nothing: another label is on top then.
type turned struct{}

func (turned) Name() string { return "turned@1" }

func (turned) Apply(dst, probs []float64) []float64 {
	for i := range probs {
		dst[i] = probs[len(probs)-1-i]
	}
	return dst
}

// A calibrator may find another label more probable. The answer stays the model's, and its confidence is how probable it is.
func TestCalibrationKeepsTheAnswer(t *testing.T) {
	for method, want := range map[string]float64{"max_prob": .2, "margin": 0, "entropy": 0} {
		m := maxProb
		switch method {
		case "margin":
			m = margin
		case "entropy":
			m = entropy
		}
		ev := Score(Scores{Kind: probability, Values: []float64{.2, .8}, Labels: []string{"no", "yes"}, Method: m, Calibrator: turned{}})
		if ev.Label != "yes" || ev.Top != 1 || ev.Confidence == nil || !near(*ev.Confidence, want) {
			t.Errorf("%s: %q with %v, want yes with %v", method, ev.Label, ev.Confidence, want)
		}
	}
}
