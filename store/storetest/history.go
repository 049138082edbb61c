package storetest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

var historyTests = []test{
	{"an item's history", testEvents},
	{"every act is done once for each request", testRequests},
	{"a claim is done once for each request", testClaimRequests},
	{"a claim is done once for each request, also of many at once", testClaimRequestsAtOnce},
	{"callers name requests as they like", testOddNames},
	{"the etag changes with every change", testEtags},
	{"a payload is deleted", testDeletePayload},
}

func testEvents(t *testing.T, d Driver) {
	now := d.Now()
	it := put(t, d, "q", 1, nil)[0]
	first := claimID(t, d, it.ID, "ann", now)
	second := claimID(t, d, it.ID, "bob", first.LeaseUntil)
	now = first.LeaseUntil
	change(t, d, it.ID, review.Escalate{Lease: lease(second), Now: now, Queue: "experts", Note: "help"})
	third := claimID(t, d, it.ID, "cid", now)
	change(t, d, it.ID, review.Skip{Lease: lease(third), Now: now, Reason: "too hard"})
	give(t, d, it.ID, "dan", "1", now)
	change(t, d, it.ID, revise("dan", "2", now))
	change(t, d, it.ID, review.Finalize{Now: now.Add(time.Minute), Gated: out})
	d = d.Reopen(t)
	events, err := d.Events(t.Context(), it.ID, 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for i, e := range events {
		got = append(got, fmt.Sprintf("%d %s %s %q %s %d %s", e.Kind, e.At.Sub(it.Created).Round(time.Minute), e.Actor, e.Note, e.Queue, e.Epoch, e.Verdict.GetLabel()))
		if e.ItemID != it.ID || i > 0 && e.Position <= events[i-1].Position {
			t.Errorf("event %d: of item %s, at %d", i, e.ItemID, e.Position)
		}
	}
	want := []string{
		`1 0s gateway "" q 0 `,
		`2 0s ann "" q 1 `,
		`4 1m0s ann "" q 1 `,
		`2 1m0s bob "" q 2 `,
		`6 1m0s bob "help" experts 2 `,
		`2 1m0s cid "" experts 3 `,
		`5 1m0s cid "too hard" experts 3 `,
		`2 1m0s dan "" experts 4 `,
		`7 1m0s dan "" experts 4 1`,
		`8 1m0s dan "" experts 4 2`,
		`11 2m0s gateway "" experts 4 2`,
	}
	if diff := diff(want, got); diff != "" {
		t.Errorf("history (-want +got):\n%s", diff)
	}
	some, err := d.Events(t.Context(), it.ID, events[2].Position, 3)
	if diff := diff(events[3:6], some); err != nil || diff != "" {
		t.Errorf("a page (-want +got): %v\n%s", err, diff)
	}
	if none, err := d.Events(t.Context(), uuid.NewString(), 0, 3); err != nil || len(none) != 0 {
		t.Errorf("of nothing: %v, %v", none, err)
	}
	if _, err := d.Events(t.Context(), it.ID, 0, 0); err == nil {
		t.Error("a page of 0 was accepted")
	}
}

// The same request from the same person changes nothing the second time, whatever the act, also where it would be refused by then.
func testRequests(t *testing.T, d Driver) {
	now := d.Now()
	claimed := func() review.Item { return claimID(t, d, put(t, d, "q", 1, nil)[0].ID, "ann", now) }
	settled := func() review.Item { it := claimed(); return change(t, d, it.ID, windowed(it, now, "1")) }
	final := func() review.Item {
		it := settled()
		return change(t, d, it.ID, review.Finalize{Now: it.UndoUntil, Gated: out})
	}
	for _, tc := range []struct {
		name string
		item review.Item
		act  func(review.Item) review.Act
	}{
		{"claim", put(t, d, "q", 1, nil)[0], func(it review.Item) review.Act {
			return review.Claim{ID: it.ID, Holder: "ann", Now: now, LeaseFor: minute, RequestID: "r"}
		}},
		{"release", claimed(), func(it review.Item) review.Act { return review.Release{Lease: lease(it), Now: now, RequestID: "r"} }},
		{"skip", claimed(), func(it review.Item) review.Act {
			return review.Skip{Lease: lease(it), Now: now, Reason: "x", RequestID: "r"}
		}},
		{"escalate", claimed(), func(it review.Item) review.Act {
			return review.Escalate{Lease: lease(it), Now: now, Queue: "p", Note: "x", RequestID: "r"}
		}},
		{"resolve", claimed(), func(it review.Item) review.Act { return resolve(it, now, "1", "r") }},
		{"revise", settled(), func(it review.Item) review.Act { return revise("ann", "2", now) }},
		{"undo", settled(), func(it review.Item) review.Act { return undo("ann", now) }},
		{"supersede", final(), func(it review.Item) review.Act {
			return review.Supersede{By: "sue", Now: now, Verdict: Verdict("2"), RequestID: "r", Etag: it.Etag(), Gated: out}
		}},
	} {
		act := tc.act(tc.item)
		first := change(t, d, tc.item.ID, act)
		before := len(happened(t, d, tc.item.ID))
		again := change(t, d, tc.item.ID, act)
		if first.Repeated || !again.Repeated {
			t.Errorf("%s: repeated %t, then %t", tc.name, first.Repeated, again.Repeated)
		}
		again.Repeated = false
		if diff := diff(first, again); diff != "" {
			t.Errorf("%s, again (-first +second):\n%s", tc.name, diff)
		}
		if after := len(happened(t, d, tc.item.ID)); after != before {
			t.Errorf("%s, again: %d events, then %d", tc.name, before, after)
		}
		if first.Revision != tc.item.Revision+1 {
			t.Errorf("%s: the revision went from %d to %d", tc.name, tc.item.Revision, first.Revision)
		}
	}
}

func testClaimRequests(t *testing.T, d Driver) {
	now := d.Now()
	put(t, d, "q", 3, nil)
	claim := func(holder, request string) review.Item {
		t.Helper()
		it, err := d.Next(t.Context(), review.Claim{Queue: "q", Holder: holder, Now: now, LeaseFor: minute, RequestID: request})
		if err != nil {
			t.Fatal(err)
		}
		return it
	}
	first := claim("ann", "r1")
	d = d.Reopen(t)
	again := claim("ann", "r1")
	if again.ID != first.ID || again.Epoch != first.Epoch || !again.Repeated || again.Payload == nil {
		t.Errorf("the same request: %s at %d, repeated %t; want %s at %d", again.ID, again.Epoch, again.Repeated, first.ID, first.Epoch)
	}
	if other := claim("ann", "r2"); other.ID == first.ID {
		t.Error("another request got the same item")
	}
	if other := claim("bob", "r1"); other.ID == first.ID || other.Repeated {
		t.Error("somebody else's request got the same item")
	}
	// Of a queue that is closed to the holder by now, nothing is said.
	_, err := d.Next(t.Context(), review.Claim{Queues: []string{"p"}, Holder: "ann", Now: now, LeaseFor: minute, RequestID: "r1"})
	wantError(t, "the same request without the queue", err, review.ErrNotFound)
}

// A client that hears nothing sends its request again, while the first may still be on its way.
func testClaimRequestsAtOnce(t *testing.T, d Driver) {
	const requests, sendings = 10, 6
	now := d.Now()
	put(t, d, "q", requests*sendings, nil)
	all := drivers(t, d)
	for r := range requests {
		claims := make([]review.Item, sendings)
		var wg sync.WaitGroup
		for i := range sendings {
			wg.Go(func() {
				var err error
				claims[i], err = all[i%len(all)].Next(t.Context(), review.Claim{
					Queue: "q", Holder: "ann", Now: now, LeaseFor: minute, RequestID: fmt.Sprint("r", r),
				})
				if err != nil {
					t.Errorf("request %d: %v", r, err)
				}
			})
		}
		wg.Wait()
		first := 0
		for _, it := range claims {
			if !it.Repeated {
				first++
			}
			if it.ID != claims[0].ID {
				t.Errorf("request %d was led to %s and to %s", r, claims[0].ID, it.ID)
			}
		}
		if first != 1 {
			t.Errorf("request %d was done %d times", r, first)
		}
	}
}

// Protobuf's strings may hold a NUL.
func testOddNames(t *testing.T, d Driver) {
	const odd = "a\x00b"
	now := d.Now()
	it := put(t, d, "q", 1, nil)[0]
	claim := review.Claim{Queue: "q", Holder: "ann", Now: now, LeaseFor: minute, RequestID: odd}
	for i := range 2 {
		got, err := d.Next(t.Context(), claim)
		if err != nil || got.ID != it.ID || got.Repeated != (i > 0) {
			t.Fatalf("claim %d: item %s, repeated %t (%v)", i, got.ID, got.Repeated, err)
		}
		it.Holder, it.Epoch = got.Holder, got.Epoch
	}
	for i := range 2 {
		if got := change(t, d, it.ID, resolve(it, now, "1", odd+"2")); got.Repeated != (i > 0) {
			t.Errorf("verdict %d: repeated %t", i, got.Repeated)
		}
	}
	id := uuid.MustParse(it.PredictionID)
	for range 2 {
		o := &candorv1.OutcomeRecord{PredictionId: id[:], RequestId: odd, Label: odd}
		if err := d.RecordOutcome(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	outcomes, err := d.Outcomes(t.Context(), it.PredictionID)
	if err != nil || len(outcomes) != 1 || outcomes[0].GetLabel() != odd {
		t.Errorf("%d outcomes, %v (%v)", len(outcomes), outcomes, err)
	}
	for _, f := range []review.Filter{
		{Queue: odd}, {Model: odd}, {Reviewer: odd}, {Queues: []string{odd}}, {PredictionID: odd},
	} {
		f.Limit = 10
		if page, err := d.List(t.Context(), f); err != nil || len(page.Items) != 0 {
			t.Errorf("%+v: %d items, %v", f, len(page.Items), err)
		}
	}
}

func testEtags(t *testing.T, d Driver) {
	now := d.Now()
	it := put(t, d, "q", 1, nil)[0]
	made := get(t, d, it.ID)
	seen := map[string]bool{made.Etag(): true}
	step := func(what string, got review.Item) {
		t.Helper()
		stored := get(t, d, it.ID)
		if seen[got.Etag()] || got.Etag() != stored.Etag() {
			t.Errorf("%s: etag %s, known %t, stored %s", what, got.Etag(), seen[got.Etag()], stored.Etag())
		}
		seen[got.Etag()] = true
	}
	held := claimID(t, d, it.ID, "ann", now)
	step("claimed", held)
	step("renewed", change(t, d, it.ID, review.Renew{Lease: lease(held), Now: now, Until: now.Add(time.Hour)}))
	settled := change(t, d, it.ID, windowed(held, now, "1"))
	step("settled", settled)
	late := undo("ann", now)
	late.Etag = held.Etag()
	refused(t, "an undo of what was seen before", d, it.ID, late, review.ErrEtag)
	late.Etag = settled.Etag()
	step("undone", change(t, d, it.ID, late))
}

func testDeletePayload(t *testing.T, d Driver) {
	now := d.Now()
	it := put(t, d, "q", 1, nil)[0]
	before := get(t, d, it.ID)
	for range 2 {
		if err := d.DeletePayload(t.Context(), it.ID, review.By{Name: "root", Remote: "192.0.2.7"}, "a request", now); err != nil {
			t.Fatal(err)
		}
		got := get(t, d, it.ID)
		if !got.Payload.GetDeleted() || len(got.Payload.GetTensors()) != 0 || got.Payload.GetSha256() != before.Payload.GetSha256() || got.Revision != before.Revision+1 {
			t.Errorf("deleted: %v, revision %d", got.Payload, got.Revision)
		}
		d = d.Reopen(t)
	}
	want := []candorv1.ReviewEventKind{candorv1.ReviewEventKind_REVIEW_EVENT_KIND_CREATED, candorv1.ReviewEventKind_REVIEW_EVENT_KIND_PAYLOAD_DELETED}
	if got := happened(t, d, it.ID); diff(want, got) != "" {
		t.Errorf("what happened: %v", got)
	}
	if rs := adminRecords(t, d); len(rs) != 1 || rs[0].GetVerb() != "payload.delete" || rs[0].GetBy() != "root" || rs[0].GetReason() != "a request" ||
		rs[0].GetRemote() != "192.0.2.7" {
		t.Errorf("recorded %v", rs)
	}
	wantError(t, "of nothing", d.DeletePayload(t.Context(), uuid.NewString(), review.By{Name: "root"}, "a request", now), review.ErrNotFound)
	first := twin(t, d, now, nil)
	joined := twin(t, d, now, nil)
	if err := d.DeletePayload(t.Context(), joined.ID, review.By{Name: "root"}, "a request", now); err != nil {
		t.Fatal(err)
	}
	if got := get(t, d, first.ID); !got.Payload.GetDeleted() {
		t.Error("the same input is still to be seen at the item that was joined")
	}
	finish(t, d, it.ID, "ann", "1", now) // it can be judged all the same
}
