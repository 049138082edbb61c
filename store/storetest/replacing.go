package storetest

import (
	"testing"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

var replacingTests = []test{
	{"a final answer is superseded", testSupersede},
	{"an item of a replaced model is withdrawn", testWithdraw},
	{"an item of a replaced model is scored again", testRescore},
}

func testSupersede(t *testing.T, d Driver) {
	now := d.Now()
	it := put(t, d, "q", 1, nil)[0]
	s := review.Supersede{By: "sue", Now: now.Add(time.Hour), Verdict: Verdict("2"), RequestID: "s", Gated: out}
	refused(t, "one that waits", d, it.ID, s, review.ErrNotFinal)
	give(t, d, it.ID, "ann", "1", now)
	refused(t, "one that can be undone", d, it.ID, s, review.ErrNotFinal)
	final := change(t, d, it.ID, review.Finalize{Now: now.Add(time.Minute), Gated: out})
	s.Etag = it.Etag()
	refused(t, "an older state of it", d, it.ID, s, review.ErrEtag)
	s.Etag = final.Etag()
	own := s
	own.By = it.Consumer
	refused(t, "one's own", d, it.ID, own, review.ErrSelfReview)
	got := change(t, d, it.ID, s)
	if got.Verdict.GetLabel() != "2" || got.Verdict.GetAuthor() != "sue" || got.FinalReason != candorv1.Reason_REASON_SUPERSEDED ||
		len(got.Superseded) != 1 || got.Superseded[0].GetLabel() != "1" || !got.FinalTime.Equal(s.Now) || got.Verdicts[0].GetLabel() != "1" {
		t.Errorf("superseded: %+v", got)
	}
	s.RequestID, s.Verdict, s.Etag = "s2", Verdict("3"), ""
	got = change(t, d, it.ID, s)
	if len(got.Superseded) != 2 || got.Superseded[0].GetLabel() != "2" {
		t.Errorf("superseded twice, the newest first: %v", got.Superseded)
	}
	if diff := diff(got, get(t, d.Reopen(t), it.ID)); diff != "" {
		t.Errorf("answered and stored (-answered +stored):\n%s", diff)
	}
}

func testWithdraw(t *testing.T, d Driver) {
	now := d.Now()
	items := put(t, d, "q", 3, nil)
	held := claimID(t, d, items[0].ID, "ann", now)
	refused(t, "one that somebody works on", d, held.ID, review.Withdraw{Now: now}, review.ErrClaimed)
	got := change(t, d, held.ID, review.Withdraw{Now: held.LeaseUntil, Verdict: Verdict("unknown"), Gated: out})
	if got.State != candorv1.ReviewState_REVIEW_STATE_WITHDRAWN || got.FinalReason != candorv1.Reason_REASON_MODEL_REPLACED || !got.ModelReplaced ||
		got.Verdict.GetAuthor() != review.AuthorOnReplaced || !got.Final() || got.Holder != "" {
		t.Errorf("withdrawn: %+v", got)
	}
	newer := change(t, d, items[1].ID, review.Withdraw{Now: now, Verdict: Verdict("7"), Author: "model/digits@4", Gated: review.Gated{
		Release: candorv1.ReleaseState_RELEASE_STATE_HELD, HeldBy: "declines",
	}})
	if newer.Verdict.GetAuthor() != "model/digits@4" {
		t.Errorf("by the new version: %v", newer.Verdict)
	}
	if list, err := d.Held(t.Context(), nil, review.HeldPlace{}, 10); err != nil || ids(list) != ids([]review.Item{newer}) {
		t.Errorf("held: %v (%v)", ids(list), err)
	}
	change(t, d, newer.ID, review.LetOut{Now: now})
	give(t, d, items[2].ID, "ann", "1", now)
	refused(t, "one that is settled", d, items[2].ID, review.Withdraw{Now: now}, review.ErrResolved)
}

func testRescore(t *testing.T, d Driver) {
	now := d.Now()
	items := put(t, d, "q", 2, func(_ int, it *review.Item) { it.ExpectedLoss = 1 })
	answers := []*candorv1.StageAnswer{{Stage: "small", Version: "4", Label: "1"}}
	got := change(t, d, items[1].ID, review.Rescore{Now: now, Answers: answers, ExpectedLoss: 5})
	if diff := diff(answers, got.Answers); diff != "" || got.ExpectedLoss != 5 || !got.ModelReplaced {
		t.Errorf("scored again: %+v", got)
	}
	if next, err := claimNext(t, d, "q", "ann", now); err != nil || next.ID != got.ID {
		t.Errorf("the next is %s (%v), want the one that is worth more by now", next.ID, err)
	}
	marked := change(t, d, items[0].ID, review.Rescore{Now: now})
	again := change(t, d, items[0].ID, review.Rescore{Now: now})
	if !marked.ModelReplaced || len(marked.Answers) != 2 || marked.Revision != again.Revision {
		t.Errorf("marked: %t, %d answers, revisions %d and %d", marked.ModelReplaced, len(marked.Answers), marked.Revision, again.Revision)
	}
}
