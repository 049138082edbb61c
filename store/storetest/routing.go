package storetest

import (
	"testing"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

var routingTests = []test{
	{"a skipped item is for others", testSkip},
	{"a skipped item comes back after a pause", testSkipPause},
	{"an item is made without some reviewers", testExcluded},
	{"an escalated item goes to another queue", testEscalate},
}

func testSkip(t *testing.T, d Driver) {
	now := d.Now()
	it := put(t, d, "q", 1, nil)[0]
	held := claimID(t, d, it.ID, "ann", now)
	got := change(t, d, it.ID, review.Skip{Lease: lease(held), Now: now, Reason: "too hard", RequestID: "r"})
	if got.State != candorv1.ReviewState_REVIEW_STATE_PENDING || got.Holder != "" || len(got.Excluded) != 1 {
		t.Errorf("skipped: %+v", got)
	}
	for range 2 {
		wantClaim(t, "the skipper", d, it.ID, "ann", true, now.Add(30*time.Minute), review.ErrExcluded)
		if diff := diff(got, get(t, d, it.ID)); diff != "" {
			t.Errorf("answered and stored (-answered +stored):\n%s", diff)
		}
		d = d.Reopen(t)
	}
	if next, err := claimNext(t, d, "q", "bob", now); err != nil || next.ID != it.ID {
		t.Errorf("another gets %s, %v", next.ID, err)
	}
}

func testSkipPause(t *testing.T, d Driver) {
	now := d.Now()
	it := put(t, d, "q", 1, nil)[0]
	until := now.Add(5 * time.Minute)
	change(t, d, it.ID, review.Skip{Lease: lease(claimID(t, d, it.ID, "ann", now)), Now: now, Reason: "later", Until: until})
	wantClaim(t, "the skipper, too early", d, it.ID, "ann", false, until.Add(-time.Microsecond), review.ErrExcluded)
	if next, err := claimNext(t, d, "q", "ann", until); err != nil || next.ID != it.ID {
		t.Errorf("the skipper gets %s after the pause, %v", next.ID, err)
	}
}

func testExcluded(t *testing.T, d Driver) {
	now := d.Now()
	it := put(t, d, "q", 1, func(_ int, it *review.Item) { it.Excluded = []review.Exclusion{{Reviewer: "ann"}, {Reviewer: "bob"}} })[0]
	if diff := diff(it.Excluded, get(t, d, it.ID).Excluded); diff != "" {
		t.Errorf("exclusions (-want +got):\n%s", diff)
	}
	wantClaim(t, "an excluded one", d, it.ID, "bob", true, now, review.ErrExcluded)
	wantClaim(t, "another", d, it.ID, "cid", false, now, nil)
	rec, items := Deferral(now, "q", 1)
	items[0].Excluded = []review.Exclusion{{Reviewer: "ann"}, {Reviewer: "ann", Until: now}}
	if err := d.Record(t.Context(), rec, items); err == nil {
		t.Error("one reviewer was excluded twice")
	}
}

func testEscalate(t *testing.T, d Driver) {
	now := d.Now()
	it := put(t, d, "q", 1, nil)[0]
	held := claimID(t, d, it.ID, "ann", now)
	got := change(t, d, it.ID, review.Escalate{Lease: lease(held), Now: now, Queue: "experts", Note: "look at this", RequestID: "r"})
	if got.Queue != "experts" || got.EscalatedFrom != "q" || got.EscalatedBy != "ann" || got.EscalationNote != "look at this" ||
		got.State != candorv1.ReviewState_REVIEW_STATE_PENDING || !got.Deadline.Equal(it.Deadline) {
		t.Errorf("escalated: %+v", got)
	}
	if diff := diff(got, get(t, d, it.ID)); diff != "" {
		t.Errorf("answered and stored (-answered +stored):\n%s", diff)
	}
	_, err := claimNext(t, d, "q", "bob", now)
	wantError(t, "of its old queue", err, review.ErrEmpty)
	if next, err := claimNext(t, d, "experts", "sue", now); err != nil || next.ID != it.ID {
		t.Errorf("of its new queue: %s, %v", next.ID, err)
	}
	page, err := d.List(t.Context(), review.Filter{Queue: "experts", Limit: 10})
	if err != nil || len(page.Items) != 1 || page.Claimed != 1 {
		t.Errorf("listed: %v, %d claimed (%v)", ids(page.Items), page.Claimed, err)
	}
}
