package fallback

import (
	"context"
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/router"
)

const maxProb = candorv1.ConfidenceMethod_CONFIDENCE_METHOD_MAX_PROB

var labels = []string{"no", "yes"}

// script answers by backend; each answer is the probability of "yes" for every row, NaN for a faulty row.
type script map[string]func(ctx context.Context, rows []int) Reply

func (s script) ask(ctx context.Context, backend string, rows []int) Reply {
	return s[backend](ctx, rows)
}

func yes(p float64) func(context.Context, []int) Reply {
	return func(_ context.Context, rows []int) Reply {
		var r Reply
		for range rows {
			r.Evidence = append(r.Evidence, router.Score(router.Scores{
				Kind: candorv1.ScoreKind_SCORE_KIND_PROBABILITY, Values: []float64{p}, Labels: labels, Method: maxProb,
			}))
		}
		return r
	}
}

func fails(context.Context, []int) Reply {
	return Reply{Failure: &Failure{Reason: candorv1.Reason_REASON_BACKEND_FAILURE, Detail: "down"}}
}

func hangs(ctx context.Context, _ []int) Reply {
	<-ctx.Done()
	return Reply{Failure: &Failure{Reason: candorv1.Reason_REASON_DEADLINE, Detail: "late"}}
}

func after(d time.Duration, next func(context.Context, []int) Reply) func(context.Context, []int) Reply {
	return func(ctx context.Context, rows []int) Reply {
		select {
		case <-time.After(d):
			return next(ctx, rows)
		case <-ctx.Done():
			return hangs(ctx, rows)
		}
	}
}

func three(quorum int, remedials ...Remedial) *Ensemble {
	return &Ensemble{
		Name: "e", Version: "1", Quorum: quorum, Labels: labels, Method: maxProb, Remedials: remedials,
		Combiner: candorv1.Combiner_COMBINER_MEAN,
		Members:  []Member{{Backend: "a"}, {Backend: "b"}, {Backend: "c"}},
	}
}

func TestMean(t *testing.T) {
	res := three(2).Run(t.Context(), []int{4, 7}, script{"a": yes(.9), "b": yes(.8), "c": yes(.1)}.ask, nil)
	if len(res.Evidence) != 2 || len(res.Stages) != 4 {
		t.Fatalf("%d rows, %d stages; want 2 and 4", len(res.Evidence), len(res.Stages))
	}
	ev := res.Evidence[1]
	if ev.Label != "yes" || math.Abs(*ev.Confidence-.6) > 1e-12 || len(ev.Notes) != 0 {
		t.Errorf("%+v, want yes at .6", ev)
	}
	// The closed form, with the entropy of two labels written out.
	want := h2(.6) - (h2(.9)+h2(.8)+h2(.1))/3
	if math.Abs(ev.Uncertainty-want) > 1e-12 {
		t.Errorf("disagreement %v, want %v", ev.Uncertainty, want)
	}
	if res.Stages[res.AnsweredBy[0]].Kind != candorv1.StepKind_STEP_KIND_ENSEMBLE {
		t.Errorf("answered by %+v", res.Stages[res.AnsweredBy[0]])
	}
}

func h2(p float64) float64 { return -p*math.Log(p) - (1-p)*math.Log(1-p) }

func TestMissingMember(t *testing.T) {
	full := three(2).Run(t.Context(), []int{0}, script{"a": yes(.9), "b": yes(.9), "c": yes(.9)}.ask, nil).Evidence[0]
	two := three(2).Run(t.Context(), []int{0}, script{"a": yes(.9), "b": fails, "c": yes(.9)}.ask, nil).Evidence[0]
	if !slices.Equal(two.Notes, []candorv1.Reason{candorv1.Reason_REASON_MEMBER_MISSING}) {
		t.Errorf("notes %v, want MEMBER_MISSING", two.Notes)
	}
	if !(two.Uncertainty > full.Uncertainty) {
		t.Errorf("uncertainty %v with two, %v with three: not wider", two.Uncertainty, full.Uncertainty)
	}
}

func TestQuorumMissedGoesToTheRemedialStage(t *testing.T) {
	s := script{"a": yes(.9), "b": fails, "c": fails, "old": yes(.7)}
	for name, c := range map[string]struct {
		remedial []Remedial
		label    string
		kind     candorv1.StepKind
		faults   int
	}{
		"none":     {nil, "", 0, 1},
		"backend":  {[]Remedial{{Backend: "old"}}, "yes", candorv1.StepKind_STEP_KIND_REMEDIAL, 0},
		"constant": {[]Remedial{{ConstantLabel: "no"}}, "no", candorv1.StepKind_STEP_KIND_CONSTANT, 0},
		"failing":  {[]Remedial{{Backend: "b"}}, "", 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			res := three(2, c.remedial...).Run(t.Context(), []int{3}, s.ask, nil)
			ev := res.Evidence[0]
			if len(ev.Faults) != c.faults || ev.Label != c.label {
				t.Fatalf("%+v, want %q with %d faults", ev, c.label, c.faults)
			}
			if c.faults == 0 {
				if !slices.Contains(ev.Notes, candorv1.Reason_REASON_REMEDIAL) || res.Stages[res.AnsweredBy[0]].Kind != c.kind {
					t.Errorf("notes %v, answered by %v", ev.Notes, res.Stages[res.AnsweredBy[0]].Kind)
				}
			} else if res.AnsweredBy[0] != -1 {
				t.Errorf("answered by %d", res.AnsweredBy[0])
			}
		})
	}
}

// Only the rows below the quorum reach the remedial stage.
func TestRemedialGetsOnlyWhatIsMissing(t *testing.T) {
	bad := func(_ context.Context, rows []int) Reply {
		r := yes(.8)(nil, rows)
		r.Evidence[1] = router.Failed("b", candorv1.Reason_REASON_CONTRACT_FAILURE, "NaN")
		return r
	}
	var asked []int
	s := script{"a": yes(.9), "b": bad, "c": fails, "old": func(ctx context.Context, rows []int) Reply {
		asked = rows
		return yes(.6)(ctx, rows)
	}}
	res := three(2, Remedial{Backend: "old"}).Run(t.Context(), []int{10, 11, 12}, s.ask, nil)
	if !slices.Equal(asked, []int{11}) {
		t.Errorf("the remedial stage was asked for %v, want [11]", asked)
	}
	if !slices.Equal(res.AnsweredBy, []int{3, 4, 3}) {
		t.Errorf("answered by %v", res.AnsweredBy)
	}
}

// The ensemble takes as long as its slowest allowed member, not the sum, and not as long as one that hangs.
func TestLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := three(2)
		e.Members[2].Timeout = 300 * time.Millisecond
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		start := time.Now()
		res := e.Run(ctx, []int{0}, script{"a": after(100*time.Millisecond, yes(.9)), "b": after(200*time.Millisecond, yes(.9)), "c": hangs}.ask, nil)
		if took := time.Since(start); took < 200*time.Millisecond || took > 302*time.Millisecond {
			t.Errorf("took %v, want the 300 ms that c was allowed", took)
		}
		if res.Stages[2].Failure == nil || res.Stages[2].Failure.Reason != candorv1.Reason_REASON_DEADLINE {
			t.Errorf("c: %+v, want DEADLINE", res.Stages[2].Failure)
		}
	})
}

// An Ask that ignores its context doesn't hold the ensemble up, and time is left for the remedial stage.
func TestWedgedMember(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		wedged := func(context.Context, []int) Reply { <-release; return Reply{} }
		ctx, cancel := context.WithTimeout(t.Context(), 900*time.Millisecond)
		defer cancel()
		start := time.Now()
		res := three(2, Remedial{Backend: "old"}).Run(ctx, []int{0}, script{"a": wedged, "b": wedged, "c": yes(.9), "old": after(100*time.Millisecond, yes(.8))}.ask, nil)
		if took := time.Since(start); took > 800*time.Millisecond {
			t.Errorf("took %v of 900 ms", took)
		}
		if res.Evidence[0].Label != "yes" || len(res.Evidence[0].Faults) > 0 {
			t.Errorf("%+v, want the remedial answer", res.Evidence[0])
		}
		close(release)
	})
}
