package gateway_test

import (
	"fmt"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/candor-gateway/candor/condition"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/gen/inference"
)

// withConditions are edits that give the policy of a world conditions.
func withConditions(conditions ...string) []string {
	const before = "      actions: [{name: decline"
	return []string{before, "      conditions: [" + strings.Join(conditions, ", ") + "]\n" + before}
}

func amount(v float64) *inference.InferParameter {
	return &inference.InferParameter{ParameterChoice: &inference.InferParameter_DoubleParam{DoubleParam: v}}
}

// ask is a request of rows with an amount; below 0: without one.
func (w *world) ask(value float64, rows ...[4]float32) answer {
	w.t.Helper()
	req := request(rows, "probabilities", "candor_route")
	if value >= 0 {
		req.Parameters = map[string]*inference.InferParameter{"amount": amount(value)}
	}
	a := w.infer(w.t.Context(), req)
	if a.err != nil {
		w.t.Fatal(a.err)
	}
	return a
}

func TestConditionDefers(t *testing.T) {
	w := start(t, withConditions(`{name: large-amounts, when: "params.amount > 1000.0", route: defer}`)...)
	small := w.ask(20, sureRow)
	if small.param("candor_route") != "ACCEPT" || small.predictions[0].GetDecision().GetCondition() != "" {
		t.Errorf("a small amount: %v", small.predictions)
	}
	large := w.ask(5000, sureRow)
	if large.param("candor_route") != "DEFER" || large.param("candor_reasons") != "CONFIDENT,CONDITION" || large.param("candor_review_item") == "" {
		t.Errorf("a large amount: %v", large.resp.GetParameters())
	}
	if n := w.a.Calls() + w.b.Calls(); n != 0 {
		t.Errorf("%d calls to the ensemble for a row that goes to a human", n)
	}
	// Whoever wants to know why is told the condition's name, from the record, after a restart too.
	w.restart()
	told := w.explain(large.param("candor_prediction_id"))
	if d := told.GetPredictions()[0].GetDecision(); d.GetCondition() != "large-amounts" || !hasReason(d, candorv1.Reason_REASON_CONDITION) {
		t.Errorf("explained as %v", d)
	}
	if r := told.GetRecord().GetRows()[0]; r.GetCondition() != "large-amounts" {
		t.Errorf("recorded as %v", r)
	}
	// What can't be computed counts as holding, and is counted.
	if none := w.ask(-1, sureRow); none.param("candor_route") != "DEFER" {
		t.Errorf("without an amount: %v", none.resp.GetParameters())
	}
	if n := w.metric(`candor_condition_errors_total{condition="large-amounts",model="fraud"}`); n != 1 {
		t.Errorf("the condition that could not be computed was counted %v times", n)
	}
}

func TestConditionPerRow(t *testing.T) {
	w := start(t, withConditions(
		`{name: nearly, when: "evidence.label == 'bad' && evidence.confidence < 0.95", route: defer}`,
		`{name: last, when: "row == 3", route: reject}`)...)
	a := w.ask(-1, sureRow, row(.93, .5, .5), row(.07, .5, .5), sureRow)
	if got := a.texts(t, "candor_route"); fmt.Sprint(got) != "[ACCEPT DEFER ACCEPT REJECT]" {
		t.Errorf("routes %v", got)
	}
	for i, want := range []string{"", "nearly", "", "last"} {
		if got := a.predictions[i].GetDecision().GetCondition(); got != want {
			t.Errorf("row %d: condition %q, want %q", i, got, want)
		}
	}
}

// A condition with the route FALLBACK has the ensemble asked, and one that looks at the evidence looks at the ensemble's too.
func TestConditionFallsBack(t *testing.T) {
	bothSure := row(.99, .97, .5)
	w := start(t, withConditions(`{name: large, when: "params.amount > 1000", route: fallback}`)...)
	a := w.ask(2000, bothSure)
	if a.param("candor_route") != "FALLBACK" || a.param("candor_answered_by") != "both" || a.predictions[0].GetDecision().GetCondition() != "large" {
		t.Errorf("large: %v", a.predictions)
	}
	w = start(t, withConditions(`{name: bad, when: "evidence.label == 'bad'", route: fallback}`)...)
	if a = w.ask(-1, bothSure); a.param("candor_route") != "DEFER" || w.a.Calls() != 1 {
		t.Errorf("bad says each of them: %v after %d calls", a.param("candor_route"), w.a.Calls())
	}
	if a = w.ask(-1, row(.99, .03, .5)); a.param("candor_route") != "FALLBACK" {
		t.Errorf("bad says only the primary: %v", a.param("candor_route"))
	}
}

// With a primary that is down there is no answer to be careful with: the ensemble's is held against the conditions.
func TestConditionWithoutAnAnswer(t *testing.T) {
	w := start(t, withConditions(`{name: unsure, when: "evidence.confidence < 0.9", route: defer}`)...)
	w.primary.Kill()
	if a := w.ask(-1, row(.99, .97, .5)); a.param("candor_route") != "FALLBACK" {
		t.Errorf("the ensemble was sure: %v", a.param("candor_route"))
	}
	if a := w.ask(-1, row(.99, .85, .5)); a.param("candor_route") != "DEFER" || a.predictions[0].GetDecision().GetCondition() != "unsure" {
		t.Errorf("the ensemble was not: %v", a.predictions)
	}
}

func TestConditionInObserve(t *testing.T) {
	edits := append(withConditions(`{name: never, when: "consumer == 'anyone'", route: reject}`), "mode: enforce", "mode: observe")
	w := start(t, edits...)
	a := w.infer(t.Context(), request([][4]float32{sureRow}))
	if a.err != nil || a.floats(t, "probabilities")[1] != .99 {
		t.Fatalf("mode observe withheld an answer: %v", a.err)
	}
	d := w.explain(a.param("candor_prediction_id")).GetPredictions()[0].GetDecision()
	if d.GetRoute() != candorv1.Route_ROUTE_REJECT || d.GetAppliedRoute() != candorv1.Route_ROUTE_ACCEPT || d.GetCondition() != "never" {
		t.Errorf("explained as %v", d)
	}
}

// The age of a card is a value like others.
func TestConditionOnTheCard(t *testing.T) {
	w := start(t, withConditions(`{name: stale, when: "card.age > duration('24h') && card.owner == 'risk'", route: reject}`)...)
	a := w.infer(t.Context(), request([][4]float32{sureRow}))
	wantError(t, a.err, codes.FailedPrecondition, "REJECTED")
}

// A client that makes a condition dear, or unreadable, gets a careful answer.
func TestConditionAgainstHostileParameters(t *testing.T) {
	w := start(t, withConditions(
		`{name: any, when: "params.exists(k, k == 'x')", route: defer}`,
		`{name: memo, when: "has(params.memo) && params.memo.contains('gift')", route: reject}`)...)
	req := request([][4]float32{sureRow, sureRow, sureRow}, "candor_route")
	req.Parameters = map[string]*inference.InferParameter{}
	for i := range 20_000 {
		req.Parameters[fmt.Sprint("p", i)] = amount(1)
	}
	a := w.infer(t.Context(), req)
	if a.err != nil || fmt.Sprint(a.texts(t, "candor_route")) != "[DEFER DEFER DEFER]" {
		t.Errorf("many parameters: %v", a.err)
	}
	req = request([][4]float32{sureRow}, "candor_route")
	req.Parameters = map[string]*inference.InferParameter{
		"memo": {ParameterChoice: &inference.InferParameter_StringParam{StringParam: strings.Repeat("a", condition.MaxText+1)}},
	}
	if a := w.infer(t.Context(), req); a.err != nil || a.param("candor_route") != "REJECT" {
		t.Errorf("a long text: %v %v", a.param("candor_route"), a.err)
	}
}
