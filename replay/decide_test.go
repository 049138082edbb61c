package replay

import (
	"math/rand/v2"
	"testing"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

func randomConditions(rng *rand.Rand) []*candorv1.Condition {
	var out []*candorv1.Condition
	routes := []candorv1.Route{candorv1.Route_ROUTE_FALLBACK, candorv1.Route_ROUTE_DEFER, candorv1.Route_ROUTE_REJECT}
	for _, c := range []struct{ name, when string }{
		{"urgent", "params.urgent == true"},
		{"likely-b", "has(evidence.probabilities) && evidence.probabilities['b'] > 0.3"},
		{"unsure", "has(evidence.confidence) && evidence.confidence < 0.75"},
		{"is-b", "has(evidence.label) && evidence.label == 'b'"},
	} {
		if rng.IntN(3) == 0 {
			out = append(out, &candorv1.Condition{Name: c.name, When: c.when, Route: routes[rng.IntN(3)]})
		}
	}
	return out
}

func randomCall(rng *rand.Rand, tiers int) []*trueRow {
	urgent := rng.IntN(4) == 0
	var call []*trueRow
	for range 1 + rng.IntN(3) {
		row := &trueRow{urgent: urgent}
		row.evidence = append(row.evidence, randomEvidence(rng, "primary", false))
		for k := range tiers {
			row.evidence = append(row.evidence, randomEvidence(rng, []string{"tier0", "tier1"}[k], true))
		}
		call = append(call, row)
	}
	return call
}

// Whatever the configuration: what is decided again is what a gateway would have decided, or it says that it can't be decided.
func TestDecidedAgainIsTrueOrUndecided(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	counts := map[Outcome]int{}
	for range 1200 {
		tiers := rng.IntN(3)
		old, next := randomPolicy(rng, tiers, randomConditions(rng)), randomPolicy(rng, tiers, randomConditions(rng))
		was, oldCompiled := modelOf(t, old, "old")
		m, nextCompiled := modelOf(t, next, "new")
		if rng.IntN(2) == 0 {
			m.Knows(was.Was())
		}
		oldPolicy, nextPolicy := asCompiled(oldCompiled, old.GetConditions()), asCompiled(nextCompiled, next.GetConditions())
		for range 5 {
			call := randomCall(rng, tiers)
			rec := record(oldPolicy, "old", call)
			for i, row := range call {
				r := read(0, rec, i, m.wasOf(rec.GetPolicyDigest()))
				got := m.decide(r)
				counts[got.outcome]++
				enforced := nextPolicy
				enforced.Mode = candorv1.Mode_MODE_ENFORCE
				want, asked := path(enforced, row)
				switch got.outcome {
				case Undecided:
				case Ask:
					if asked < got.by {
						t.Fatalf("asks tier %d, and %d were asked\nold %v\nnew %v\n%v", got.by, asked, old, next, rec)
					}
				default:
					if got.outcome != outcomeOf(want.Route) {
						t.Fatalf("row %d: %s, want %s\nold %v\nnew %v\n%v", i, got.outcome, want.Route, old, next, rec)
					}
				}
			}
		}
	}
	for _, o := range outcomes {
		if counts[o] < 100 {
			t.Errorf("%s only %d times in %v: the test shows little", o, counts[o], counts)
		}
	}
}

// Under the configuration that they were recorded under rows are decided as they were.
func TestSameConfigurationChangesNothing(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	rows, undecided := 0, 0
	for range 1000 {
		tiers := rng.IntN(3)
		p := randomPolicy(rng, tiers, randomConditions(rng))
		m, compiled := modelOf(t, p, "same")
		policy := asCompiled(compiled, p.GetConditions())
		for range 5 {
			call := randomCall(rng, tiers)
			rec := record(policy, "same", call)
			for i := range call {
				r := read(0, rec, i, m.wasOf(rec.GetPolicyDigest()))
				got := m.decide(r)
				rows++
				if got.outcome == Undecided && (got.cause == CauseCondition || got.cause == CauseRounding) {
					undecided++
					continue
				}
				if got.outcome != r.outcome {
					t.Fatalf("row %d: %s (%s), recorded %s\n%v\n%v", i, got.outcome, got.cause, r.outcome, p, rec)
				}
			}
		}
	}
	// With several conditions that read what isn't recorded it can't always be told which held; and the threshold of a tier that another
	// one followed isn't recorded.
	if share := float64(undecided) / float64(rows); share > .05 {
		t.Errorf("%.1f %% of %d rows undecided", 100*share, rows)
	}
}

// Without conditions every row can be decided again, except on the threshold itself.
func TestThresholdsAreDecidedExactly(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for range 1000 {
		tiers := rng.IntN(3)
		old, next := randomPolicy(rng, tiers, nil), randomPolicy(rng, tiers, nil)
		was, oldPolicy := modelOf(t, old, "old")
		m, _ := modelOf(t, next, "new")
		m.Knows(was.Was())
		for range 5 {
			rec := record(oldPolicy, "old", randomCall(rng, tiers))
			for i := range rec.GetRows() {
				r := read(0, rec, i, m.wasOf(rec.GetPolicyDigest()))
				if got := m.decide(r); got.outcome == Undecided && got.cause != CauseRounding {
					t.Fatalf("row %d: %s\nold %v\nnew %v\n%v", i, got.cause, old, next, rec)
				}
			}
		}
	}
}
