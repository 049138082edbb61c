package storetest

import (
	"fmt"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

var verdictTests = []test{
	{"several reviewers must agree", testSeveral},
	{"a senior decides where reviewers disagree", testAdjudication},
	{"a verdict is taken back in its window", testUndo},
	{"one of several is taken back", testUndoOfSeveral},
	{"a verdict is changed in its window", testRevise},
	{"a revision makes and breaks agreement", testReviseOfSeveral},
	{"the deadline ends what few have judged", testExpirePartial},
}

// several makes an item that k of n reviewers must agree on.
func several(t *testing.T, d Driver, n, k uint32) review.Item {
	t.Helper()
	return put(t, d, "q", 1, func(_ int, it *review.Item) { it.Wanted, it.Agree = n, k })[0]
}

// windowed is a verdict with a window of a minute.
func windowed(it review.Item, now time.Time, label string) review.Resolve {
	r := resolve(it, now, label, fmt.Sprint("give ", it.Holder, it.Epoch))
	r.Window = time.Minute
	return r
}

// give claims and resolves, with a window of a minute.
func give(t *testing.T, d Driver, id, reviewer, label string, now time.Time) review.Item {
	t.Helper()
	return change(t, d, id, windowed(claimID(t, d, id, reviewer, now), now, label))
}

func undo(reviewer string, now time.Time) review.Undo {
	return review.Undo{Reviewer: reviewer, Now: now, LeaseUntil: now.Add(time.Minute), RequestID: "undo " + reviewer + now.String(), Window: time.Minute}
}

func revise(reviewer, label string, now time.Time) review.Revise {
	return review.Revise{Reviewer: reviewer, Now: now, Verdict: Verdict(label), RequestID: "revise " + label + reviewer, Window: time.Minute}
}

func wantClaim(t *testing.T, what string, d Driver, id, holder string, senior bool, now time.Time, want error) {
	t.Helper()
	_, err := d.Next(t.Context(), review.Claim{ID: id, Holder: holder, Senior: senior, Now: now, LeaseFor: minute})
	wantError(t, what, err, want)
	if want == nil {
		return
	}
	_, err = d.Next(t.Context(), review.Claim{Queue: "q", Holder: holder, Senior: senior, Now: now, LeaseFor: minute})
	wantError(t, what+" as the next", err, review.ErrEmpty)
}

func testSeveral(t *testing.T, d Driver) {
	now := d.Now()
	it := several(t, d, 3, 2)
	one := give(t, d, it.ID, "ann", "1", now)
	if one.State != candorv1.ReviewState_REVIEW_STATE_PENDING || one.Verdict != nil || one.Holder != "" || !one.UndoUntil.IsZero() {
		t.Errorf("after one verdict: %+v", one)
	}
	wantClaim(t, "a second time", d, it.ID, "ann", true, now, review.ErrExcluded)
	give(t, d, it.ID, "bob", "0", now)
	d = d.Reopen(t)
	third := give(t, d, it.ID, "cid", "1", now.Add(time.Second))
	if third.State != candorv1.ReviewState_REVIEW_STATE_RESOLVED || third.Agreeing != 2 || third.Verdict.GetLabel() != "1" || len(third.Verdicts) != 3 ||
		third.Verdict.GetAuthor() != "ann, cid" || !third.UndoUntil.Equal(now.Add(time.Second+time.Minute)) || third.Adjudication {
		t.Errorf("after three verdicts: %+v", third)
	}
	if diff := diff(third, get(t, d, it.ID)); diff != "" {
		t.Errorf("answered and stored (-answered +stored):\n%s", diff)
	}
	for i, want := range []string{"ann", "bob", "cid"} {
		if got := third.Verdicts[i].GetAuthor(); got != want {
			t.Errorf("verdict %d is by %s, want %s: the oldest first", i, got, want)
		}
	}

	values := put(t, d, "values", 1, func(_ int, it *review.Item) { it.Wanted, it.Agree, it.Tolerance = 2, 2, 0.5 })[0]
	for i, who := range []string{"ann", "bob"} {
		r := windowed(claimID(t, d, values.ID, who, now), now, "")
		r.Verdict = &candorv1.Verdict{Answer: &candorv1.Verdict_Value{Value: 2 + float64(i)/2}}
		values = change(t, d, values.ID, r)
	}
	if values.Verdict.GetValue() != 2 || values.Agreeing != 2 {
		t.Errorf("2 and 2.5 within 0.5: %v, %d agree", values.Verdict, values.Agreeing)
	}
}

func testAdjudication(t *testing.T, d Driver) {
	now := d.Now()
	it := several(t, d, 2, 2)
	give(t, d, it.ID, "ann", "1", now)
	split := give(t, d, it.ID, "bob", "0", now)
	if split.State != candorv1.ReviewState_REVIEW_STATE_PENDING || !split.Adjudication || split.Verdict != nil {
		t.Errorf("disagreement: %+v", split)
	}
	wantClaim(t, "a reviewer", d, it.ID, "cid", false, now, review.ErrSeniorOnly)
	wantClaim(t, "a senior who is of one opinion", d, it.ID, "bob", true, now, review.ErrExcluded)
	next, err := d.Next(t.Context(), review.Claim{Queue: "q", Holder: "sue", Senior: true, Now: now, LeaseFor: minute})
	if err != nil || next.ID != it.ID {
		t.Fatalf("the next of a senior: %s, %v", next.ID, err)
	}
	refused(t, "an undo while a senior is at work", d, it.ID, undo("ann", now), review.ErrUndoClosed)
	done := change(t, d, it.ID, windowed(next, now, "2"))
	if done.State != candorv1.ReviewState_REVIEW_STATE_RESOLVED || done.Verdict.GetLabel() != "2" || !done.Verdict.GetAdjudication() || done.Agreeing != 1 {
		t.Errorf("decided: %+v", done)
	}
	refused(t, "an undo when a senior has decided", d, it.ID, undo("ann", now), review.ErrUndoClosed)
	back := change(t, d, it.ID, undo("sue", now))
	if back.Holder != "sue" || !back.Adjudication || len(back.Verdicts) != 2 || back.Verdict != nil {
		t.Errorf("the senior's undo: %+v", back)
	}
	final, err := Finish(t.Context(), d, it.ID, resolve(back, now, "1", "again"), out)
	if err != nil || final.Verdict.GetLabel() != "1" || final.Agreeing != 2 {
		t.Errorf("decided again: %v, %d agree (%v)", final.Verdict, final.Agreeing, err)
	}
}

func testUndo(t *testing.T, d Driver) {
	now := d.Now()
	it := put(t, d, "q", 1, nil)[0]
	refused(t, "nothing to undo", d, it.ID, undo("ann", now), review.ErrUndoClosed)
	settled := give(t, d, it.ID, "ann", "1", now)
	refused(t, "somebody else's", d, it.ID, undo("bob", now), review.ErrUndoClosed)
	refused(t, "when the window has closed", d, it.ID, undo("ann", settled.UndoUntil), review.ErrUndoClosed)
	back := change(t, d, it.ID, undo("ann", now))
	if back.State != candorv1.ReviewState_REVIEW_STATE_CLAIMED || back.Holder != "ann" || back.Epoch != settled.Epoch+1 || back.Verdict != nil ||
		len(back.Verdicts) != 0 || len(back.Excluded) != 0 || !back.UndoUntil.IsZero() || back.FinalReason != candorv1.Reason_REASON_UNSPECIFIED {
		t.Errorf("undone: %+v", back)
	}
	if diff := diff(back, get(t, d, it.ID)); diff != "" {
		t.Errorf("answered and stored (-answered +stored):\n%s", diff)
	}
	refused(t, "a verdict under the old claim", d, it.ID, resolve(settled, now, "1", "late"), review.ErrStaleLease)
	final, err := Finish(t.Context(), d, it.ID, resolve(back, now, "2", "again"), out)
	if err != nil || final.Verdict.GetLabel() != "2" || len(final.Verdicts) != 1 {
		t.Errorf("given again: %v (%v)", final.Verdicts, err)
	}
	refused(t, "a final one", d, it.ID, undo("ann", now.Add(time.Second)), review.ErrUndoClosed)
}

func testUndoOfSeveral(t *testing.T, d Driver) {
	now := d.Now()
	it := several(t, d, 2, 2)
	give(t, d, it.ID, "ann", "1", now)
	held := claimID(t, d, it.ID, "bob", now)
	gone := change(t, d, it.ID, undo("ann", now))
	if gone.Holder != "bob" || gone.Epoch != held.Epoch || len(gone.Verdicts) != 0 {
		t.Errorf("undone while another holds it: %+v", gone)
	}
	change(t, d, it.ID, windowed(held, now, "1"))
	both := give(t, d, it.ID, "ann", "1", now)
	wantState(t, "both again", both, candorv1.ReviewState_REVIEW_STATE_RESOLVED)
	left := change(t, d, it.ID, undo("bob", now.Add(time.Second)))
	if left.Holder != "bob" || len(left.Verdicts) != 1 || left.Verdicts[0].GetAuthor() != "ann" || left.Agreeing != 0 {
		t.Errorf("one of two undone: %+v", left)
	}
	split := change(t, d, it.ID, windowed(left, now.Add(time.Second), "0"))
	if !split.Adjudication {
		t.Errorf("disagreement: %+v", split)
	}
	// Nobody decides yet, so that either may think again.
	again := change(t, d, it.ID, undo("bob", now.Add(2*time.Second)))
	if again.Adjudication || again.Holder != "bob" {
		t.Errorf("undone under adjudication: %+v", again)
	}
}

func testRevise(t *testing.T, d Driver) {
	now := d.Now()
	it := put(t, d, "q", 1, nil)[0]
	claimed := claimID(t, d, it.ID, "ann", now)
	r := windowed(claimed, now, "1")
	r.Verdict.Blind = true
	settled := change(t, d, it.ID, r)
	refused(t, "somebody else's", d, it.ID, revise("bob", "2", now), review.ErrUndoClosed)
	refused(t, "when the window has closed", d, it.ID, revise("ann", "2", settled.UndoUntil), review.ErrUndoClosed)
	old := revise("ann", "2", now)
	old.Etag = claimed.Etag()
	refused(t, "what was seen before", d, it.ID, old, review.ErrEtag)
	old.Etag = settled.Etag()
	second := change(t, d, it.ID, old)
	third := change(t, d, it.ID, revise("ann", "0", now.Add(time.Second)))
	for i, got := range []review.Item{second, third} {
		v := got.Verdict
		if v.GetLabel() != []string{"2", "0"}[i] || v.GetFirstAnswer().GetLabel() != "1" || !v.GetBlind() || len(got.Verdicts) != 1 ||
			!got.UndoUntil.Equal(settled.UndoUntil) || !proto.Equal(v.GetCreateTime(), settled.Verdict.GetCreateTime()) {
			t.Errorf("revision %d: %+v", i, got)
		}
	}
	d = d.Reopen(t)
	if diff := diff(third, get(t, d, it.ID)); diff != "" {
		t.Errorf("answered and stored (-answered +stored):\n%s", diff)
	}
	change(t, d, it.ID, review.Finalize{Now: settled.UndoUntil, Gated: out})
	refused(t, "a final one", d, it.ID, revise("ann", "3", now), review.ErrUndoClosed)
}

func testReviseOfSeveral(t *testing.T, d Driver) {
	now := d.Now()
	it := several(t, d, 2, 2)
	give(t, d, it.ID, "ann", "1", now)
	agreed := give(t, d, it.ID, "bob", "1", now)
	broken := change(t, d, it.ID, revise("ann", "0", now))
	if broken.State != candorv1.ReviewState_REVIEW_STATE_PENDING || !broken.Adjudication || broken.Verdict != nil || !broken.UndoUntil.IsZero() {
		t.Errorf("agreement is broken: %+v", broken)
	}
	mended := change(t, d, it.ID, revise("bob", "0", now.Add(time.Second)))
	if mended.State != candorv1.ReviewState_REVIEW_STATE_RESOLVED || mended.Verdict.GetLabel() != "0" || mended.Adjudication || mended.Agreeing != 2 {
		t.Errorf("agreement is mended: %+v", mended)
	}
	if mended.UndoUntil.Before(agreed.UndoUntil) {
		t.Errorf("the window closes at %v, before %v", mended.UndoUntil, agreed.UndoUntil)
	}
	other := several(t, d, 2, 2)
	give(t, d, other.ID, "ann", "1", now)
	claimed := claimID(t, d, other.ID, "bob", now)
	if got := change(t, d, other.ID, revise("ann", "0", now)); got.Holder != "bob" || got.Epoch != claimed.Epoch {
		t.Errorf("revised while another is at work: %+v", got)
	}
	wantState(t, "it is weighed with theirs", change(t, d, other.ID, windowed(claimed, now, "0")), candorv1.ReviewState_REVIEW_STATE_RESOLVED)
}

func testExpirePartial(t *testing.T, d Driver) {
	now := d.Now()
	it := several(t, d, 3, 2)
	one := give(t, d, it.ID, "ann", "1", now)
	late := it.Deadline.Add(time.Second)
	// The gateway may take what there is.
	got := change(t, d, it.ID, review.Expire{Now: late, Verdict: one.Verdicts[0], Gated: out})
	if got.State != candorv1.ReviewState_REVIEW_STATE_EXPIRED || got.Verdict.GetAuthor() != "ann" || len(got.Verdicts) != 1 || got.Agreeing != 0 {
		t.Errorf("expired with one verdict: %+v", got)
	}
	refused(t, "its undo", d, it.ID, undo("ann", now), review.ErrUndoClosed)
}
