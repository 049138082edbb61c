package review_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

var began = time.Date(2026, 3, 4, 8, 0, 0, 0, time.UTC)

func labelled(l string) *candorv1.VerdictAnswer {
	return &candorv1.VerdictAnswer{Answer: &candorv1.VerdictAnswer_Label{Label: l}}
}

// blindVerdict is what a reviewer said before and after the model's answer was shown.
func blindVerdict(who, first, last string) *candorv1.Verdict {
	v := &candorv1.Verdict{Author: who, Answer: &candorv1.Verdict_Label{Label: last}, Blind: true, WorkTime: durationpb.New(20 * time.Second)}
	if first != last {
		v.FirstAnswer = labelled(first)
	}
	return v
}

// Two scripted reviewers see the same 60 items, of which the model has every third wrong, and each of them has every fourth wrong
// at first. The copier takes the model's answer when it is shown; the other one stays with their own.
func scripted() []review.Given {
	var given []review.Given
	other := map[string]string{"good": "bad", "bad": "good"}
	for i := range 60 {
		truth := []string{"good", "bad"}[i%2]
		model, mine := truth, truth
		if i%3 == 0 {
			model = other[truth]
		}
		if i%4 == 1 {
			mine = other[truth]
		}
		g := review.Given{
			ItemID: fmt.Sprint(i), Model: "fraud", At: began.Add(time.Duration(i) * time.Minute),
			Answers: []*candorv1.StageAnswer{{Stage: "primary", Label: model}, {Stage: "both", Label: mine}},
		}
		for _, v := range []*candorv1.Verdict{blindVerdict("copier", mine, model), blindVerdict("other", mine, mine)} {
			g.Verdict = v
			given = append(given, g)
		}
	}
	return given
}

func TestFlipsTellWhoCopiesTheModel(t *testing.T) {
	out := review.Statistics(scripted(), nil, began, began.Add(2*time.Hour))
	if len(out.GetReviewers()) != 2 || out.GetReviewers()[0].GetReviewer() != "copier" {
		t.Fatalf("reviewers %v", out.GetReviewers())
	}
	copier, other := out.GetReviewers()[0].GetFlips()[0], out.GetReviewers()[1].GetFlips()[0]
	// Every third is wrong by the model, every fourth by the reviewer: they differ where exactly one is: 20 + 15 - 2*5.
	if copier.GetCompared() != 60 || copier.GetDiffered() != 25 || copier.GetFlippedToModel() != 25 || copier.GetFlippedAway() != 0 {
		t.Errorf("the copier: %v", copier)
	}
	if other.GetCompared() != 60 || other.GetDiffered() != 25 || other.GetFlippedToModel() != 0 || other.GetFlippedAway() != 0 {
		t.Errorf("the other one: %v", other)
	}
	if all := out.GetFlips(); len(all) != 1 || all[0].GetCompared() != 120 || all[0].GetFlippedToModel() != 25 {
		t.Errorf("over all: %v", all)
	}
	// What they said first is the same, whatever became of it.
	for _, r := range out.GetReviewers() {
		if r.GetVerdicts() != 60 || r.GetCompared() != 60 || r.GetAgreed() != 60 || math.Abs(r.GetKappa()-1) > 1e-9 || r.GetWorkTime().AsDuration() != 20*time.Second {
			t.Errorf("%v", r)
		}
		if h := r.GetHourly(); len(h) != 2 || h[0] != 60 || h[1] != 0 {
			t.Errorf("by hour: %v", h)
		}
	}
}

func TestFlipsAwayAndInSight(t *testing.T) {
	given := []review.Given{
		{ItemID: "1", Model: "m", At: began, Answers: []*candorv1.StageAnswer{{Label: "good"}}, Verdict: blindVerdict("ann", "good", "bad")},
		{ItemID: "2", Model: "m", At: began, Answers: []*candorv1.StageAnswer{{Label: "good"}}, Verdict: &candorv1.Verdict{Author: "ann", Answer: &candorv1.Verdict_Label{Label: "good"}}},
		{ItemID: "3", Model: "m", At: began, Answers: []*candorv1.StageAnswer{{Label: "good"}}, Verdict: &candorv1.Verdict{Author: "ann", Answer: &candorv1.Verdict_Label{Label: "bad"}}},
		{ItemID: "4", Model: "m", At: began, Verdict: blindVerdict("ann", "bad", "good")}, // the model said nothing
		{ItemID: "5", Model: "m", At: began, Undone: true, Answers: []*candorv1.StageAnswer{{Label: "good"}}, Verdict: blindVerdict("ann", "bad", "good")},
	}
	r := review.Statistics(given, nil, began, began.Add(time.Hour)).GetReviewers()[0]
	f := r.GetFlips()[0]
	if r.GetVerdicts() != 4 || f.GetCompared() != 1 || f.GetFlippedAway() != 1 || f.GetDiffered() != 0 || f.GetSighted() != 2 || f.GetSightedSame() != 1 {
		t.Errorf("%v", r)
	}
}

func TestGoldenScoreIsOfTheFirstAnswer(t *testing.T) {
	value := func(v float64) *candorv1.VerdictAnswer {
		return &candorv1.VerdictAnswer{Answer: &candorv1.VerdictAnswer_Value{Value: v}}
	}
	given := []review.Given{
		{ItemID: "1", Golden: labelled("good"), Verdict: blindVerdict("ann", "bad", "good"), At: began},
		{ItemID: "2", Golden: labelled("good"), Verdict: blindVerdict("ann", "good", "bad"), At: began},
		{ItemID: "3", Golden: value(10), Tolerance: 0.5, Verdict: &candorv1.Verdict{Author: "ann", Answer: &candorv1.Verdict_Value{Value: 10.4}}, At: began},
		{ItemID: "4", Golden: value(10), Tolerance: 0.5, Verdict: &candorv1.Verdict{Author: "ann", Answer: &candorv1.Verdict_Value{Value: 10.6}}, At: began},
	}
	if r := review.Statistics(given, nil, began, began.Add(time.Hour)).GetReviewers()[0]; r.GetGolden() != 4 || r.GetGoldenRight() != 2 {
		t.Errorf("%v", r)
	}
}

// Cohen's own kind of table: 20 both yes, 5 and 10 apart, 15 both no makes kappa 0.4.
func TestKappa(t *testing.T) {
	var given []review.Given
	n := 0
	add := func(count int, a, b string) {
		for range count {
			n++
			for who, l := range map[string]string{"a": a, "b": b} {
				given = append(given, review.Given{ItemID: fmt.Sprint(n), At: began, Verdict: blindVerdict(who, l, l)})
			}
		}
	}
	add(20, "yes", "yes")
	add(5, "yes", "no")
	add(10, "no", "yes")
	add(15, "no", "no")
	for _, r := range review.Statistics(given, nil, began, began.Add(time.Hour)).GetReviewers() {
		if r.GetCompared() != 50 || r.GetAgreed() != 35 || math.Abs(r.GetKappa()-0.4) > 1e-9 {
			t.Errorf("%v", r)
		}
	}
	for _, r := range review.Statistics(given[:38], nil, began, began.Add(time.Hour)).GetReviewers() {
		if r.Kappa != nil {
			t.Errorf("a kappa of %d pairs: %v", r.GetCompared(), r)
		}
	}
	// Always one label: chance alone would agree as often.
	for _, r := range review.Statistics(given[:40], nil, began, began.Add(time.Hour)).GetReviewers() {
		if r.Kappa != nil {
			t.Errorf("a kappa of one label: %v", r)
		}
	}
	if out := review.Statistics(nil, nil, began, began.Add(2000*time.Hour)); len(out.GetReviewers()) != 0 || len(out.GetFlips()) != 0 {
		t.Errorf("of nothing: %v", out)
	}
}

func TestUnanimous(t *testing.T) {
	v := func(who, l string) *candorv1.Verdict { return blindVerdict(who, l, l) }
	for want, verdicts := range map[string][]*candorv1.Verdict{
		"":    {v("a", "yes"), v("b", "no")},
		"yes": {v("a", "yes"), v("b", "yes")},
		"no":  {v("a", "no")},
	} {
		if got := review.Unanimous(&review.Item{Verdicts: verdicts}); got.GetLabel() != want {
			t.Errorf("%v: %v", verdicts, got)
		}
	}
	if review.Unanimous(&review.Item{}) != nil {
		t.Error("an answer of nobody")
	}
}

// Who only skipped is there, too, and what was passed on in several queues is added up.
func TestStatisticsOfWhatWasPassedOn(t *testing.T) {
	passed := []review.Passed{
		{Reviewer: "zoe", Queue: "p", Skipped: 1}, {Reviewer: "zoe", Queue: "q", Skipped: 2, Escalated: 3}, {Reviewer: "adam", Queue: "q", Escalated: 1},
	}
	got := review.Statistics(nil, passed, began, began.Add(time.Hour)).GetReviewers()
	if len(got) != 2 || got[0].GetReviewer() != "adam" || got[0].GetEscalated() != 1 || got[0].GetSkipped() != 0 ||
		got[1].GetSkipped() != 3 || got[1].GetEscalated() != 3 || got[1].GetVerdicts() != 0 {
		t.Errorf("the account is %v", got)
	}
}
