package router

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

const (
	probability = candorv1.ScoreKind_SCORE_KIND_PROBABILITY
	logOdds     = candorv1.ScoreKind_SCORE_KIND_LOG_ODDS
	logit       = candorv1.ScoreKind_SCORE_KIND_LOGIT
	logProb     = candorv1.ScoreKind_SCORE_KIND_LOG_PROB
	regression  = candorv1.ScoreKind_SCORE_KIND_REGRESSION

	maxProb  = candorv1.ConfidenceMethod_CONFIDENCE_METHOD_MAX_PROB
	margin   = candorv1.ConfidenceMethod_CONFIDENCE_METHOD_MARGIN
	entropy  = candorv1.ConfidenceMethod_CONFIDENCE_METHOD_ENTROPY
	interval = candorv1.ConfidenceMethod_CONFIDENCE_METHOD_INTERVAL_WIDTH
)

func near(a, b float64) bool { return math.Abs(a-b) < 1e-12 }

// The expected numbers are closed forms: σ(2) = 0.8807970779778823, H(.5,.25,.25) = 1.5 ln 2.
func TestScoreKinds(t *testing.T) {
	two, three := []string{"no", "yes"}, []string{"a", "b", "c"}
	for name, c := range map[string]struct {
		kind       candorv1.ScoreKind
		method     candorv1.ConfidenceMethod
		values     []float64
		labels     []string
		label      string
		confidence float64
	}{
		"probability vector":           {probability, maxProb, []float64{.1, .7, .2}, three, "b", .7},
		"one probability, positive":    {probability, maxProb, []float64{.9}, two, "yes", .9},
		"one probability, negative":    {probability, maxProb, []float64{.1}, two, "no", .9},
		"log-odds":                     {logOdds, maxProb, []float64{2}, two, "yes", 0.8807970779778823},
		"log-odds, negative":           {logOdds, maxProb, []float64{-2}, two, "no", 0.8807970779778823},
		"log-odds, huge":               {logOdds, maxProb, []float64{-2000}, two, "no", 1},
		"logits":                       {logit, maxProb, []float64{0, math.Log(2), 0}, three, "b", .5},
		"logits, huge":                 {logit, maxProb, []float64{1e300, 0, 0}, three, "a", 1},
		"one logit":                    {logit, maxProb, []float64{2}, two, "yes", 0.8807970779778823},
		"log-probabilities":            {logProb, maxProb, []float64{math.Log(.25), math.Log(.75)}, two, "yes", .75},
		"log-probabilities with ln 0":  {logProb, maxProb, []float64{math.Inf(-1), 0}, two, "yes", 1},
		"margin":                       {probability, margin, []float64{.1, .7, .2}, three, "b", .5},
		"margin of a tie":              {probability, margin, []float64{.4, .4, .2}, three, "a", 0},
		"entropy":                      {probability, entropy, []float64{.5, .25, .25}, three, "a", 1 - 1.5*math.Ln2/math.Log(3)},
		"entropy, certain":             {probability, entropy, []float64{1, 0, 0}, three, "a", 1},
		"entropy, uniform":             {probability, entropy, []float64{.25, .25, .25, .25}, []string{"a", "b", "c", "d"}, "a", 0},
		"sum off within the tolerance": {probability, maxProb, []float64{.2002, .8002}, two, "yes", .8002 / 1.0004},
	} {
		t.Run(name, func(t *testing.T) {
			ev := Score(Scores{Stage: "m", Kind: c.kind, Values: c.values, Labels: c.labels, Method: c.method})
			if len(ev.Faults) > 0 {
				t.Fatalf("faults: %v %s", ev.Faults, ev.Detail)
			}
			if ev.Label != c.label || ev.Confidence == nil || !near(*ev.Confidence, c.confidence) {
				t.Errorf("label %q confidence %v, want %q %v", ev.Label, *ev.Confidence, c.label, c.confidence)
			}
			sum := 0.0
			for _, p := range ev.Probs {
				sum += p
			}
			if !near(sum, 1) {
				t.Errorf("probabilities sum to %v", sum)
			}
		})
	}
}

func TestScoreRefusesWhatTheCardRulesOut(t *testing.T) {
	two := []string{"no", "yes"}
	nan, inf := math.NaN(), math.Inf(1)
	for name, c := range map[string]struct {
		s    Scores
		says string
	}{
		"NaN":                    {Scores{Kind: probability, Values: []float64{nan, 1}, Labels: two}, "NaN"},
		"infinite":               {Scores{Kind: logit, Values: []float64{inf, 1}, Labels: two}, "infinite"},
		"1.7":                    {Scores{Kind: probability, Values: []float64{1.7}, Labels: two}, "1.7"},
		"negative":               {Scores{Kind: probability, Values: []float64{-.1, 1.1}, Labels: two}, "-0.1"},
		"sum":                    {Scores{Kind: probability, Values: []float64{.2, .2}, Labels: two}, "sum to 0.4"},
		"too few":                {Scores{Kind: probability, Values: []float64{1}, Labels: []string{"a", "b", "c"}}, "1 scores for 3 labels"},
		"log-odds vector":        {Scores{Kind: logOdds, Values: []float64{1, 2}, Labels: two}, "one number"},
		"positive log-prob":      {Scores{Kind: logProb, Values: []float64{.5, -1}, Labels: two}, "above 0"},
		"regression NaN":         {Scores{Kind: regression, Values: []float64{nan}}, "NaN"},
		"regression range":       {Scores{Kind: regression, Values: []float64{-1}, Min: ptr(0)}, "minimum"},
		"regression upside down": {Scores{Kind: regression, Values: []float64{1}, Lower: ptr(3), Upper: ptr(2)}, "cross"},
		"regression outside":     {Scores{Kind: regression, Values: []float64{5}, Lower: ptr(1), Upper: ptr(2)}, "outside of its own interval"},
		"regression inf bound":   {Scores{Kind: regression, Values: []float64{1}, Lower: ptr(0), Upper: &inf}, "not finite"},
	} {
		t.Run(name, func(t *testing.T) {
			c.s.Method = maxProb
			ev := Score(c.s)
			if len(ev.Faults) != 1 || ev.Faults[0] != candorv1.Reason_REASON_CONTRACT_FAILURE {
				t.Fatalf("faults %v, want a contract failure", ev.Faults)
			}
			if ev.Confidence != nil || !strings.Contains(ev.Detail, c.says) {
				t.Errorf("confidence %v, detail %q, want one that says %q", ev.Confidence, ev.Detail, c.says)
			}
		})
	}
}

func TestScoreRegression(t *testing.T) {
	ev := Score(Scores{Kind: regression, Values: []float64{10}, Lower: ptr(9), Upper: ptr(12), Method: interval, Scale: Scale{Interval: 12}})
	if ev.Confidence == nil || !near(*ev.Confidence, .75) || *ev.Value != 10 {
		t.Errorf("evidence %+v, want confidence 1 - 3/12", ev)
	}
	if ev := Score(Scores{Kind: regression, Values: []float64{10}, Method: interval, Scale: Scale{Interval: 12}}); ev.Confidence != nil {
		t.Errorf("a value without an interval has confidence %v", *ev.Confidence)
	}
}

// A larger confidence never takes a more cautious route.
func TestDecideIsMonotone(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		lo, hi := rng.Float64(), rng.Float64()
		if lo > hi {
			lo, hi = hi, lo
		}
		p := Policy{Primary: at(rng.Float64()), HasReview: rng.IntN(2) == 0}
		for range rng.IntN(3) {
			p.Tiers = append(p.Tiers, at(rng.Float64()))
		}
		a, b := Decide(p, Evidence{Confidence: &lo}), Decide(p, Evidence{Confidence: &hi})
		if Caution(a.Route, b.Route) != a.Route {
			t.Fatalf("%+v: %v at %v but %v at %v", p, a.Route, lo, b.Route, hi)
		}
		if a.Ask == NoTier {
			continue
		}
		c, d := DecideTier(p, a, Evidence{Confidence: &lo}), DecideTier(p, a, Evidence{Confidence: &hi})
		if Caution(c.Route, d.Route) != c.Route {
			t.Fatalf("%+v: second pass %v at %v but %v at %v", p, c.Route, lo, d.Route, hi)
		}
	}
}
