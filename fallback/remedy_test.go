package fallback

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// Every stage is asked only for what the ones before it left open, in order, and each stands in the record.
func TestRemedialsInOrder(t *testing.T) {
	e := three(2, Remedial{Backend: "old"}, Remedial{Rule: "first"}, Remedial{Rule: "second"}, Remedial{ConstantLabel: "no"})
	s := script{"a": fails, "b": fails, "c": fails, "old": fails}
	rule := func(source string, row int) (string, error) {
		switch {
		case source == "first" && row == 5:
			return "yes", nil
		case source == "first" && row == 6:
			return "maybe", nil // none of the labels
		case source == "first" && row == 7:
			return "", errors.New("no such input")
		case source == "second" && row == 7:
			return "no", nil
		}
		return "", nil
	}
	res := e.Run(t.Context(), []int{5, 6, 7, 8}, s.ask, rule)
	var kinds []candorv1.StepKind
	var names []string
	for _, st := range res.Stages[4:] {
		kinds, names = append(kinds, st.Kind), append(names, st.Name)
	}
	if !slices.Equal(names, []string{"old", "e/rule", "e/rule2", "e/constant"}) {
		t.Errorf("stages %q", names)
	}
	if !slices.Equal(kinds, []candorv1.StepKind{
		candorv1.StepKind_STEP_KIND_REMEDIAL, candorv1.StepKind_STEP_KIND_RULE, candorv1.StepKind_STEP_KIND_RULE, candorv1.StepKind_STEP_KIND_CONSTANT,
	}) {
		t.Errorf("kinds %v", kinds)
	}
	if !slices.Equal(res.AnsweredBy, []int{5, 7, 6, 7}) {
		t.Errorf("answered by %v", res.AnsweredBy)
	}
	if got := res.Stages[6].Rows; !slices.Equal(got, []int{6, 7, 8}) {
		t.Errorf("the second rule was asked for %v", got)
	}
	for i, want := range []string{"yes", "no", "no", "no"} {
		ev := res.Evidence[i]
		if ev.Label != want || !ev.Unconditional || ev.Confidence != nil ||
			!slices.Equal(ev.Notes, []candorv1.Reason{candorv1.Reason_REASON_QUORUM_MISSED, candorv1.Reason_REASON_REMEDIAL}) {
			t.Errorf("row %d: %+v, want %s", i, ev, want)
		}
	}
	for _, name := range append(names, "e") {
		if !e.SpeaksAs(name) {
			t.Errorf("%s doesn't speak for the ensemble", name)
		}
	}
	if e.SpeaksAs("a") {
		t.Error("a member speaks for the ensemble")
	}
}

func TestRuleWithoutAnybodyToComputeIt(t *testing.T) {
	res := three(2, Remedial{Rule: "r"}).Run(t.Context(), []int{0}, script{"a": fails, "b": fails, "c": fails}.ask, nil)
	if res.AnsweredBy[0] != -1 || !slices.Contains(res.Evidence[0].Notes, candorv1.Reason_REASON_FALLBACK_EXHAUSTED) {
		t.Errorf("%+v", res.Evidence[0])
	}
}

func TestConstantValue(t *testing.T) {
	v := 3.5
	e := medianOf(candorv1.ConfidenceMethod_CONFIDENCE_METHOD_SPREAD)
	e.Remedials = []Remedial{{ConstantValue: &v}}
	ev := run(e, nil, nil)
	if ev.Value == nil || *ev.Value != v || !ev.Unconditional || ev.Top != -1 {
		t.Errorf("%+v, want %v", ev, v)
	}
}

// Cheap members that agree spare the dear one its work; it is asked for the rows about which they don't.
func TestAgreementDefersToTheDearModel(t *testing.T) {
	e := three(2, Remedial{Backend: "dear"})
	e.Members, e.Combiner = e.Members[:2], candorv1.Combiner_COMBINER_AGREEMENT
	b := func(_ context.Context, rows []int) Reply {
		r := yes(.8)(nil, rows)
		r.Evidence[1] = yes(.2)(nil, rows).Evidence[1]
		return r
	}
	var asked []int
	s := script{"a": yes(.9), "b": b, "dear": func(ctx context.Context, rows []int) Reply {
		asked = rows
		return yes(.99)(ctx, rows)
	}}
	res := e.Run(t.Context(), []int{3, 4, 5}, s.ask, nil)
	if !slices.Equal(asked, []int{4}) || !slices.Equal(res.AnsweredBy, []int{2, 3, 2}) {
		t.Errorf("the dear model was asked for %v; answered by %v", asked, res.AnsweredBy)
	}
	if !slices.Equal(res.Evidence[1].Notes, []candorv1.Reason{candorv1.Reason_REASON_DISAGREEMENT, candorv1.Reason_REASON_REMEDIAL}) {
		t.Errorf("notes %v", res.Evidence[1].Notes)
	}
}

// A remedial backend that ignores its context leaves time for the one behind it.
func TestWedgedRemedial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		wedged := func(context.Context, []int) Reply { <-release; return Reply{} }
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		e := three(2, Remedial{Backend: "older"}, Remedial{Backend: "oldest"})
		res := e.Run(ctx, []int{0}, script{"a": wedged, "b": wedged, "c": yes(.9), "older": wedged, "oldest": after(100*time.Millisecond, yes(.8))}.ask, nil)
		if took := time.Since(start); took >= time.Second || res.AnsweredBy[0] != 5 {
			t.Errorf("took %v, answered by %v", took, res.AnsweredBy)
		}
		if f := res.Stages[4].Failure; f == nil || f.Reason != candorv1.Reason_REASON_DEADLINE {
			t.Errorf("the wedged stage: %+v, want DEADLINE", f)
		}
		close(release)
	})
}
