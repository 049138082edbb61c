package storetest

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

var joiningTests = []test{
	{"identical items share an answer", testJoin},
	{"what doesn't join", testDoesNotJoin},
	{"one that joined takes the place of an ended one", testSucceed},
	{"one that joined has a deadline of its own", testJoinedExpires},
	{"nobody reviews what joined for them", testJoinedConsumer},
}

var joinKey = bytes.Repeat([]byte{7}, 16)

// twin stores an item that joins those of the same key. change may be nil.
func twin(t *testing.T, d Driver, since time.Time, change func(*review.Item)) review.Item {
	t.Helper()
	it := put(t, d, "q", 1, func(_ int, it *review.Item) {
		it.Sequences, it.Join = nil, &review.Join{Key: joinKey, Since: since, Max: 10}
		if change != nil {
			change(it)
		}
	})[0]
	return get(t, d, it.ID)
}

func testJoin(t *testing.T, d Driver) {
	now := d.Now()
	first, a, b := twin(t, d, now, nil), twin(t, d, now, nil), twin(t, d, now, nil)
	first = get(t, d, first.ID)
	if first.JoinedTo != "" || first.Joined != 2 || a.JoinedTo != first.ID || b.JoinedTo != first.ID {
		t.Fatalf("joined to %q, %q, %q; the first has %d", first.JoinedTo, a.JoinedTo, b.JoinedTo, first.Joined)
	}
	want := []candorv1.ReviewEventKind{candorv1.ReviewEventKind_REVIEW_EVENT_KIND_CREATED, candorv1.ReviewEventKind_REVIEW_EVENT_KIND_JOINED}
	if got := happened(t, d, a.ID); diff(want, got) != "" {
		t.Errorf("what happened to one that joined: %v", got)
	}
	if diff := diff(first.Payload, a.Payload); diff != "" || a.Payload == nil {
		t.Errorf("the payload of one that joined (-first +joined):\n%s", diff)
	}
	_, err := d.Next(t.Context(), review.Claim{ID: a.ID, Holder: "ann", Now: now, LeaseFor: minute})
	wantError(t, "a claim of one that joined", err, review.ErrResolved)
	if page, err := d.List(t.Context(), review.Filter{Limit: 10}); err != nil || len(page.Items) != 3 || page.Pending != 1 {
		t.Errorf("listed %d, %d pending (%v); want 3 and 1", len(page.Items), page.Pending, err)
	}
	give(t, d, first.ID, "ann", "3", now)
	wantState(t, "before the answer is final", get(t, d, a.ID), candorv1.ReviewState_REVIEW_STATE_PENDING)
	d = d.Reopen(t)
	final := change(t, d, first.ID, review.Finalize{Now: now.Add(time.Minute), Gated: out})
	due, err := d.Due(t.Context(), now.Add(time.Minute), 10)
	if err != nil || len(due) != 2 {
		t.Fatalf("due: %v (%v)", ids(due), err)
	}
	for i, it := range due {
		// Each asks the limits for itself.
		g := review.Gated{Release: candorv1.ReleaseState_RELEASE_STATE_HELD, HeldBy: fmt.Sprint("limit ", i), Action: "approve"}
		got := change(t, d, it.ID, review.Finalize{Now: now.Add(time.Minute), Gated: g})
		if got.Verdict.GetLabel() != "3" || got.Verdict.GetAuthor() != "ann" || got.HeldBy != g.HeldBy || got.FinalReason != final.FinalReason ||
			len(got.Verdicts) != 0 || !got.Final() {
			t.Errorf("the answer of one that joined: %+v", got)
		}
	}
	if n := wantFinals(t, d, func(review.Item) {}); n != 3 {
		t.Errorf("the feed has %d answers, want 3", n)
	}
	// One verdict was given, whoever got it.
	if given, err := d.Given(t.Context(), review.GivenFilter{Since: now, Limit: 10}); err != nil || len(given) != 1 {
		t.Errorf("%d verdicts (%v), want 1", len(given), err)
	}
	if late := twin(t, d, now, nil); late.JoinedTo != "" {
		t.Errorf("one joined a final item: %q", late.JoinedTo)
	}
}

func testDoesNotJoin(t *testing.T, d Driver) {
	now := d.Now()
	first := twin(t, d, now, nil)
	for name, spoil := range map[string]func(*review.Item){
		"no key":      func(it *review.Item) { it.Join = nil },
		"another key": func(it *review.Item) { it.Join.Key = bytes.Repeat([]byte{8}, 16) },
		"too old":     func(it *review.Item) { it.Join.Since = first.Created.Add(time.Microsecond) },
		"too many":    func(it *review.Item) { it.Join.Max = 0 },
		"an audit":    func(it *review.Item) { it.Kind = candorv1.ReviewKind_REVIEW_KIND_AUDIT },
		"evidence": func(it *review.Item) {
			it.Sequences = []review.Sequence{{Certificate: "c.1", Probability: 1, Least: 1}}
		},
		"another payload":   func(it *review.Item) { it.Payload.Tensors[0].Values[0] = 99 },
		"without a payload": func(it *review.Item) { it.Payload = nil },
	} {
		if got := twin(t, d, now, spoil); got.JoinedTo != "" {
			t.Errorf("%s: it has joined %q", name, got.JoinedTo)
		}
	}
	if got := get(t, d, first.ID); got.Joined != 0 {
		t.Errorf("%d have joined", got.Joined)
	}
	rec, items := Deferral(now, "q", 1)
	items[0].Join = &review.Join{Key: []byte("short")}
	if err := d.Record(t.Context(), rec, items); err == nil {
		t.Error("a key of 5 bytes was accepted")
	}
}

func testSucceed(t *testing.T, d Driver) {
	now := d.Now()
	first := twin(t, d, now, func(it *review.Item) { it.Deadline = now.Add(time.Minute) })
	low := twin(t, d, now, func(it *review.Item) { it.ExpectedLoss = 1 })
	high := twin(t, d, now, func(it *review.Item) { it.ExpectedLoss = 2 })
	ended := change(t, d, first.ID, review.Expire{Now: now.Add(time.Minute), Verdict: Verdict("unknown"), Gated: out})
	d = d.Reopen(t)
	heir, other := get(t, d, high.ID), get(t, d, low.ID)
	if heir.JoinedTo != "" || heir.Joined != 1 || other.JoinedTo != heir.ID || heir.State != candorv1.ReviewState_REVIEW_STATE_PENDING {
		t.Fatalf("the heir joins %q and has %d; the other joins %q", heir.JoinedTo, heir.Joined, other.JoinedTo)
	}
	for _, it := range []review.Item{ended, heir, other} {
		if len(it.Payload.GetTensors()) != 1 {
			t.Errorf("item %s has lost its payload: %v", it.ID, it.Payload)
		}
	}
	if third := twin(t, d, now, nil); third.JoinedTo != heir.ID {
		t.Errorf("the next one joins %q, want %q", third.JoinedTo, heir.ID)
	}
	finish(t, d, heir.ID, "ann", "2", now.Add(2*time.Minute))
	if got := get(t, d, other.ID); got.Verdict.GetLabel() != "2" {
		t.Errorf("the other's answer: %+v", got)
	}
}

func testJoinedExpires(t *testing.T, d Driver) {
	now := d.Now()
	first := twin(t, d, now, nil)
	early := twin(t, d, now, func(it *review.Item) { it.Deadline = now.Add(time.Minute) })
	due, err := d.Due(t.Context(), now.Add(time.Minute), 10)
	if err != nil || ids(due) != ids([]review.Item{early}) {
		t.Fatalf("due: %v (%v)", ids(due), err)
	}
	change(t, d, early.ID, review.Expire{Now: now.Add(time.Minute), Verdict: Verdict("unknown"), Gated: out})
	finish(t, d, first.ID, "ann", "2", now.Add(2*time.Minute))
	if got := get(t, d, early.ID); got.Verdict.GetLabel() != "unknown" || got.State != candorv1.ReviewState_REVIEW_STATE_EXPIRED {
		t.Errorf("it has the answer of the one that it had joined: %+v", got)
	}
}

func testJoinedConsumer(t *testing.T, d Driver) {
	now := d.Now()
	first := twin(t, d, now, nil)
	if own := twin(t, d, now, func(it *review.Item) { it.Consumer = "ann" }); own.JoinedTo != first.ID {
		t.Fatalf("it joins %q", own.JoinedTo)
	}
	wantClaim(t, "whose row joined", d, first.ID, "ann", true, now, review.ErrExcluded)
	claimID(t, d, first.ID, "bob", now)
	if late := twin(t, d, now, func(it *review.Item) { it.Consumer = "bob" }); late.JoinedTo != "" {
		t.Error("a row joined the item that its own consumer is judging")
	}
}
