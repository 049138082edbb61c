package storetest

import (
	"testing"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

var reportTests = []test{
	{"the state of the queues", testQueues},
	{"the verdicts of a span", testGiven},
	{"what was passed on in a span", testPassed},
}

func testQueues(t *testing.T, d Driver) {
	now := d.Now()
	at := func(minutes int) time.Time { return now.Add(time.Duration(minutes) * time.Minute) }
	items := put(t, d, "q", 7, func(i int, it *review.Item) {
		it.ExpectedLoss, it.Sequences, it.Deadline = float64(i), nil, at(600)
		if i == 6 {
			it.Kind = candorv1.ReviewKind_REVIEW_KIND_AUDIT
		}
	})
	put(t, d, "old", 1, func(_ int, it *review.Item) { it.Created = at(-60) })
	twin(t, d, now, nil)
	twin(t, d, now, nil) // waits for the other
	if _, err := d.AddGolden(t.Context(), golden("q", "1"), review.By{Name: "sue"}, "r", now); err != nil {
		t.Fatal(err)
	}
	if _, err := showGolden(t, d, "q", "gil", ""); err != nil {
		t.Fatal(err)
	}
	claimID(t, d, items[5].ID, "ann", at(9))
	claimID(t, d, items[4].ID, "bob", at(0)) // its lease is over by then
	give(t, d, items[3].ID, "ann", "1", at(1))
	undone := give(t, d, items[2].ID, "ann", "1", at(1))
	change(t, d, undone.ID, review.Release{Lease: lease(change(t, d, undone.ID, undo("ann", at(1)))), Now: at(1)})
	claimed := claimID(t, d, items[1].ID, "ann", at(2))
	change(t, d, items[1].ID, windowed(claimed, at(2).Add(7*time.Second), "1"))
	change(t, d, items[0].ID, review.Expire{Now: at(600)})
	got, err := d.Queues(t.Context(), at(9).Add(time.Second), at(-1))
	if err != nil || len(got) != 2 {
		t.Fatalf("%d queues (%v), want old and q", len(got), err)
	}
	old, q := got[0], got[1]
	if old.Queue != "old" || old.Pending != 1 || len(old.Created) != 0 || !old.Waiting[0].Created.Equal(at(-60)) {
		t.Errorf("the old queue: %+v", old)
	}
	if q.Queue != "q" || q.Pending != 4 || q.Claimed != 1 || q.Resolved != 2 || q.Expired != 1 {
		t.Errorf("%s: %d pending, %d claimed, %d resolved, %d expired", q.Queue, q.Pending, q.Claimed, q.Resolved, q.Expired)
	}
	want := []review.Waiting{
		{ExpectedLoss: 4, Created: now, Deadline: at(600)}, {ExpectedLoss: 2, Created: now, Deadline: at(600)},
		q.Waiting[2], // the twin
		{ExpectedLoss: 6, Created: now, Deadline: at(600), Audit: true},
	}
	// The items were made at a time of their own.
	for i := range want {
		if i != 2 {
			want[i].Created = items[0].Created
		}
	}
	if diff := diff(want, q.Waiting); diff != "" || q.Waiting[2].ExpectedLoss != 0.25 {
		t.Errorf("waiting (-want +got):\n%s", diff)
	}
	if diff := diff([]review.Holder{{Reviewer: "ann", ItemID: items[5].ID, Until: at(10)}}, q.Holders); diff != "" {
		t.Errorf("holders (-want +got):\n%s", diff)
	}
	if diff := diff([]time.Duration{7 * time.Second, 0}, q.WorkTimes); diff != "" {
		t.Errorf("work times, the newest first (-want +got):\n%s", diff)
	}
	kinds := map[candorv1.ReviewKind]int64{
		candorv1.ReviewKind_REVIEW_KIND_DEFERRED: 8, candorv1.ReviewKind_REVIEW_KIND_AUDIT: 1, candorv1.ReviewKind_REVIEW_KIND_GOLDEN: 1,
	}
	if diff := diff(kinds, q.Created); diff != "" {
		t.Errorf("created (-want +got):\n%s", diff)
	}
	late, err := d.Queues(t.Context(), at(9), at(601))
	if err != nil || late[1].Resolved != 0 || late[1].Expired != 0 || len(late[1].WorkTimes) != 0 || len(late[1].Created) != 0 {
		t.Errorf("a later span: %+v, %v", late[1], err)
	}
}

func testGiven(t *testing.T, d Driver) {
	now := d.Now()
	at := func(minutes int) time.Time { return now.Add(time.Duration(minutes) * time.Minute) }
	q := put(t, d, "q", 2, func(_ int, it *review.Item) { it.Deadline = at(600) })
	p := put(t, d, "p", 1, func(_ int, it *review.Item) { it.Model, it.Deadline = "letters", at(600) })
	give(t, d, q[0].ID, "ann", "1", at(1))
	change(t, d, q[0].ID, revise("ann", "0", at(1)))
	back := give(t, d, q[1].ID, "bob", "2", at(2))
	again := change(t, d, q[1].ID, undo("bob", back.UndoUntil.Add(-time.Second)))
	change(t, d, q[1].ID, windowed(again, at(3), "3"))
	give(t, d, p[0].ID, "ann", "4", at(5))
	g := addGolden(t, d, golden("q", "1"))
	shown, err := showGolden(t, d, "q", "cid", "")
	if err != nil {
		t.Fatal(err)
	}
	change(t, d, shown.ID, windowed(shown, shown.ClaimedAt, "1"))
	d = d.Reopen(t)
	list := func(what string, f review.GivenFilter, want ...string) []review.Given {
		t.Helper()
		if f.Limit == 0 {
			f.Limit = 10
		}
		got, err := d.Given(t.Context(), f)
		var labels []string
		for _, g := range got {
			label := g.Verdict.GetLabel()
			if g.Undone {
				label += " undone"
			}
			labels = append(labels, label)
		}
		if diff := diff(want, labels); err != nil || diff != "" {
			t.Errorf("%s (-want +got): %v\n%s", what, err, diff)
		}
		return got
	}
	all := list("all", review.GivenFilter{Since: now}, "1", "0", "2 undone", "3", "4")
	list("some", review.GivenFilter{Since: now, Limit: 2}, "1", "0")
	list("a span", review.GivenFilter{Since: at(2), Until: at(5)}, "2 undone", "3")
	list("of a queue", review.GivenFilter{Since: at(1), Queue: "q"}, "0", "2 undone", "3")
	list("of a model", review.GivenFilter{Since: at(1), Model: "letters"}, "4")
	list("of a reviewer", review.GivenFilter{Since: at(1), Reviewer: "ann"}, "0", "4")
	list("of nobody", review.GivenFilter{Since: at(1), Reviewer: "zed"})
	if len(all) != 5 {
		return
	}
	if got := all[0]; got.Golden.GetLabel() != g.Answer.GetLabel() || got.Tolerance != 0.25 || got.Field != "digit" || got.Kind != candorv1.ReviewKind_REVIEW_KIND_GOLDEN {
		t.Errorf("a golden one: %+v", got)
	}
	if got := all[1]; got.ItemID != q[0].ID || got.Queue != "q" || got.Model != "digits" || !got.At.Equal(at(1)) || len(got.Answers) != 2 ||
		got.Verdict.GetFirstAnswer().GetLabel() != "1" || got.Golden != nil {
		t.Errorf("a revised one: %+v", got)
	}
	if _, err := d.Given(t.Context(), review.GivenFilter{}); err == nil {
		t.Error("a limit of 0 was accepted")
	}
}

// What a reviewer skips or escalates counts in the queue in which the item was then.
func testPassed(t *testing.T, d Driver) {
	now := d.Now()
	at := func(minutes int) time.Time { return now.Add(time.Duration(minutes) * time.Minute) }
	q := put(t, d, "q", 3, func(_ int, it *review.Item) { it.Deadline = at(600) })
	p := put(t, d, "p", 1, func(_ int, it *review.Item) { it.Model, it.Deadline = "letters", at(600) })
	skip := func(id, who string, minute int) {
		it := claimID(t, d, id, who, at(minute))
		change(t, d, id, review.Skip{Lease: lease(it), Now: at(minute), Reason: "unclear", Until: at(minute)})
	}
	skip(q[0].ID, "ann", 1)
	skip(q[0].ID, "bob", 2)
	skip(q[1].ID, "ann", 3)
	skip(p[0].ID, "ann", 4)
	up := claimID(t, d, q[2].ID, "ann", at(5))
	change(t, d, q[2].ID, review.Escalate{Lease: lease(up), Now: at(5), Queue: "p", Note: "look"})
	skip(q[2].ID, "bob", 6) // in p by now
	d = d.Reopen(t)
	for name, c := range map[string]struct {
		filter review.GivenFilter
		want   []review.Passed
	}{
		"all": {review.GivenFilter{Since: now}, []review.Passed{
			{Reviewer: "ann", Queue: "p", Skipped: 1}, {Reviewer: "ann", Queue: "q", Skipped: 2, Escalated: 1},
			{Reviewer: "bob", Queue: "p", Skipped: 1}, {Reviewer: "bob", Queue: "q", Skipped: 1},
		}},
		"a span":        {review.GivenFilter{Since: at(2), Until: at(4)}, []review.Passed{{Reviewer: "ann", Queue: "q", Skipped: 1}, {Reviewer: "bob", Queue: "q", Skipped: 1}}},
		"of a queue":    {review.GivenFilter{Since: at(3), Queue: "q"}, []review.Passed{{Reviewer: "ann", Queue: "q", Skipped: 1, Escalated: 1}}},
		"of a model":    {review.GivenFilter{Since: now, Model: "letters"}, []review.Passed{{Reviewer: "ann", Queue: "p", Skipped: 1}}},
		"of a reviewer": {review.GivenFilter{Since: at(3), Reviewer: "bob"}, []review.Passed{{Reviewer: "bob", Queue: "p", Skipped: 1}}},
		"of nobody":     {review.GivenFilter{Since: now, Reviewer: "zed"}, nil},
	} {
		got, err := d.Passed(t.Context(), c.filter)
		if diff := diff(c.want, got); err != nil || diff != "" {
			t.Errorf("%s (-want +got): %v\n%s", name, err, diff)
		}
	}
}
