package storetest

import (
	"fmt"
	"math"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

var finishTests = []test{
	{"a verdict is stored, and becomes final", testResolve},
	{"a verdict is stored once", testResolveIdempotent},
	{"what can't be stored changes nothing", testChangeRefuses},
	{"overdue items expire", testExpire},
	{"items are due in order", testDue},
	{"a panic of an act leaves nothing behind", testActPanics},
	{"final answers have positions", testFinals},
	{"a late reader sees what an early one saw", testLateFinals},
	{"somebody is told", testWoken},
}

func testResolve(t *testing.T, d Driver) {
	now := d.Now()
	item := put(t, d, "q", 1, nil)[0]
	held := claimID(t, d, item.ID, "ann", now)
	r := resolve(held, now.Add(time.Second), "3", "req-1")
	r.Window, r.Verdict.Confidence = time.Minute, proto.Float64(0.9)
	said := proto.CloneOf(r.Verdict)
	got := change(t, d, item.ID, r)
	if !proto.Equal(said, r.Verdict) {
		t.Error("the store changed the caller's verdict")
	}
	want := held
	want.State, want.Revision, want.LeaseUntil = candorv1.ReviewState_REVIEW_STATE_RESOLVED, held.Revision+1, time.Time{}
	want.Verdict = proto.CloneOf(said)
	want.Verdict.Author, want.Verdict.CreateTime, want.Verdict.WorkTime = "ann", timestamppb.New(r.Now), durationpb.New(time.Second)
	want.Verdicts, want.Agreeing, want.UndoUntil = []*candorv1.Verdict{want.Verdict}, 1, now.Add(time.Second+time.Minute)
	want.FinalReason, want.Excluded = candorv1.Reason_REASON_VERDICT, []review.Exclusion{{Reviewer: "ann"}}
	if diff := diff(want, got); diff != "" {
		t.Errorf("settled (-want +got):\n%s", diff)
	}
	refused(t, "Finalize in the window", d, item.ID, review.Finalize{Now: got.UndoUntil.Add(-time.Microsecond)}, review.ErrNotDue)
	refused(t, "Expire of what is settled", d, item.ID, review.Expire{Now: item.Deadline.Add(time.Hour)}, review.ErrResolved)
	if finals, err := d.Finals(t.Context(), 0, 10); err != nil || len(finals) != 0 {
		t.Errorf("%d final answers (%v) while it can be undone", len(finals), err)
	}
	d = d.Reopen(t)
	if diff := diff(want, get(t, d, item.ID)); diff != "" {
		t.Errorf("settled and stored (-want +got):\n%s", diff)
	}
	final := change(t, d, item.ID, review.Finalize{Now: got.UndoUntil, Gated: review.Gated{
		Release: candorv1.ReleaseState_RELEASE_STATE_HELD, HeldBy: "declines", Action: "approve",
	}})
	want.Release, want.HeldBy, want.Action = candorv1.ReleaseState_RELEASE_STATE_HELD, "declines", "approve"
	want.FinalTime, want.UndoUntil, want.Revision = got.UndoUntil, time.Time{}, got.Revision+1
	for range 2 {
		if diff := diff(want, final); diff != "" {
			t.Errorf("final (-want +got):\n%s", diff)
		}
		d = d.Reopen(t)
		final = get(t, d, item.ID)
	}
}

func testResolveIdempotent(t *testing.T, d Driver) {
	now := d.Now()
	held := claimID(t, d, put(t, d, "q", 1, nil)[0].ID, "ann", now)
	first := change(t, d, held.ID, resolve(held, now, "3", "req-1"))
	for range 2 {
		// The lease has ended long ago, and the verdict is another one: the answer is what was stored.
		again := change(t, d, held.ID, resolve(held, now.Add(time.Hour), "4", "req-1"))
		if !again.Repeated {
			t.Error("the second call isn't known as a repetition")
		}
		again.Repeated = false
		if diff := diff(first, again); diff != "" {
			t.Errorf("the second call (-first +second):\n%s", diff)
		}
		d = d.Reopen(t)
	}
	refused(t, "another request", d, held.ID, resolve(held, now, "3", "req-2"), review.ErrResolved)
	stranger := held
	stranger.Holder = "bob"
	refused(t, "somebody else's request of the same name", d, held.ID, resolve(stranger, now, "3", "req-1"), review.ErrResolved)
	none := claimID(t, d, put(t, d, "q", 1, nil)[0].ID, "ann", now)
	change(t, d, none.ID, resolve(none, now, "3", ""))
	refused(t, "twice without a request id", d, none.ID, resolve(none, now, "3", ""), review.ErrResolved)
}

func testChangeRefuses(t *testing.T, d Driver) {
	now := d.Now()
	held := claimID(t, d, put(t, d, "q", 1, nil)[0].ID, "ann", now)
	for name, v := range map[string]*candorv1.Verdict{
		"no verdict":             nil,
		"no answer":              {Reason: "because"},
		"a value that isn't one": {Answer: &candorv1.Verdict_Value{Value: math.NaN()}},
		"not UTF-8":              Verdict("\xff"),
	} {
		r := resolve(held, now, "1", "r")
		r.Verdict = v
		if _, err := d.Change(t.Context(), held.ID, r); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	if _, err := d.Change(t.Context(), held.ID, nil); err == nil {
		t.Error("no act was accepted")
	}
	if diff := diff(held, get(t, d, held.ID)); diff != "" {
		t.Errorf("a refused verdict changed the item (-before +after):\n%s", diff)
	}
	// The request that failed may be sent again.
	if got := change(t, d, held.ID, resolve(held, now, "1", "r")); got.Repeated || got.Verdict.GetLabel() != "1" {
		t.Errorf("the same request, corrected: repeated %t, %v", got.Repeated, got.Verdict)
	}
}

func testExpire(t *testing.T, d Driver) {
	now := d.Now()
	items := put(t, d, "q", 3, func(i int, it *review.Item) { it.Deadline = now.Add(time.Duration(i+1) * time.Minute) })
	held := claimID(t, d, items[1].ID, "ann", now) // held beyond its deadline
	change(t, d, held.ID, review.Renew{Lease: lease(held), Now: now, Until: now.Add(time.Hour)})
	late := items[2].Deadline
	refused(t, "before the deadline", d, items[0].ID, review.Expire{Now: items[0].Deadline.Add(-time.Microsecond)}, review.ErrNotDue)
	answer := review.Expire{Now: late, Verdict: Verdict("unknown"), Gated: review.Gated{
		Release: candorv1.ReleaseState_RELEASE_STATE_RELEASED, Action: "decline",
	}}
	for i, a := range []review.Expire{answer, answer, {Now: late}} {
		got := change(t, d, items[i].ID, a)
		if got.State != candorv1.ReviewState_REVIEW_STATE_EXPIRED || got.FinalReason != candorv1.Reason_REASON_REVIEW_EXPIRED ||
			!got.FinalTime.Equal(late) || got.Holder != "" || !got.LeaseUntil.IsZero() {
			t.Errorf("item %d: %+v", i, got)
		}
		if diff := diff(got, get(t, d, got.ID)); diff != "" {
			t.Errorf("item %d, answered and stored (-answered +stored):\n%s", i, diff)
		}
		if v := got.Verdict; i < 2 && (v.GetLabel() != "unknown" || v.GetAuthor() != review.AuthorOnExpire || got.Action != "decline" ||
			got.Release != candorv1.ReleaseState_RELEASE_STATE_RELEASED) {
			t.Errorf("the default answer: %v, action %q, %v", v, got.Action, got.Release)
		}
		if i == 2 && (got.Verdict != nil || got.Release != candorv1.ReleaseState_RELEASE_STATE_HELD) {
			t.Errorf("a rejected item: verdict %v, %v", got.Verdict, got.Release)
		}
		refused(t, "a second time", d, got.ID, a, review.ErrResolved)
	}
	refused(t, "a verdict after the deadline's answer", d, held.ID, resolve(held, now, "1", "too late"), review.ErrResolved)
}

func testDue(t *testing.T, d Driver) {
	now := d.Now()
	at := func(minutes int) time.Time { return now.Add(time.Duration(minutes) * time.Minute) }
	items := put(t, d, "q", 5, func(i int, it *review.Item) { it.Deadline = at(10 * (i + 1)) })
	r := resolve(claimID(t, d, items[3].ID, "ann", now), now, "1", "r")
	r.Window = 15 * time.Minute
	change(t, d, items[3].ID, r)                         // due at 15, long before its deadline
	finish(t, d, items[1].ID, "ann", "1", now)           // never again
	change(t, d, items[2].ID, review.Withdraw{Now: now}) // never again
	want := func(minutes, limit int, want ...int) {
		t.Helper()
		got, err := d.Due(t.Context(), at(minutes), limit)
		var expected []review.Item
		for _, i := range want {
			expected = append(expected, items[i])
		}
		if err != nil || ids(got) != ids(expected) {
			t.Errorf("due at %d: %v (%v), want %v", minutes, ids(got), err, ids(expected))
		}
		for _, it := range got {
			if it.Payload != nil {
				t.Error("it has its payload")
			}
		}
	}
	want(9, 10)
	want(10, 10, 0)
	want(60, 10, 0, 3, 4)
	want(60, 2, 0, 3)
	if _, err := d.Due(t.Context(), now, 0); err == nil {
		t.Error("a limit of 0 was accepted")
	}
}

type panicking struct{}

func (panicking) Request() (actor, requestID string) { return "ann", "r" }

func (panicking) Apply(it *review.Item) (review.Effects, error) {
	it.Queue = "elsewhere"
	panic("no idea")
}

func testActPanics(t *testing.T, d Driver) {
	it := put(t, d, "q", 1, nil)[0]
	if _, err := d.Change(t.Context(), it.ID, panicking{}); err == nil {
		t.Error("the panic is hidden")
	}
	if got := get(t, d, it.ID); got.Queue != "q" || got.Revision != it.Revision {
		t.Errorf("queue %s, revision %d", got.Queue, got.Revision)
	}
	put(t, d, "q", 1, nil) // the store still works
}

func testFinals(t *testing.T, d Driver) {
	now := d.Now()
	const n = 10
	items := put(t, d, "q", n, nil)
	var want []string
	for i := n - 1; i >= 0; i-- {
		want = append(want, finish(t, d, items[i].ID, "ann", fmt.Sprint(i), now).ID)
		if i == n/2 {
			d = d.Reopen(t)
		}
	}
	var got []string
	var after uint64
	for {
		page, err := d.Finals(t.Context(), after, 3)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range page {
			if f.Position <= after {
				t.Fatalf("position %d follows %d", f.Position, after)
			}
			after = f.Position
			got = append(got, f.Item.ID)
			if f.Item.Verdict.GetLabel() != fmt.Sprint(f.Item.Row) || len(f.Item.Sequences) != 1 || len(f.Item.Answers) != 2 || len(f.Item.Verdicts) != 1 {
				t.Errorf("position %d: an incomplete item: %+v", f.Position, f.Item)
			}
		}
		if len(page) < 3 {
			break
		}
	}
	if diff(want, got) != "" {
		t.Errorf("got %v, want %v", got, want)
	}
	if beyond, err := d.Finals(t.Context(), 1<<63, 3); err != nil || len(beyond) != 0 {
		t.Errorf("beyond the end: %v, %v", beyond, err)
	}
}

// A late reader sees at each position what an early one saw there, also of an answer that was held, let out and replaced since.
func testLateFinals(t *testing.T, d Driver) {
	now := d.Now()
	it := put(t, d, "q", 1, nil)[0]
	give(t, d, it.ID, "ann", "1", now)
	var early []review.Final
	for _, a := range []review.Act{
		review.Finalize{Now: now.Add(time.Minute), Gated: review.Gated{Release: candorv1.ReleaseState_RELEASE_STATE_HELD, HeldBy: "declines", Action: "decline"}},
		review.LetOut{Now: now.Add(2 * time.Minute)},
		review.Supersede{By: "sue", Now: now.Add(3 * time.Minute), Verdict: Verdict("2"), RequestID: "a", Gated: out},
		review.Supersede{By: "sue", Now: now.Add(4 * time.Minute), Verdict: Verdict("3"), RequestID: "b", Gated: out},
	} {
		change(t, d, it.ID, a)
		var after uint64
		if n := len(early); n > 0 {
			after = early[n-1].Position
		}
		next, err := d.Finals(t.Context(), after, 10)
		if err != nil || len(next) != 1 {
			t.Fatalf("after %T the feed has %d more (%v)", a, len(next), err)
		}
		want := get(t, d, it.ID)
		want.Payload = nil
		if diff := diff(want, next[0].Item); diff != "" {
			t.Errorf("stored and announced (-stored +announced):\n%s", diff)
		}
		early = append(early, next[0])
	}
	late, err := d.Reopen(t).Finals(t.Context(), 0, 10)
	if diff := diff(early, late); err != nil || diff != "" {
		t.Errorf("seen early and late (-early +late): %v\n%s", err, diff)
	}
	var labels []string
	for _, f := range late {
		labels = append(labels, f.Item.Verdict.GetLabel())
	}
	if diff := diff([]string{"1", "1", "2", "3"}, labels); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
	if len(late) == 4 && (late[0].Item.HeldBy != "declines" || late[1].Item.HeldBy != "" || len(late[3].Item.Superseded) != 2) {
		t.Errorf("held by %q, then %q; %d answers before the last", late[0].Item.HeldBy, late[1].Item.HeldBy, len(late[3].Item.Superseded))
	}
}

// Moved is closed by the time a change of the queue is stored, Changed by the time a final answer is.
func testWoken(t *testing.T, d Driver) {
	now := d.Now()
	var id string
	for _, step := range []struct {
		name  string
		do    func()
		final bool
	}{
		{"an item comes", func() { id = put(t, d, "q", 1, nil)[0].ID }, false},
		{"a claim", func() { claimID(t, d, id, "ann", now) }, false},
		{"a verdict", func() { change(t, d, id, resolve(claimID(t, d, id, "ann", now), now, "1", "r")) }, false},
		{"its end", func() { change(t, d, id, review.Finalize{Now: now, Gated: out}) }, true},
		{"another answer", func() {
			change(t, d, id, review.Supersede{By: "sue", Now: now, Verdict: Verdict("2"), RequestID: "r", Gated: out})
		}, true},
	} {
		moved, changed := d.Moved(), d.Changed()
		step.do()
		if !closed(moved) || closed(changed) != step.final {
			t.Errorf("%s: moved %t, changed %t; want true, %t", step.name, closed(moved), closed(changed), step.final)
		}
	}
}
