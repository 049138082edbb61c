package review

import (
	"testing"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

var morning = time.Date(2026, 1, 1, 9, 0, 0, 0, time.UTC)

func waiting(id string) *Item {
	return &Item{
		ID: id, Queue: "q", State: candorv1.ReviewState_REVIEW_STATE_PENDING, Kind: candorv1.ReviewKind_REVIEW_KIND_DEFERRED, Consumer: "shop",
		Created: morning, Deadline: morning.Add(time.Hour), Wanted: 1, Agree: 1,
	}
}

func TestJoinTo(t *testing.T) {
	for name, tc := range map[string]struct {
		spoil func(it, first *Item)
		want  bool
	}{
		"identical":                   {func(_, _ *Item) {}, true},
		"claimed":                     {func(_, first *Item) { first.lease("ann", morning, morning.Add(time.Minute)) }, true},
		"claimed by its own consumer": {func(_, first *Item) { first.lease("shop", morning, morning.Add(time.Minute)) }, false},
		"judged by its own consumer":  {func(_, first *Item) { first.Verdicts = []*candorv1.Verdict{{Author: "shop"}} }, false},
		"settled":                     {func(_, first *Item) { first.State = candorv1.ReviewState_REVIEW_STATE_RESOLVED }, false},
		"itself joined":               {func(_, first *Item) { first.JoinedTo = "another" }, false},
		"an audit":                    {func(_, first *Item) { first.Kind = candorv1.ReviewKind_REVIEW_KIND_AUDIT }, false},
		"evidence":                    {func(_, first *Item) { first.Sequences = []Sequence{{}} }, false},
		"too old":                     {func(it, _ *Item) { it.Join.Since = morning.Add(1) }, false},
		"full":                        {func(_, first *Item) { first.Joined = 2 }, false},
		"alone by choice":             {func(it, _ *Item) { it.Join = nil }, false},
		"evidence of its own":         {func(it, _ *Item) { it.Sequences = []Sequence{{}} }, false},
		"an appeal":                   {func(it, _ *Item) { it.Kind = candorv1.ReviewKind_REVIEW_KIND_APPEAL }, false},
	} {
		it, first := waiting("it"), waiting("first")
		it.Join = &Join{Since: morning, Max: 2}
		tc.spoil(it, first)
		joined := first.Joined
		_, _, ok := JoinTo(it, first, morning)
		if ok != tc.want || ok != (it.JoinedTo == "first") || ok != (first.Joined == joined+1) {
			t.Errorf("%s: %t, joined to %q, %d", name, ok, it.JoinedTo, first.Joined)
		}
	}
	it, first := waiting("it"), waiting("first")
	it.Join, it.Consumer = &Join{Since: morning, Max: 2}, "ann"
	if _, e, _ := JoinTo(it, first, morning); len(e.Exclude) != 1 || !first.excludes("ann", morning) {
		t.Errorf("ann may judge the answer to her own row: %+v", e)
	}
}

func TestFollow(t *testing.T) {
	first := waiting("first")
	it := waiting("it")
	if _, ok := Follow(it, first, morning); ok {
		t.Error("there is no answer to follow")
	}
	first.Verdict, first.Agreeing, first.FinalReason = &candorv1.Verdict{Author: "ann"}, 2, candorv1.Reason_REASON_VERDICT
	if _, ok := Follow(it, first, morning); !ok || it.Verdict == first.Verdict || it.Verdict.GetAuthor() != "ann" || it.Agreeing != 2 {
		t.Errorf("it follows: %t, %+v", ok, it)
	}
	if _, err := (Finalize{Now: morning}).Apply(it); err != nil {
		t.Errorf("it is due at once: %v", err)
	}
	if _, ok := Follow(it, first, morning); ok {
		t.Error("a final item follows")
	}
}

func TestSucceed(t *testing.T) {
	cheap, late, dear, twin := waiting("cheap"), waiting("late"), waiting("dear"), waiting("zwin")
	late.ExpectedLoss, late.Created = 2, morning.Add(time.Minute)
	dear.ExpectedLoss, twin.ExpectedLoss = 2, 2
	cheap.Consumer = "ann"
	got, effects := Succeed([]*Item{cheap, twin, late, dear}, morning)
	for i, want := range []*Item{dear, twin, late, cheap} {
		if got[i] != want {
			t.Errorf("place %d: %s, want %s", i, got[i].ID, want.ID)
		}
		if len(effects[i].Events) != 1 || effects[i].Events[0].ItemID != want.ID {
			t.Errorf("%s: events %v", want.ID, effects[i].Events)
		}
	}
	if dear.JoinedTo != "" || dear.Joined != 3 || cheap.JoinedTo != "dear" || late.JoinedTo != "dear" {
		t.Errorf("%q has %d; %q, %q", dear.JoinedTo, dear.Joined, cheap.JoinedTo, late.JoinedTo)
	}
	if !dear.excludes("ann", morning) || len(effects[0].Exclude) != 1 {
		t.Errorf("ann may judge the answer to her own row: %+v", dear.Excluded)
	}
}
