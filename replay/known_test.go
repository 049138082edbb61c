package replay

import (
	"testing"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/router"
)

// An audited row stands for as many as its recorded probability says.
func TestAuditsAreWeighted(t *testing.T) {
	_, policy := modelOf(t, thresholdPolicy(.7), "old")
	m, _ := modelOf(t, thresholdPolicy(.9), "new")
	r := New([]*Model{m}, Options{})
	var entries []*candorv1.Record
	// 40 audits at 50 %, a quarter wrong, and 40 at 10 %, half of them wrong; and as many that the coin left out.
	for i := range 160 {
		p := record(policy, "old", []*trueRow{randomRow(.8, "a")})
		row := p.GetRows()[0]
		row.SamplingPpm, row.Audited = 500_000, i%2 == 0
		wrong := i%8 == 0
		if i >= 80 {
			row.SamplingPpm, wrong = 100_000, i%4 == 0
		}
		entries = append(entries, &candorv1.Record{TimeUs: 1, Entry: &candorv1.Record_Prediction{Prediction: p}})
		if !row.GetAudited() {
			continue
		}
		verdict := &candorv1.VerdictRecord{PredictionId: p.GetPredictionId(), Author: "ana", Label: "a", Kind: candorv1.ReviewKind_REVIEW_KIND_AUDIT}
		if wrong {
			verdict.Label = "b"
		}
		r.Learn(&candorv1.Record{TimeUs: 2, Entry: &candorv1.Record_Verdict{Verdict: verdict}})
		outcome := &candorv1.OutcomeRecord{PredictionId: p.GetPredictionId(), Label: "b"}
		r.Learn(&candorv1.Record{TimeUs: 2, Entry: &candorv1.Record_Outcome{Outcome: outcome}})
	}
	for _, rec := range entries {
		r.Decide(rec)
	}
	for _, e := range r.Report().Models[0].Errors {
		if e.Group != NoLonger {
			continue
		}
		// (10·2 + 20·10) / (40·2 + 40·10)
		if v := e.Verdicts; v.Judged != 80 || v.Wrong != 30 || v.Rate != 220./480 || e.Unsampled != 0 || e.Open != 0 {
			t.Errorf("%+v", e)
		}
		if e.Outcomes.Judged != 80 || e.Outcomes.Rate != 1 {
			t.Errorf("outcomes: %+v", e.Outcomes)
		}
	}
}

// The segment is computed where the log tells what it reads, taken over where the segments were the same, and else not guessed at.
func TestSegments(t *testing.T) {
	promised := func(when string) *Model {
		p := thresholdPolicy(.9)
		p.Accept = &candorv1.Accept{License: &candorv1.Accept_Promise{Promise: &candorv1.Promise{
			Segments: []*candorv1.Segment{{Name: "big", When: when}},
		}}}
		low, high := .6, .95
		policy := router.Policy{Method: candorv1.ConfidenceMethod_CONFIDENCE_METHOD_MAX_PROB, HasReview: true}
		big, rest := policy, policy
		big.Primary, rest.Primary = router.License{Threshold: &high, Method: policy.Method}, router.License{Threshold: &low, Method: policy.Method}
		m, err := NewModel(configOf(p), "m", []byte("new"), map[string]router.Policy{"big": big, Rest: rest})
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	_, policy := modelOf(t, thresholdPolicy(.9), "old")
	rec := record(policy, "old", []*trueRow{randomRow(.8, "a")})
	decide := func(m *Model, consumer, segment string) decided {
		rec.Consumer, rec.Rows[0].Segment = consumer, segment
		return m.decide(read(0, rec, 0, m.wasOf(rec.GetPolicyDigest())))
	}
	byConsumer := promised(`consumer == "bank"`)
	if d := decide(byConsumer, "bank", ""); d.outcome != Defer || d.segment != "big" {
		t.Errorf("the bank: %+v", d)
	}
	if d := decide(byConsumer, "shop", ""); d.outcome != Accept || d.segment != Rest {
		t.Errorf("the shop: %+v", d)
	}
	byAmount := promised(`params.amount > 1000.0`)
	if d := decide(byAmount, "shop", "big"); d.outcome != Undecided || d.cause != CauseSegment || d.detail != "big" {
		t.Errorf("by a parameter: %+v", d)
	}
	rec.PolicyDigest = []byte("new")
	if d := decide(byAmount, "shop", "big"); d.outcome != Defer {
		t.Errorf("by a parameter, recorded: %+v", d)
	}
	if d := decide(byAmount, "shop", ""); d.outcome != Accept {
		t.Errorf("by a parameter, recorded as the rest: %+v", d)
	}
}

// A confidence that a scale made is compared only where the scale is known to be the same.
func TestScales(t *testing.T) {
	scaled := func(scale, width float64, digest string) (*Model, router.Policy) {
		t.Helper()
		p := thresholdPolicy(.5)
		p.Confidence, p.IntervalScale = candorv1.ConfidenceMethod_CONFIDENCE_METHOD_INTERVAL_WIDTH, &scale
		p.Accept.GetThreshold().At = &candorv1.Threshold_IntervalWidth{IntervalWidth: width}
		compiled, err := router.Compile(p, router.Source{Kind: candorv1.ScoreKind_SCORE_KIND_REGRESSION})
		if err != nil {
			t.Fatal(err)
		}
		m, err := NewModel(configOf(p), "m", []byte(digest), map[string]router.Policy{"": compiled})
		if err != nil {
			t.Fatal(err)
		}
		return m, compiled
	}
	was, policy := scaled(10, 5, "old")
	rec := record(policy, "old", []*trueRow{randomRow(.6, "")})
	decide := func(m *Model) decided { return m.decide(read(0, rec, 0, m.wasOf(rec.GetPolicyDigest()))) }
	m, _ := scaled(10, 3, "new")
	if d := decide(m); d.outcome != Undecided || d.cause != CauseScale {
		t.Errorf("an unknown scale: %+v", d)
	}
	m.Knows(was.Was())
	if d := decide(m); d.outcome != Defer {
		t.Errorf("the same scale: %+v, want DEFER: a confidence of 0.6 is a width of 4", d)
	}
	other, _ := scaled(20, 3, "new")
	other.Knows(was.Was())
	if d := decide(other); d.cause != CauseScale {
		t.Errorf("another scale: %+v", d)
	}
}
