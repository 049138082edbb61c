package storetest

import (
	"fmt"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

var finishTests = []test{
	{"a verdict is stored", testResolve},
	{"a verdict is stored once", testResolveIdempotent},
	{"a verdict without an answer is refused", testResolveRefuses},
	{"overdue items expire", testExpire},
	{"a panic at a deadline leaves nothing behind", testExpirePanics},
	{"final answers have positions", testFinals},
}

func testResolve(t *testing.T, d Driver) {
	now := d.Now()
	item := put(t, d, "q", 1, nil)[0]
	held := claimID(t, d, item.ID, "ann", now)
	changed := d.Changed()
	r := resolution(held, now.Add(time.Second), "3", "req-1")
	r.Release, r.HeldBy = candorv1.ReleaseState_RELEASE_STATE_HELD, "declines"
	r.Verdict.Confidence = proto.Float64(0.9)
	said := proto.CloneOf(r.Verdict)
	got, err := d.Resolve(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	select {
	case <-changed:
	default:
		t.Error("Changed wasn't closed by the time the verdict was stored")
	}
	if !proto.Equal(said, r.Verdict) {
		t.Error("the store changed the caller's verdict")
	}
	want := held
	want.State, want.Release = candorv1.ReviewState_REVIEW_STATE_RESOLVED, r.Release
	want.Verdict, want.VerdictRequestID = proto.CloneOf(said), "req-1"
	want.Verdict.Author, want.Verdict.CreateTime = "ann", timestamppb.New(r.Now)
	want.LeaseUntil, want.FinalTime, want.HeldBy, want.Action = time.Time{}, r.Now, "declines", "approve"
	want.FinalReason = candorv1.Reason_REASON_VERDICT
	if diff := diff(want, got); diff != "" {
		t.Errorf("the answer (-want +got):\n%s", diff)
	}
	d = d.Reopen(t)
	if diff := diff(want, get(t, d, item.ID)); diff != "" {
		t.Errorf("stored (-want +got):\n%s", diff)
	}

	value := put(t, d, "q", 1, nil)[0]
	rv := resolution(claimID(t, d, value.ID, "ann", now), now, "", "req-2")
	rv.Verdict = &candorv1.Verdict{Answer: &candorv1.Verdict_Value{Value: 0}, Author: "ann (phone)"}
	if _, err := d.Resolve(t.Context(), rv); err != nil {
		t.Fatal(err)
	}
	v := get(t, d, value.ID).Verdict
	if _, ok := v.GetAnswer().(*candorv1.Verdict_Value); !ok || v.GetAuthor() != "ann (phone)" {
		t.Errorf("a verdict with the value 0: %v", v)
	}
}

func testResolveIdempotent(t *testing.T, d Driver) {
	now := d.Now()
	held := claimID(t, d, put(t, d, "q", 1, nil)[0].ID, "ann", now)
	first, err := d.Resolve(t.Context(), resolution(held, now, "3", "req-1"))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		// The lease has ended long ago, and the verdict is another one: the answer is what was stored.
		again, err := d.Resolve(t.Context(), resolution(held, now.Add(time.Hour), "4", "req-1"))
		if err != nil {
			t.Fatal(err)
		}
		if diff := diff(first, again); diff != "" {
			t.Errorf("the second call (-first +second):\n%s", diff)
		}
		d = d.Reopen(t)
	}
	_, err = d.Resolve(t.Context(), resolution(held, now, "3", "req-2"))
	wantError(t, "another request", err, review.ErrResolved)
	stranger := held
	stranger.Holder = "bob"
	_, err = d.Resolve(t.Context(), resolution(stranger, now, "3", "req-1"))
	wantError(t, "somebody else's request of the same name", err, review.ErrResolved)
	none := claimID(t, d, put(t, d, "q", 1, nil)[0].ID, "ann", now)
	if _, err := d.Resolve(t.Context(), resolution(none, now, "3", "")); err != nil {
		t.Fatal(err)
	}
	_, err = d.Resolve(t.Context(), resolution(none, now, "3", ""))
	wantError(t, "twice without a request id", err, review.ErrResolved)
	if finals, err := d.Finals(t.Context(), 0, 10); err != nil || len(finals) != 2 {
		t.Errorf("%d final answers (%v), want 2", len(finals), err)
	}
}

func testResolveRefuses(t *testing.T, d Driver) {
	now := d.Now()
	held := claimID(t, d, put(t, d, "q", 1, nil)[0].ID, "ann", now)
	for name, spoil := range map[string]func(*review.Resolution){
		"no verdict":       func(r *review.Resolution) { r.Verdict = nil },
		"no answer":        func(r *review.Resolution) { r.Verdict = &candorv1.Verdict{Reason: "because"} },
		"no release state": func(r *review.Resolution) { r.Release = candorv1.ReleaseState_RELEASE_STATE_UNSPECIFIED },
		"not UTF-8":        func(r *review.Resolution) { r.Verdict = Verdict("\xff") },
	} {
		r := resolution(held, now, "1", name)
		spoil(&r)
		if _, err := d.Resolve(t.Context(), r); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	if got := get(t, d, held.ID); got.State != candorv1.ReviewState_REVIEW_STATE_CLAIMED || got.Verdict != nil {
		t.Errorf("a refused verdict changed the item: %v", got.State)
	}
}

func testExpire(t *testing.T, d Driver) {
	now := d.Now()
	items := put(t, d, "q", 5, func(i int, it *review.Item) { it.Deadline = now.Add(time.Duration(i+1) * time.Minute) })
	held := claimID(t, d, items[1].ID, "ann", now) // held beyond its deadline
	held, err := d.Renew(t.Context(), lease(held), now, now.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	resolved := claimID(t, d, items[3].ID, "ann", now)
	if _, err := d.Resolve(t.Context(), resolution(resolved, now, "1", "r")); err != nil {
		t.Fatal(err)
	}
	decide := func(it review.Item) review.Expiry {
		if it.ID == items[2].ID {
			return review.Expiry{} // reject
		}
		return review.Expiry{Verdict: Verdict(it.DefaultLabel), Release: candorv1.ReleaseState_RELEASE_STATE_RELEASED, Action: "decline"}
	}
	expire := func(at time.Time, limit int, want ...review.Item) []review.Item {
		t.Helper()
		got, err := d.Expire(t.Context(), at, limit, decide)
		if err != nil || ids(got) != ids(want) {
			t.Fatalf("at %v: expired %v (%v); want %v", at.Sub(now), ids(got), err, ids(want))
		}
		return got
	}
	expire(items[0].Deadline.Add(-time.Microsecond), 10)
	changed := d.Changed()
	expire(items[1].Deadline, 1, items[0])
	select {
	case <-changed:
	default:
		t.Error("Changed wasn't closed by the time the item had expired")
	}
	late := items[4].Deadline
	got := expire(late, 10, items[1], items[2], items[4])
	expire(late.Add(time.Hour), 10)

	for i, it := range got {
		stored := get(t, d, it.ID)
		if stored.State != candorv1.ReviewState_REVIEW_STATE_EXPIRED || stored.FinalReason != candorv1.Reason_REASON_REVIEW_EXPIRED ||
			!stored.FinalTime.Equal(late) || stored.Holder != "" {
			t.Errorf("item %d: %+v", i, stored)
		}
		stored.Payload = nil
		if diff := diff(it, stored); diff != "" {
			t.Errorf("item %d, answered and stored (-answered +stored):\n%s", i, diff)
		}
	}
	if v := got[0].Verdict; v.GetLabel() != "unknown" || v.GetAuthor() != "policy/on_expire" || got[0].Action != "decline" ||
		got[0].Release != candorv1.ReleaseState_RELEASE_STATE_RELEASED {
		t.Errorf("the default answer: %v, action %q, %v", v, got[0].Action, got[0].Release)
	}
	if got[1].Verdict != nil || got[1].Release != candorv1.ReleaseState_RELEASE_STATE_HELD {
		t.Errorf("a rejected item: verdict %v, %v", got[1].Verdict, got[1].Release)
	}
	_, err = d.Resolve(t.Context(), resolution(held, now, "1", "too late"))
	wantError(t, "a verdict after the deadline's answer", err, review.ErrResolved)
	if _, err := d.Expire(t.Context(), late, 0, decide); err == nil {
		t.Error("a limit of 0 was accepted")
	}
}

func testExpirePanics(t *testing.T, d Driver) {
	now := d.Now()
	items := put(t, d, "q", 2, nil)
	calls := 0
	_, err := d.Expire(t.Context(), now.Add(2*time.Hour), 10, func(review.Item) review.Expiry {
		if calls++; calls == 2 {
			panic("no idea")
		}
		return review.Expiry{}
	})
	if err == nil {
		t.Error("Expire hid the panic")
	}
	for _, it := range items {
		if got := get(t, d, it.ID); got.State != candorv1.ReviewState_REVIEW_STATE_PENDING {
			t.Errorf("item %s is %v; want PENDING, since its neighbour failed", it.ID, got.State)
		}
	}
	put(t, d, "q", 1, nil) // the store still works
}

func testFinals(t *testing.T, d Driver) {
	now := d.Now()
	const n = 10
	items := put(t, d, "q", n, nil)
	var want []string
	for i := n - 1; i >= 0; i-- {
		held := claimID(t, d, items[i].ID, "ann", now)
		if _, err := d.Resolve(t.Context(), resolution(held, now, fmt.Sprint(i), held.ID)); err != nil {
			t.Fatal(err)
		}
		want = append(want, held.ID)
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
			if f.Item.Verdict.GetLabel() != fmt.Sprint(f.Item.Row) || len(f.Item.Sequences) != 1 || len(f.Item.Answers) != 2 {
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
