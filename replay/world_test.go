package replay

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/uuid"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/router"
)

// A world that knows what records don't tell: every stage's Evidence of every row, and the request's parameters. It decides as the
// gateway does, and records what the gateway records.

type trueRow struct {
	evidence []router.Evidence // the primary's, and each tier's
	urgent   bool              // a parameter
}

// asCompiled is a policy as a gateway has it, with conditions that see everything.
func asCompiled(p router.Policy, conditions []*candorv1.Condition) router.Policy {
	for _, c := range conditions {
		holds, ok := meanings[c.GetWhen()]
		if !ok {
			panic(c.GetWhen())
		}
		p.Conditions = append(p.Conditions, router.Condition{
			Name: c.GetName(), Route: c.GetRoute(), OfCall: c.GetWhen() == "params.urgent == true",
			Holds: func(e *router.Evidence, call any) (bool, error) { return holds(e, call.(*trueRow)), nil },
		})
	}
	return p
}

// meanings of the conditions that the worlds have.
var meanings = map[string]func(*router.Evidence, *trueRow) bool{
	"params.urgent == true": func(_ *router.Evidence, r *trueRow) bool { return r.urgent },
	"has(evidence.probabilities) && evidence.probabilities['b'] > 0.3": func(e *router.Evidence, _ *trueRow) bool {
		return len(e.Faults) == 0 && len(e.Probs) == 2 && e.Probs[1] > .3
	},
	"has(evidence.confidence) && evidence.confidence < 0.75": func(e *router.Evidence, _ *trueRow) bool {
		return len(e.Faults) == 0 && e.Confidence != nil && *e.Confidence < .75
	},
	"has(evidence.label) && evidence.label == 'b'": func(e *router.Evidence, _ *trueRow) bool { return len(e.Faults) == 0 && e.Label == "b" },
}

// path is what became of a row: its Decision, and the tiers that were asked.
func path(p router.Policy, row *trueRow) (router.Decision, int) {
	d := router.Apply(p, router.Decide(p, row.evidence[0]), &row.evidence[0], row)
	asked := 0
	if p.Mode == candorv1.Mode_MODE_OBSERVE && len(row.evidence[0].Faults) == 0 {
		return d, 0
	}
	for d.Ask != router.NoTier {
		asked = d.Ask + 1
		ev := &row.evidence[asked]
		d = router.Apply(p, router.DecideTier(p, d, *ev), ev, row)
	}
	return d, asked
}

// policyOf makes the policy of a random configuration: the message, and as it is compiled.
func randomPolicy(rng *rand.Rand, tiers int, conditions []*candorv1.Condition) *candorv1.Policy {
	threshold := func() *candorv1.Threshold {
		return &candorv1.Threshold{At: &candorv1.Threshold_Probability{Probability: float64(50+rng.IntN(50)) / 100}}
	}
	p := &candorv1.Policy{
		Mode: candorv1.Mode_MODE_ENFORCE, Confidence: candorv1.ConfidenceMethod_CONFIDENCE_METHOD_MAX_PROB, Conditions: conditions,
		Accept: &candorv1.Accept{License: &candorv1.Accept_Threshold{Threshold: threshold()}},
	}
	if rng.IntN(4) == 0 {
		p.Mode = candorv1.Mode_MODE_OBSERVE
	}
	if rng.IntN(4) > 0 {
		p.Review = &candorv1.ReviewPolicy{Queue: "q"}
	}
	for k := range tiers {
		f := &candorv1.FallbackPolicy{Ensemble: fmt.Sprint("tier", k), Threshold: threshold()}
		if k == 0 {
			p.Fallback = f
		} else {
			p.Then = append(p.Then, f)
		}
	}
	return p
}

func configOf(p *candorv1.Policy) *candorv1.Config {
	b := &candorv1.Backend{Version: "1", Card: &candorv1.ModelCard{Scores: []*candorv1.Score{
		{Kind: candorv1.ScoreKind_SCORE_KIND_PROBABILITY, Labels: []string{"a", "b"}},
	}}}
	cfg := &candorv1.Config{
		Backends: map[string]*candorv1.Backend{"primary": b, "member": {Version: "1"}},
		Models:   map[string]*candorv1.Model{"m": {Primary: "primary", Policy: p}}, Ensembles: map[string]*candorv1.Ensemble{},
	}
	for _, f := range router.Cascade(p) {
		cfg.Ensembles[f.GetEnsemble()] = &candorv1.Ensemble{Version: "1", Members: []*candorv1.Member{{Backend: "member"}}}
	}
	return cfg
}

func modelOf(t testing.TB, p *candorv1.Policy, digest string) (*Model, router.Policy) {
	t.Helper()
	compiled, err := router.Compile(p, router.Source{Kind: candorv1.ScoreKind_SCORE_KIND_PROBABILITY, Labels: 2})
	if err != nil {
		t.Fatal(err)
	}
	m, err := NewModel(configOf(p), "m", []byte(digest), map[string]router.Policy{"": compiled})
	if err != nil {
		t.Fatal(err)
	}
	return m, compiled
}

func randomEvidence(rng *rand.Rand, stage string, mayDeclare bool) router.Evidence {
	switch {
	case rng.IntN(12) == 0:
		why := candorv1.Reason_REASON_CONTRACT_FAILURE
		if stage != "primary" {
			why = candorv1.Reason_REASON_QUORUM_MISSED
		}
		return router.Failed(stage, why, "")
	case mayDeclare && rng.IntN(10) == 0:
		return router.Evidence{Stage: stage + "/constant", Label: "a", Unconditional: true, Top: -1, Notes: []candorv1.Reason{candorv1.Reason_REASON_REMEDIAL}}
	}
	c := .5 + rng.Float64()/2
	if rng.IntN(3) == 0 {
		// On a threshold that somebody may have typed, or next to it.
		c = math.Min(1, math.Round(c*100)/100+[]float64{0, -2e-7, 2e-7, 1e-6}[rng.IntN(4)])
	}
	ev := router.Evidence{Stage: stage, Confidence: &c, Label: "a", Labels: []string{"a", "b"}, Probs: []float64{c, 1 - c}}
	if rng.IntN(2) == 0 {
		ev.Label, ev.Probs = "b", []float64{1 - c, c}
	}
	return ev
}

func ppmOf(v *float64) *uint32 {
	if v == nil {
		return nil
	}
	out := uint32(math.Round(*v * 1e6))
	return &out
}

// record is what the gateway would record of a call; see gateway.recordOf.
func record(p router.Policy, digest string, call []*trueRow) *candorv1.PredictionRecord {
	id := uuid.New()
	rec := &candorv1.PredictionRecord{
		PredictionId: id[:], Model: "m", Mode: p.Mode, PolicyDigest: []byte(digest), ConfidenceMethod: p.Method,
		Stages: []*candorv1.StageRecord{{Stage: "primary", Version: "1", Kind: candorv1.StepKind_STEP_KIND_PRIMARY, Rows: uint32(len(call))}},
	}
	answers := make([][]*candorv1.RowAnswer, len(call))
	note := func(row, stage int, ev *router.Evidence) {
		if len(ev.Faults) == 0 {
			answers[row] = append(answers[row], &candorv1.RowAnswer{Stage: uint32(stage), Label: ev.Label, ConfidencePpm: ppmOf(ev.Confidence)})
		}
	}
	for i := range call {
		note(i, 0, &call[i].evidence[0])
	}
	for k := range p.Tiers {
		var asked, declared []int
		for i, row := range call {
			if _, n := path(p, row); n > k {
				asked = append(asked, i)
				if row.evidence[k+1].Unconditional {
					declared = append(declared, i)
				}
			}
		}
		if len(asked) == 0 {
			continue
		}
		name := fmt.Sprint("tier", k)
		rec.Stages = append(rec.Stages, &candorv1.StageRecord{
			Stage: "member", Version: "1", Kind: candorv1.StepKind_STEP_KIND_MEMBER, Rows: uint32(len(asked)), Parent: name,
		}, &candorv1.StageRecord{Stage: name, Version: "1", Kind: candorv1.StepKind_STEP_KIND_ENSEMBLE, Rows: uint32(len(asked))})
		for _, i := range asked {
			if ev := &call[i].evidence[k+1]; !ev.Unconditional {
				note(i, len(rec.Stages)-1, ev)
			}
		}
		if len(declared) > 0 {
			rec.Stages = append(rec.Stages, &candorv1.StageRecord{
				Stage: name + "/constant", Version: "1", Kind: candorv1.StepKind_STEP_KIND_CONSTANT, Rows: uint32(len(declared)),
			})
			for _, i := range declared {
				note(i, len(rec.Stages)-1, &call[i].evidence[k+1])
			}
		}
	}
	for i, row := range call {
		d, asked := path(p, row)
		out := &candorv1.RowRecord{
			Route: d.Route, AppliedRoute: d.Route, Reasons: d.Reasons, ConfidencePpm: ppmOf(d.Confidence), ThresholdPpm: ppmOf(d.Threshold),
			Condition: d.Condition, Label: row.evidence[asked].Label,
		}
		if asked > 0 {
			out.PrimaryThresholdPpm = ppmOf(p.Primary.Threshold)
		}
		if p.Mode == candorv1.Mode_MODE_OBSERVE && len(row.evidence[0].Faults) == 0 {
			out.AppliedRoute = candorv1.Route_ROUTE_ACCEPT
		}
		if out.AppliedRoute != candorv1.Route_ROUTE_ACCEPT || len(answers[i]) > 1 {
			out.Answers = answers[i]
		}
		rec.Rows = append(rec.Rows, out)
	}
	return rec
}

// steady is a source that is the same for every row.
func steady() *rand.Rand { return rand.New(rand.NewPCG(1, 1)) }
