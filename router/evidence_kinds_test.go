package router

import (
	"math"
	"strings"
	"testing"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

const (
	dist   = candorv1.ScoreKind_SCORE_KIND_DISTANCE
	svm    = candorv1.ScoreKind_SCORE_KIND_MARGIN
	abst   = candorv1.Reason_REASON_ABSTAINED
	broken = candorv1.Reason_REASON_CONTRACT_FAILURE
)

// Closed forms: exp(-1), tanh(1/2) = 2σ(1)-1, ln(e^1+e^2+e^3) = 3 + ln(1+e^-1+e^-2) = 3.40760596444438 (to 15 digits), σ(ln 3) = 3/4.
func TestRankedAndEnergyConfidence(t *testing.T) {
	two, three := []string{"no", "yes"}, []string{"a", "b", "c"}
	lse123 := 3 + math.Log(1+math.Exp(-1)+math.Exp(-2))
	if !near(lse123, 3.40760596444438) || !near(Energy([]float64{1, 2, 3}), lse123) {
		t.Errorf("energy of 1, 2, 3 is %v", Energy([]float64{1, 2, 3}))
	}
	if got := Energy([]float64{1e300, 1e300}); got != 1e300 {
		t.Errorf("energy of huge logits is %v", got)
	}
	if got := Energy([]float64{-1000, -1000}); !near(got, -1000+math.Ln2) {
		t.Errorf("energy of logits below every exponential is %v", got)
	}
	for name, c := range map[string]struct {
		kind       candorv1.ScoreKind
		method     candorv1.ConfidenceMethod
		values     []float64
		labels     []string
		scale      Scale
		label      string
		confidence float64
	}{
		"nearest of three":            {dist, methodDistance, []float64{3, 2, 4}, three, Scale{Distance: 2}, "b", math.Exp(-1)},
		"nearest of equals":           {dist, methodDistance, []float64{2, 2, 4}, three, Scale{Distance: 2}, "a", math.Exp(-1)},
		"a match":                     {dist, methodDistance, []float64{0}, two, Scale{Distance: 2}, "yes", 1},
		"a far match":                 {dist, methodDistance, []float64{2}, two, Scale{Distance: 1}, "yes", math.Exp(-2)},
		"margin of the second":        {svm, methodBoundary, []float64{1}, two, Scale{}, "yes", math.Tanh(.5)},
		"margin of the first":         {svm, methodBoundary, []float64{-1}, two, Scale{}, "no", math.Tanh(.5)},
		"on the boundary":             {svm, methodBoundary, []float64{0}, two, Scale{}, "no", 0},
		"one margin per label":        {svm, methodBoundary, []float64{-1, .5, -.5}, three, Scale{}, "b", math.Tanh(.5)},
		"margins that are all lost":   {svm, methodBoundary, []float64{-3, -2, -4}, three, Scale{}, "b", math.Tanh(.5)},
		"energy at the center":        {logit, methodEnergy, []float64{1, 2, 3}, three, Scale{EnergyCenter: lse123}, "c", .5},
		"energy ln 3 above":           {logit, methodEnergy, []float64{1, 2, 3}, three, Scale{EnergyCenter: lse123 - math.Log(3)}, "c", .75},
		"energy of logits that shift": {logit, methodEnergy, []float64{101, 102, 103}, three, Scale{EnergyCenter: lse123 + 100}, "c", .5},
	} {
		t.Run(name, func(t *testing.T) {
			ev := Score(Scores{Kind: c.kind, Method: c.method, Values: c.values, Labels: c.labels, Scale: c.scale})
			if len(ev.Faults) > 0 || ev.Label != c.label || ev.Confidence == nil || !near(*ev.Confidence, c.confidence) {
				t.Fatalf("%+v, want %q at %v", ev, c.label, c.confidence)
			}
			if (c.kind == dist || c.kind == svm) && ev.Probs != nil {
				t.Errorf("probabilities %v were made of nothing", ev.Probs)
			}
		})
	}
}

// z(0.9) = 1.6448536269514722 and z(0.95) = 1.959963984540054, as in every table of the normal distribution.
func TestScoreVariance(t *testing.T) {
	for coverage, z := range map[float64]float64{0: 1.6448536269514722, .9: 1.6448536269514722, .95: 1.959963984540054} {
		ev := Score(Scores{Kind: regression, Method: interval, Values: []float64{10}, Variance: ptr(4), Coverage: coverage, Scale: Scale{Interval: 20}})
		if len(ev.Faults) > 0 || math.Abs(*ev.Lower-(10-2*z)) > 1e-9 || math.Abs(*ev.Upper-(10+2*z)) > 1e-9 {
			t.Fatalf("coverage %v: %+v, want 10 ± 2·%v", coverage, ev, z)
		}
		if math.Abs(*ev.Confidence-(1-4*z/20)) > 1e-9 || ev.Uncertainty != 2 || ev.UncertaintyKind != candorv1.UncertaintyKind_UNCERTAINTY_KIND_STANDARD_DEVIATION {
			t.Errorf("coverage %v: confidence %v, uncertainty %v %v", coverage, *ev.Confidence, ev.Uncertainty, ev.UncertaintyKind)
		}
	}
}

func TestScoreRefusesMore(t *testing.T) {
	two := []string{"no", "yes"}
	nan, inf := math.NaN(), math.Inf(1)
	for name, c := range map[string]struct {
		s      Scores
		reason candorv1.Reason
		says   string
	}{
		"negative distance":  {Scores{Kind: dist, Values: []float64{1, -.5}, Labels: two}, broken, "distance 1 is -0.5"},
		"distance NaN":       {Scores{Kind: dist, Values: []float64{nan, 1}, Labels: two}, broken, "NaN"},
		"infinite margin":    {Scores{Kind: svm, Values: []float64{inf}, Labels: two}, broken, "infinite"},
		"margins for labels": {Scores{Kind: svm, Values: []float64{1, 2, 3}, Labels: two}, broken, "3 scores for 2 labels"},
		"nothing":            {Scores{Kind: svm, Labels: two}, broken, "0 scores"},
		"one label":          {Scores{Kind: dist, Values: []float64{1}, Labels: two[:1]}, broken, "1 scores for 1 labels"},
		"negative variance":  {Scores{Kind: regression, Values: []float64{1}, Variance: ptr(-1)}, broken, "variance is -1"},
		"variance NaN":       {Scores{Kind: regression, Values: []float64{1}, Variance: &nan}, broken, "variance is NaN"},
		"variance infinite":  {Scores{Kind: regression, Values: []float64{1}, Variance: &inf}, broken, "variance is +Inf"},
		"too wide":           {Scores{Kind: regression, Values: []float64{0}, Lower: ptr(-math.MaxFloat64), Upper: ptr(math.MaxFloat64)}, broken, "wider"},
		"quantiles cross":    {Scores{Kind: regression, Values: []float64{1}, Lower: ptr(3), Upper: ptr(2)}, broken, "cross"},
		"abstained":          {Scores{Kind: probability, Values: []float64{nan, 7}, Labels: two, Abstained: true}, abst, "abstained"},
		"abstained, no kind": {Scores{Abstained: true}, abst, "abstained"},
	} {
		t.Run(name, func(t *testing.T) {
			ev := Score(c.s)
			if len(ev.Faults) != 1 || ev.Faults[0] != c.reason || !strings.Contains(ev.Detail, c.says) || ev.Confidence != nil {
				t.Errorf("%v %q, want %v that says %q", ev.Faults, ev.Detail, c.reason, c.says)
			}
		})
	}
}

// scaledBy is a calibrator that divides log-probabilities by a temperature; mad one that answers anything.
type scaledBy float64

func (scaledBy) Name() string { return "t@1" }

func (c scaledBy) Apply(dst, probs []float64) []float64 {
	sum := 0.0
	for i, p := range probs {
		dst[i] = math.Pow(p, 1/float64(c))
		sum += dst[i]
	}
	for i := range dst {
		dst[i] /= sum
	}
	return dst
}

type mad []float64

func (mad) Name() string                     { return "mad@1" }
func (m mad) Apply(_, _ []float64) []float64 { return m }

// The confidence is that of the calibrated probabilities, beside what it would have been; the scores stay as the model gave them.
func TestScoreCalibrates(t *testing.T) {
	two := []string{"no", "yes"}
	// sqrt(.8) : sqrt(.2) = 2 : 1.
	ev := Score(Scores{Kind: probability, Method: maxProb, Values: []float64{.2, .8}, Labels: two, Calibrator: scaledBy(2)})
	if !near(*ev.Confidence, 2./3) || !near(*ev.RawConfidence, .8) || ev.Calibrator != "t@1" || !near(ev.Probs[1], 2./3) || ev.Scores[1] != .8 {
		t.Errorf("%+v, want 2/3, raw 0.8", ev)
	}
	// A margin reaches the calibrator as log-odds: temperature 2 halves it. σ(ln 2) = 2/3.
	ev = Score(Scores{Kind: svm, Method: maxProb, Values: []float64{2 * math.Ln2}, Labels: two, Calibrator: scaledBy(2)})
	if !near(*ev.Confidence, 2./3) || !near(*ev.RawConfidence, .8) || ev.Label != "yes" {
		t.Errorf("margin: %+v, want 2/3, raw 0.8", ev)
	}
	// Distances ln 2 apart are odds of 2, and of 4 by temperature 1/2.
	ev = Score(Scores{Kind: dist, Method: maxProb, Values: []float64{1, 1 + math.Ln2}, Labels: two, Calibrator: scaledBy(.5)})
	if !near(*ev.Confidence, .8) || ev.Label != "no" {
		t.Errorf("distance: %+v, want .8 for no", ev)
	}
	ev = Score(Scores{Kind: dist, Method: methodDistance, Values: []float64{1}, Labels: two, Scale: Scale{Distance: 1}, Calibrator: scaledBy(2)})
	if !near(*ev.Confidence, math.Exp(-1)) || ev.Calibrator != "" || ev.RawConfidence != nil {
		t.Errorf("method distance: %+v, want exp(-1), uncalibrated", ev)
	}
	for name, m := range map[string]mad{"none": nil, "short": {1}, "NaN": {math.NaN(), 1}, "negative": {-.5, 1.5}, "sum": {.2, .2}} {
		for _, kind := range []candorv1.ScoreKind{probability, svm} {
			ev := Score(Scores{Kind: kind, Method: maxProb, Values: []float64{.8}, Labels: two, Calibrator: m})
			if ev.Confidence != nil || len(ev.Faults) > 0 || ev.Label != "yes" {
				t.Errorf("%s, %v: %+v, want the label without a confidence", name, kind, ev)
			}
		}
	}
}

var allKinds = []candorv1.ScoreKind{candorv1.ScoreKind_SCORE_KIND_UNSPECIFIED, probability, logOdds, logit, logProb, regression, dist, svm}

// Any input whatever: no panic, and usable evidence is in range.
func FuzzScore(f *testing.F) {
	f.Add(uint8(1), uint8(1), .3, .7, -1.0, uint8(3), uint8(0))
	f.Add(uint8(6), uint8(6), 3., 2., 1.0, uint8(3), uint8(1))
	f.Add(uint8(7), uint8(11), -3., 2., 1.0, uint8(1), uint8(2))
	f.Add(uint8(5), uint8(4), 1., 2., 3.0, uint8(1), uint8(4))
	f.Fuzz(func(t *testing.T, kind, method uint8, a, b, c float64, n, how uint8) {
		values := []float64{a, b, c}[:min(int(n), 3)]
		s := Scores{
			Kind: allKinds[int(kind)%len(allKinds)], Method: candorv1.ConfidenceMethod(method % 12), Values: values,
			Labels: []string{"x", "y", "z"}[:max(2, len(values))], Scale: Scale{Interval: math.Abs(a), EnergyCenter: b, Distance: math.Abs(c)},
			Coverage: c, Abstained: how&16 != 0,
		}
		if how&1 != 0 {
			s.Lower, s.Upper = &b, &c
		}
		if how&2 != 0 {
			s.Variance = &b
		}
		if how&4 != 0 {
			s.Calibrator = scaledBy(2)
		}
		if how&8 != 0 {
			s.Calibrator = mad(values)
		}
		ev := Score(s)
		for _, v := range []*float64{ev.Confidence, ev.RawConfidence} {
			if v != nil && !(*v >= 0 && *v <= 1) {
				t.Errorf("%+v: confidence %v", s, *v)
			}
		}
		if len(ev.Faults) > 0 && (ev.Confidence != nil || ev.Probs != nil || ev.Value != nil) {
			t.Errorf("%+v: a faulty answer has numbers: %+v", s, ev)
		}
		if len(ev.Faults) == 0 && ev.Top >= 0 && ev.Label != s.Labels[ev.Top] {
			t.Errorf("%+v: label %q is not that of %d", s, ev.Label, ev.Top)
		}
	})
}
