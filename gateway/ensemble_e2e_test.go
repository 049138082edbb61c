package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/candor-gateway/candor/calibration"
	"github.com/candor-gateway/candor/config"
	"github.com/candor-gateway/candor/gateway"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/gen/inference"
	"github.com/candor-gateway/candor/internal/oiptest"
	"github.com/candor-gateway/candor/store/sqlite"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const bothEnsemble = `both: {version: "1", members: [{backend: a}, {backend: b}], quorum: 2, combiner: mean, remedial: {backend: old}}`

// thirdMember is a further server c, which answers by column 1 as a and b do, and the edit that makes it a backend.
func thirdMember(t *testing.T) (*oiptest.Server, []string) {
	c := oiptest.Start(t, oiptest.Model{Name: "m", Version: "1", Infer: byColumn(1)})
	return c, []string{"ensembles:\n", "  c: {address: '" + c.Addr() + "', model: m, version: \"1\", timeout: 5s, breaker: BREAKER, card: *card}\nensembles:\n"}
}

// Issue: an ensemble of three; kill one: answered by two, with more uncertainty, and says so; kill two: the remedial stage answers,
// and says so.
func TestEnsembleOfThreeLosesMembers(t *testing.T) {
	c, edits := thirdMember(t)
	w := start(t, append(edits, bothEnsemble,
		`both: {version: "1", members: [{backend: a}, {backend: b}, {backend: c}], quorum: 2, combiner: mean, remedial: {backend: old}}`)...)
	ask := func() *candorv1.Prediction {
		t.Helper()
		a := w.infer(t.Context(), request([][4]float32{row(.6, .95, .85)}))
		if a.err != nil || len(a.predictions) != 1 {
			t.Fatalf("%v, %v", a.predictions, a.err)
		}
		return a.predictions[0]
	}
	three := ask()
	if three.GetAnsweredBy() != "both" || hasReason(three.GetDecision(), candorv1.Reason_REASON_MEMBER_MISSING) {
		t.Fatalf("three: %v", three)
	}
	c.Kill()
	two := ask()
	if two.GetAnsweredBy() != "both" || !hasReason(two.GetDecision(), candorv1.Reason_REASON_MEMBER_MISSING) {
		t.Fatalf("two: %v", two)
	}
	if two.GetUncertainty().GetKind() != candorv1.UncertaintyKind_UNCERTAINTY_KIND_DISAGREEMENT || !(two.GetUncertainty().GetValue() > three.GetUncertainty().GetValue()) {
		t.Errorf("uncertainty %v with two, %v with three", two.GetUncertainty(), three.GetUncertainty())
	}
	w.b.Kill()
	one := ask()
	if one.GetAnsweredBy() != "old" || !hasReason(one.GetDecision(), candorv1.Reason_REASON_QUORUM_MISSED) || !hasReason(one.GetDecision(), candorv1.Reason_REASON_REMEDIAL) {
		t.Fatalf("one: %v", one)
	}
	var kinds []candorv1.StepKind
	for _, s := range one.GetPath() {
		kinds = append(kinds, s.GetKind())
	}
	if !slices.Contains(kinds, candorv1.StepKind_STEP_KIND_REMEDIAL) {
		t.Errorf("path %v", kinds)
	}
	for stage, want := range map[string]float64{"both": 2, "old": 1} {
		if got := w.metric(`candor_answers_total{model="fraud",stage="` + stage + `"}`); got != want {
			t.Errorf("%v answers of %s, want %v", got, stage, want)
		}
	}
}

// Rows that the first tier can't answer go to the second, and only they.
func TestCascadeOfTwoTiers(t *testing.T) {
	w := start(t, bothEnsemble, `both: {version: "1", members: [{backend: a}, {backend: b}], quorum: 2, combiner: mean}
  dear: {version: "1", members: [{backend: old}], quorum: 1, combiner: mean}`,
		"fallback: {ensemble: both, threshold: {probability: 0.8}}", "fallback: {ensemble: both, threshold: {probability: 0.8}}\n      then: [{ensemble: dear, threshold: {probability: 0.7}}]")
	a := w.infer(t.Context(), request([][4]float32{sureRow, row(.6, .95, .5), row(.6, .55, .75), row(.6, .55, .25), row(.6, .55, .6)}, "candor_route", "probabilities"))
	if a.err != nil {
		t.Fatal(a.err)
	}
	if w.a.Rows() != 4 || w.b.Rows() != 4 || w.old.Rows() != 3 {
		t.Errorf("a was asked for %d rows, b for %d, old for %d; want 4, 4, 3", w.a.Rows(), w.b.Rows(), w.old.Rows())
	}
	for i, want := range []string{"primary", "both", "dear", "dear", ""} {
		if got := a.predictions[i].GetAnsweredBy(); got != want {
			t.Errorf("row %d answered by %q, want %q", i, got, want)
		}
	}
	if got := a.predictions[3].GetClassProbabilities().GetLabel(); got != "good" {
		t.Errorf("row 3: %q", got)
	}
	if got := a.predictions[2].GetDecision().GetThreshold(); got != .7 {
		t.Errorf("row 2 was compared with %v, want the second tier's", got)
	}
	for _, step := range a.predictions[2].GetPath() {
		if want := map[string]float64{"primary": .9, "dear": .7}[step.GetStage()]; step.GetThreshold() != want {
			t.Errorf("row 2: %s was compared with %v, want %v", step.GetStage(), step.GetThreshold(), want)
		}
	}
	if a.predictions[4].GetDecision().GetRoute() != candorv1.Route_ROUTE_DEFER {
		t.Errorf("row 4: %v", a.predictions[4].GetDecision())
	}
}

// Cheap members that agree answer; where they don't, the dear one is asked.
func TestAgreementBeforeADearModel(t *testing.T) {
	w := start(t, bothEnsemble, strings.Replace(bothEnsemble, "mean", "agreement", 1))
	w.b.Script(byColumn(2))
	a := w.infer(t.Context(), request([][4]float32{row(.6, .95, .85), row(.6, .95, .1)}))
	if a.err != nil {
		t.Fatal(a.err)
	}
	if a.predictions[0].GetAnsweredBy() != "both" || a.predictions[1].GetAnsweredBy() != "old" || w.old.Rows() != 1 {
		t.Errorf("answered by %s and %s, old was asked for %d rows", a.predictions[0].GetAnsweredBy(), a.predictions[1].GetAnsweredBy(), w.old.Rows())
	}
	if !hasReason(a.predictions[1].GetDecision(), candorv1.Reason_REASON_DISAGREEMENT) || a.predictions[1].GetClassProbabilities().GetLabel() != "good" {
		t.Errorf("row 1: %v", a.predictions[1])
	}
}

func TestMajorityVote(t *testing.T) {
	c, edits := thirdMember(t)
	w := start(t, append(edits, bothEnsemble, `both: {version: "1", members: [{backend: a}, {backend: b}, {backend: c}], quorum: 2, combiner: majority_vote}`,
		"ensemble: both, threshold: {probability: 0.8}", "ensemble: both, threshold: {probability: 0.6}")...)
	c.Script(byColumn(2))
	a := w.infer(t.Context(), request([][4]float32{row(.6, .7, .1)}))
	if a.err != nil {
		t.Fatal(a.err)
	}
	p := a.predictions[0]
	if got := p.GetDecision().GetConfidence(); p.GetAnsweredBy() != "both" || got < .66 || got > .67 || p.GetLabel() != "bad" {
		t.Errorf("%v, want bad by two votes of three", p)
	}
	if u := p.GetUncertainty(); u.GetKind() != candorv1.UncertaintyKind_UNCERTAINTY_KIND_DISSENT || u.GetValue() < .33 || u.GetValue() > .34 {
		t.Errorf("uncertainty %v", u)
	}
	// One server fewer: two of three is what is left, and they agree.
	w.b.Kill()
	a = w.infer(t.Context(), request([][4]float32{row(.6, .7, .7)}))
	if a.err != nil || !hasReason(a.predictions[0].GetDecision(), candorv1.Reason_REASON_MEMBER_MISSING) || a.predictions[0].GetDecision().GetConfidence() > .67 {
		t.Errorf("%v, %v: a missing vote counts as one against", a.predictions, a.err)
	}
}

// refusal is why a gateway of the world's text doesn't start; the world must have been stopped.
func (w *world) refusal(artefacts gateway.Artefacts) error {
	w.t.Helper()
	cfg, faults := config.Parse("test.yaml", []byte(w.yaml))
	if errs := faults.Errors(); len(errs) > 0 {
		w.t.Fatal(errs)
	}
	store, err := sqlite.Open(w.t.Context(), w.db(), "test", sqlite.Options{})
	if err != nil {
		w.t.Fatal(err)
	}
	g, err := gateway.New(w.t.Context(), cfg, gateway.Deps{Ledger: store, Reviews: store, Limits: store, Pins: store, Artefacts: artefacts})
	if err == nil {
		_ = g.Close()
	}
	return errors.Join(err, store.Close(context.Background()))
}

func TestEnsembleVersionIsPinned(t *testing.T) {
	w := start(t)
	w.stop()
	for _, tc := range []struct {
		name     string
		old, new string
		refused  bool
	}{
		{"nothing changed", "both:", "both:", false},
		{"another member", "members: [{backend: a}, {backend: b}]", "members: [{backend: a}, {backend: old}]", true},
		{"another order", "members: [{backend: a}, {backend: b}]", "members: [{backend: b}, {backend: a}]", true},
		{"another version of a member", "b: {address: ADDRESS, model: m, version: \"1\"", "b: {address: ADDRESS, model: m, version: \"2\"", true},
		{"another combiner", "combiner: mean", "combiner: log_pool", true},
		{"another quorum", "quorum: 2", "quorum: 1", true},
		{"another stage", "remedial: {backend: old}", "remedial: {constant_label: bad}", true},
		{"a further stage", "remedial: {backend: old}", "remedial: {backend: old}, then: [{constant_label: bad}]", true},
		{"another wait", "{backend: b}]", "{backend: b, timeout: 1s}]", false},
		{"a new version", `both: {version: "1", members: [{backend: a}, {backend: b}]`, `both: {version: "2", members: [{backend: b}, {backend: a}]`, false},
	} {
		was := w.yaml
		old := strings.ReplaceAll(tc.old, "ADDRESS", w.b.Addr())
		if !strings.Contains(was, old) {
			t.Fatalf("%s: there is no %q", tc.name, old)
		}
		w.yaml = strings.Replace(was, old, strings.ReplaceAll(tc.new, "ADDRESS", w.b.Addr()), 1)
		err := w.refusal(nil)
		if (err != nil) != tc.refused || (err != nil && !strings.Contains(err.Error(), `ensembles.both.version: "1"`)) {
			t.Errorf("%s: %v, want refused: %v", tc.name, err, tc.refused)
		}
		w.yaml = was
	}
}

// reading is a store of artefacts that is only read from.
type reading func(name string, version uint32) (*candorv1.Artefact, error)

func (r reading) GetArtefact(_ context.Context, name string, version uint32) (*candorv1.Artefact, error) {
	return r(name, version)
}

func (reading) PutArtefact(context.Context, *candorv1.Artefact) (*candorv1.Artefact, error) {
	return nil, errors.ErrUnsupported
}

func (reading) ListArtefacts(context.Context) ([]*candorv1.Artefact, error) {
	return nil, errors.ErrUnsupported
}

// weightsFor are fitted weights for the ensemble of a and b.
func weightsFor(change func(*candorv1.Artefact)) reading {
	return func(name string, version uint32) (*candorv1.Artefact, error) {
		if name != "w" || version != 3 {
			return nil, fmt.Errorf("%s@%d: %w", name, version, calibration.ErrNoArtefact)
		}
		a := &candorv1.Artefact{
			Name: name, Version: version,
			Scope: &candorv1.ArtefactScope{Model: "both", Version: "1", Members: []string{"a@1", "b@1"}, Labels: []string{"good", "bad"}},
			Body:  &candorv1.Artefact_Weights{Weights: &candorv1.EnsembleWeights{Weights: []float64{.25, .75}}},
		}
		if change != nil {
			change(a)
		}
		return a, nil
	}
}

func TestFittedWeights(t *testing.T) {
	w := startWith(t, options{deps: func(d *gateway.Deps) { d.Artefacts = weightsFor(nil) }},
		"combiner: mean", "combiner: weighted_mean, fitted: w@3", "threshold: {probability: 0.8}", "threshold: {probability: 0.6}")
	w.b.Script(byColumn(2))
	a := w.infer(t.Context(), request([][4]float32{row(.6, .5, .9)}))
	if a.err != nil {
		t.Fatal(a.err)
	}
	if got := a.predictions[0].GetClassProbabilities().GetProbabilities(); len(got) != 2 || got[1] < .799 || got[1] > .801 {
		t.Errorf("probabilities %v, want .25·.5 + .75·.9", got)
	}
	w.stop()
	for name, tc := range map[string]struct {
		artefacts gateway.Artefacts
		want      string
	}{
		"nowhere to read":  {nil, "no store for artefacts"},
		"not there":        {reading(func(string, uint32) (*candorv1.Artefact, error) { return nil, calibration.ErrNoArtefact }), "the store has no w@3"},
		"another ensemble": {weightsFor(func(a *candorv1.Artefact) { a.Scope.Model = "other" }), `is for version "1" of ensemble "other"`},
		"another version":  {weightsFor(func(a *candorv1.Artefact) { a.Scope.Version = "0" }), `is for version "0"`},
		"other members":    {weightsFor(func(a *candorv1.Artefact) { a.Scope.Members[1] = "b@0" }), "is for the members"},
		"other labels":     {weightsFor(func(a *candorv1.Artefact) { a.Scope.Labels = []string{"bad", "good"} }), "is for other labels"},
		"too few weights":  {weightsFor(func(a *candorv1.Artefact) { a.GetWeights().Weights = []float64{1} }), "there are 1 for 2 members"},
		"no weights":       {weightsFor(func(a *candorv1.Artefact) { a.Body = &candorv1.Artefact_Stacking{} }), "holds no weights"},
	} {
		if err := w.refusal(tc.artefacts); err == nil || !strings.Contains(err.Error(), "ensembles.both.fitted: ") || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", name, err, tc.want)
		}
	}
}

// A rule answers from the row's own inputs where the members can't, and says that it was the rule.
func TestARuleAnswersFromTheInputs(t *testing.T) {
	w := start(t, "remedial: {backend: old}", `remedial: {rule: 'inputs.x[3] > 1.0 ? "bad" : ""'}`)
	w.a.Script(failing, failing)
	w.b.Script(failing, failing)
	a := w.infer(as(clientToken), request([][4]float32{{.6, .5, .5, 2}, {.6, .5, .5, 0}}, "label", "candor_route", "candor_answered_by"))
	if a.err != nil {
		t.Fatal(a.err)
	}
	if got := a.texts(t, "candor_route"); got[0] != "FALLBACK" || got[1] != "DEFER" {
		t.Errorf("routes %v, want the rule's answer for the first row and a human for the second", got)
	}
	if got := a.texts(t, "label"); got[0] != "bad" {
		t.Errorf("labels %v", got)
	}
	if step := a.predictions[0].GetPath(); step[len(step)-1].GetKind() != candorv1.StepKind_STEP_KIND_RULE {
		t.Errorf("path %v", step)
	}
}

func failing(context.Context, *inference.ModelInferRequest) (*inference.ModelInferResponse, error) {
	return nil, status.Error(codes.Unavailable, "down")
}
