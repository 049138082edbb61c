package router

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// when is a condition that holds, doesn't, or can't be computed, for each Evidence that it is asked about, by its Stage.
func when(name string, route candorv1.Route, stages ...string) Condition {
	return Condition{Name: name, Route: route, Holds: func(e *Evidence, _ any) (bool, error) { return slices.Contains(stages, e.Stage), nil }}
}

func uncomputable(name string, route candorv1.Route) Condition {
	return Condition{Name: name, Route: route, Holds: func(*Evidence, any) (bool, error) { return false, errors.New("there is no amount") }}
}

// walk takes a row through the primary and the tiers.
func walk(p Policy, stages []Evidence, call any) Decision {
	d := Apply(p, Decide(p, stages[0]), &stages[0], call)
	for d.Ask != NoTier {
		e := &stages[d.Ask+1]
		d = Apply(p, DecideTier(p, d, *e), e, call)
	}
	return d
}

func sure(stage string) Evidence { return Evidence{Stage: stage, Label: "a", Confidence: ptr(.99)} }

func TestApply(t *testing.T) {
	stages := []Evidence{sure("net"), sure("t0"), sure("t1")}
	down := []Evidence{Failed("net", candorv1.Reason_REASON_BREAKER_OPEN, ""), sure("t0"), sure("t1")}
	ofCall := when("c", fallback, "net", "t0", "t1")
	ofCall.OfCall = true
	for name, c := range map[string]struct {
		conditions []Condition
		tiers      int
		noReview   bool
		stages     []Evidence
		route      candorv1.Route
		condition  string
		confidence string // stage whose confidence was compared last
	}{
		"none":                             {nil, 2, false, stages, accept, "", "net"},
		"doesn't hold":                     {[]Condition{when("a", reject, "other")}, 2, false, stages, accept, "", "net"},
		"fallback":                         {[]Condition{when("a", fallback, "net")}, 2, false, stages, fallback, "a", "t0"},
		"fallback, twice":                  {[]Condition{when("a", fallback, "net", "t0")}, 2, false, stages, fallback, "a", "t1"},
		"fallback, everywhere":             {[]Condition{when("a", fallback, "net", "t0", "t1")}, 2, false, stages, deferred, "a", "t1"},
		"fallback of the call":             {[]Condition{ofCall}, 2, false, stages, fallback, "c", "t0"},
		"fallback without tiers":           {[]Condition{ofCall}, 0, false, stages, deferred, "c", "net"},
		"fallback with nobody":             {[]Condition{ofCall}, 0, true, stages, reject, "c", "net"},
		"defer asks no tier":               {[]Condition{when("a", deferred, "net")}, 2, false, stages, deferred, "a", "net"},
		"defer at a tier":                  {[]Condition{when("a", fallback, "net"), when("b", deferred, "t0")}, 2, false, stages, deferred, "b", "t0"},
		"defer without review":             {[]Condition{when("a", deferred, "net")}, 0, true, stages, reject, "a", "net"},
		"reject":                           {[]Condition{when("a", reject, "net")}, 2, false, stages, reject, "a", "net"},
		"the most cautious":                {[]Condition{when("a", fallback, "net"), when("b", reject, "net"), when("c", deferred, "net")}, 2, false, stages, reject, "b", "net"},
		"the first of two":                 {[]Condition{when("a", deferred, "net"), when("b", deferred, "net")}, 2, false, stages, deferred, "a", "net"},
		"can't be computed":                {[]Condition{uncomputable("a", deferred)}, 2, false, stages, deferred, "a", "net"},
		"can't be computed, no answer":     {[]Condition{uncomputable("a", deferred)}, 2, false, down, deferred, "a", "t0"},
		"no route":                         {[]Condition{when("a", 0, "net")}, 2, false, stages, reject, "a", "net"},
		"accept is no route":               {[]Condition{when("a", accept, "net")}, 2, false, stages, reject, "a", "net"},
		"holds where the primary is down":  {[]Condition{when("a", reject, "net")}, 2, false, down, reject, "a", ""},
		"primary down, condition of tiers": {[]Condition{when("a", fallback, "t0")}, 2, false, down, fallback, "a", "t1"},
	} {
		t.Run(name, func(t *testing.T) {
			p := Policy{Primary: at(.9), Tiers: []License{at(.9), at(.9)}[:c.tiers], HasReview: !c.noReview, Conditions: c.conditions}
			d := walk(p, c.stages, nil)
			if d.Route != c.route || d.Condition != c.condition || d.Ask != NoTier {
				t.Errorf("%v by %q, ask %d; want %v by %q", d.Route, d.Condition, d.Ask, c.route, c.condition)
			}
			if slices.Contains(d.Reasons, candorv1.Reason_REASON_CONDITION) != (c.condition != "") {
				t.Errorf("reasons %v", d.Reasons)
			}
			var compared *float64
			for _, e := range c.stages {
				if e.Stage == c.confidence {
					compared = e.Confidence
				}
			}
			if d.Confidence != compared {
				t.Errorf("decided on the confidence of another stage than %q", c.confidence)
			}
		})
	}
}

func TestApplyHandsTheCallOn(t *testing.T) {
	type facts struct{ n int }
	f := &facts{}
	p := Policy{Primary: at(.9), Conditions: []Condition{{Name: "n", Route: reject, Holds: func(e *Evidence, call any) (bool, error) {
		call.(*facts).n++
		return e.Label == "b", nil
	}}}}
	e := sure("net")
	if d := Apply(p, Decide(p, e), &e, f); d.Route != accept || f.n != 1 {
		t.Errorf("%v, asked %d times", d.Route, f.n)
	}
}

// Conditions never make anything less cautious, at no stage and in the end, whatever they are.
func TestConditionsOnlyRaise(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 2))
	names := []string{"net", "t0", "t1", "t2"}
	for range 20_000 {
		p := Policy{HasReview: rng.IntN(2) == 0, Primary: at(rng.Float64())}
		stages := []Evidence{{}}
		for range rng.IntN(4) {
			p.Tiers = append(p.Tiers, at(rng.Float64()))
			stages = append(stages, Evidence{})
		}
		for i := range stages {
			stages[i] = Evidence{Stage: names[i], Label: "a", Confidence: ptr(rng.Float64())}
			switch rng.IntN(8) {
			case 0:
				stages[i] = Failed(names[i], candorv1.Reason_REASON_BACKEND_FAILURE, "")
			case 1:
				stages[i].Confidence, stages[i].Unconditional = nil, true
			case 2:
				stages[i].Confidence = nil
			}
		}
		plain := p
		for range rng.IntN(5) {
			c := when("c", candorv1.Route(rng.IntN(6)), names[rng.IntN(4)], names[rng.IntN(4)])
			if rng.IntN(4) == 0 {
				c = uncomputable("c", c.Route)
			}
			c.OfCall = rng.IntN(3) == 0
			p.Conditions = append(p.Conditions, c)
		}
		for i := range stages {
			before := Decide(p, stages[i])
			if after := Apply(p, before, &stages[i], nil); Caution(before.Route, after.Route) != after.Route {
				t.Fatalf("%v became %v", before.Route, after.Route)
			}
		}
		without, with := walk(plain, stages, nil), walk(p, stages, nil)
		if Caution(without.Route, with.Route) != with.Route {
			t.Fatalf("without conditions %v, with them %v: %+v", without.Route, with.Route, p)
		}
		if (with.Condition != "") != slices.Contains(with.Reasons, candorv1.Reason_REASON_CONDITION) {
			t.Fatalf("condition %q, reasons %v", with.Condition, with.Reasons)
		}
	}
}
