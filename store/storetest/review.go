package storetest

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/uuid"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

var reviewTests = []test{
	{"an item is kept as it was made", testItemIsKept},
	{"fields of a row", testFields},
	{"claims follow the order", testClaimOrder},
	{"audits come first or last", testAuditsFirst},
	{"claims follow the queues", testClaimQueues},
	{"what can't be claimed", testClaimRefusals},
	{"a lease that has ended is taken over", testTakeover},
	{"renew and release", testRenewRelease},
	{"a stale epoch is refused everywhere", testStaleEpoch},
	{"leases survive a restart", testLeaseSurvives},
}

func testItemIsKept(t *testing.T, d Driver) {
	want := put(t, d, "q", 3, nil)
	for range 2 {
		for _, w := range want {
			got := get(t, d, w.ID)
			if got.Payload.GetSha256() == "" {
				t.Error("the payload has no digest")
			}
			got.Payload.Sha256 = ""
			if diff := diff(w, got); diff != "" {
				t.Fatalf("item (-want +got):\n%s", diff)
			}
		}
		d = d.Reopen(t)
	}
	bare := put(t, d, "q", 1, func(_ int, it *review.Item) {
		it.Payload, it.Answers, it.Sequences, it.DefaultValue, it.PolicyDigest, it.Labels = nil, nil, nil, nil, nil, nil
	})[0]
	if diff := diff(bare, get(t, d, bare.ID)); diff != "" {
		t.Errorf("a bare item (-want +got):\n%s", diff)
	}
	_, err := d.Get(t.Context(), uuid.NewString())
	wantError(t, "Get of nothing", err, review.ErrNotFound)
	_, err = d.Get(t.Context(), "")
	wantError(t, "Get of no id", err, review.ErrNotFound)
}

func testClaimOrder(t *testing.T, d Driver) {
	now := d.Now()
	// In the order in which they must come out.
	made := []struct {
		loss     float64
		deadline time.Duration
		created  time.Duration
	}{
		{9, 5 * time.Hour, 0},
		{1, time.Hour, 1},
		{1, 2 * time.Hour, 2},
		{1, 2 * time.Hour, 3},
		{1, 2 * time.Hour, 3}, // like the one before: by id
		{1, 3 * time.Hour, 0},
		{0.5, time.Minute, 0},
		{0, 4 * time.Hour, 0},
	}
	want := make([]review.Item, len(made))
	for i, m := range made {
		_, one := Deferral(now, "q", 1)
		want[i] = one[0]
		want[i].ExpectedLoss, want[i].Deadline, want[i].Created = m.loss, now.Add(m.deadline), now.Add(m.created*time.Microsecond)
	}
	if want[4].ID < want[3].ID {
		want[3], want[4] = want[4], want[3]
	}
	for _, i := range rand.New(rand.NewPCG(1, 2)).Perm(len(want)) {
		rec, _ := Deferral(now, "q", 1)
		want[i].PredictionID = uuid.UUID(rec.GetPrediction().GetPredictionId()).String()
		want[i].Row = 0
		if err := d.Record(t.Context(), rec, want[i:i+1]); err != nil {
			t.Fatal(err)
		}
	}
	for i, w := range want {
		queue := "q"
		if i%2 == 1 {
			queue = "" // any
		}
		got, err := claimNext(t, d, queue, "ann", now)
		if err != nil {
			t.Fatal(err)
		}
		if got.ID != w.ID {
			t.Fatalf("claim %d: got loss %v, deadline %v, created %v; want loss %v, deadline %v, created %v", i,
				got.ExpectedLoss, got.Deadline, got.Created, w.ExpectedLoss, w.Deadline, w.Created)
		}
	}
	_, err := claimNext(t, d, "q", "bob", now)
	wantError(t, "one claim more", err, review.ErrEmpty)
}

func testClaimQueues(t *testing.T, d Driver) {
	now := d.Now()
	a := put(t, d, "a", 1, func(_ int, it *review.Item) { it.ExpectedLoss = 1 })[0]
	b := put(t, d, "b", 1, func(_ int, it *review.Item) { it.ExpectedLoss = 2 })[0]
	c := put(t, d, "c", 1, func(_ int, it *review.Item) { it.ExpectedLoss = 3 })[0]
	leaseFor := func(queue string) time.Duration {
		return map[string]time.Duration{"a": 1, "b": 2, "c": 3}[queue] * time.Minute
	}
	claim := func(what string, cl review.Claim) (review.Item, error) {
		t.Helper()
		cl.Holder, cl.Now, cl.LeaseFor = "ann", now, leaseFor
		return d.Next(t.Context(), cl)
	}
	want := func(what, id string, lease time.Duration, cl review.Claim) {
		t.Helper()
		got, err := claim(what, cl)
		if err != nil || got.ID != id || !got.LeaseUntil.Equal(now.Add(lease)) {
			t.Errorf("%s: got %s until %v (%v); want %s for %v", what, got.ID, got.LeaseUntil, err, id, lease)
		}
	}
	_, err := claim("a queue that isn't allowed", review.Claim{Queue: "c", Queues: []string{"a"}})
	wantError(t, "a queue that isn't allowed", err, review.ErrEmpty)
	_, err = claim("no queue allowed", review.Claim{Queues: []string{}})
	wantError(t, "no queue allowed", err, review.ErrEmpty)
	_, err = claim("an item of a queue that isn't allowed", review.Claim{ID: c.ID, Queues: []string{"a"}})
	wantError(t, "an item of a queue that isn't allowed", err, review.ErrNotFound)
	want("the best of two queues", b.ID, 2*time.Minute, review.Claim{Queues: []string{"a", "b"}})
	want("a named queue that is allowed", a.ID, time.Minute, review.Claim{Queue: "a", Queues: []string{"a"}})
	want("the best of all", c.ID, 3*time.Minute, review.Claim{})
}

func testClaimRefusals(t *testing.T, d Driver) {
	now := d.Now()
	own := put(t, d, "q", 1, func(_ int, it *review.Item) { it.Consumer = "ann" })[0]
	_, err := claimNext(t, d, "q", "ann", now)
	wantError(t, "the next is one's own", err, review.ErrEmpty)
	named := func(id, holder string) error {
		_, err := d.Next(t.Context(), review.Claim{ID: id, Holder: holder, Now: now, LeaseFor: minute})
		return err
	}
	wantError(t, "one's own by name", named(own.ID, "ann"), review.ErrSelfReview)
	wantError(t, "nothing by name", named(uuid.NewString(), "ann"), review.ErrNotFound)
	held := claimID(t, d, own.ID, "bob", now)
	wantError(t, "somebody else's", named(own.ID, "cid"), review.ErrClaimed)
	_, err = claimNext(t, d, "q", "cid", now)
	wantError(t, "the next is somebody else's", err, review.ErrEmpty)
	again := claimID(t, d, own.ID, "bob", now)
	if again.Epoch <= held.Epoch {
		t.Errorf("the epoch went from %d to %d; it rises with every claim", held.Epoch, again.Epoch)
	}
	change(t, d, again.ID, resolve(again, now, "1", "r"))
	wantError(t, "a settled item", named(own.ID, "cid"), review.ErrResolved)
	_, err = claimNext(t, d, "q", "cid", now)
	wantError(t, "the next is settled", err, review.ErrEmpty)

	overdue := put(t, d, "late", 1, func(_ int, it *review.Item) { it.Deadline = now.Add(time.Minute) })[0]
	_, err = claimNext(t, d, "late", "ann", overdue.Deadline)
	wantError(t, "the next is overdue", err, review.ErrEmpty)
}

func testTakeover(t *testing.T, d Driver) {
	now := d.Now()
	id := put(t, d, "q", 1, nil)[0].ID
	first := claimID(t, d, id, "ann", now)
	if first.Epoch != 1 || first.State != candorv1.ReviewState_REVIEW_STATE_CLAIMED || first.Holder != "ann" || first.Payload == nil {
		t.Errorf("the first claim: %+v", first)
	}
	just := first.LeaseUntil.Add(-time.Microsecond)
	_, err := claimNext(t, d, "q", "bob", just)
	wantError(t, "just before the lease's end", err, review.ErrEmpty)
	second, err := claimNext(t, d, "q", "bob", first.LeaseUntil)
	if err != nil || second.ID != id || second.Epoch != 2 || second.Holder != "bob" {
		t.Fatalf("at the lease's end: %+v, %v; want the item at epoch 2", second, err)
	}
	third := claimID(t, d, id, "cid", second.LeaseUntil)
	if third.Epoch != 3 {
		t.Errorf("taken over by name: epoch %d, want 3", third.Epoch)
	}
	refused(t, "the first holder's verdict", d, id, resolve(first, third.LeaseUntil.Add(-time.Second), "1", "r"), review.ErrStaleLease)
}

func testRenewRelease(t *testing.T, d Driver) {
	now := d.Now()
	item := put(t, d, "q", 1, nil)[0]
	held := claimID(t, d, item.ID, "ann", now)
	until := now.Add(50 * time.Minute)
	renewed := change(t, d, item.ID, review.Renew{Lease: lease(held), Now: now, Until: until})
	if !renewed.LeaseUntil.Equal(until) || renewed.Epoch != held.Epoch || !renewed.Deadline.Equal(item.Deadline) {
		t.Errorf("renewed: until %v at epoch %d, deadline %v; want %v at %d, %v", renewed.LeaseUntil, renewed.Epoch, renewed.Deadline,
			until, held.Epoch, item.Deadline)
	}
	shorter := change(t, d, item.ID, review.Renew{Lease: lease(held), Now: now, Until: now.Add(time.Second)})
	if diff := diff(renewed, shorter); diff != "" {
		t.Errorf("renewed to an earlier time (-before +after):\n%s", diff)
	}
	if got := get(t, d, item.ID); !got.LeaseUntil.Equal(until) {
		t.Errorf("stored: until %v, want %v", got.LeaseUntil, until)
	}
	released := change(t, d, item.ID, review.Release{Lease: lease(held), Now: now})
	if released.State != candorv1.ReviewState_REVIEW_STATE_PENDING || released.Holder != "" || released.Epoch != held.Epoch {
		t.Errorf("released: %+v", released)
	}
	refused(t, "a second release", d, item.ID, review.Release{Lease: lease(held), Now: now}, review.ErrStaleLease)
	if next, err := claimNext(t, d, "q", "bob", now); err != nil || next.Epoch != held.Epoch+1 {
		t.Errorf("claimed after the release: epoch %d (%v); want %d", next.Epoch, err, held.Epoch+1)
	}
}

// leased are the acts that need a lease.
func leased(l review.Lease, now time.Time, request string) []review.Act {
	return []review.Act{
		review.Renew{Lease: l, Now: now, Until: now.Add(time.Hour)},
		review.Release{Lease: l, Now: now, RequestID: request + "-release"},
		review.Skip{Lease: l, Now: now, Reason: "why", RequestID: request + "-skip"},
		review.Escalate{Lease: l, Now: now, Queue: "other", Note: "why", RequestID: request + "-escalate"},
		review.Resolve{Lease: l, Now: now, Verdict: Verdict("1"), RequestID: request + "-resolve"},
	}
}

func testStaleEpoch(t *testing.T, d Driver) {
	now := d.Now()
	id := put(t, d, "q", 1, nil)[0].ID
	old := claimID(t, d, id, "ann", now)
	now = now.Add(2 * time.Minute)
	live := claimID(t, d, id, "ann", now) // the same holder, a later epoch
	every := func(what, id string, l review.Lease, now time.Time, want error) {
		t.Helper()
		for _, a := range leased(l, now, what) {
			refused(t, fmt.Sprintf("%T by %s", a, what), d, id, a, want)
		}
	}
	ann := lease(live)
	every("an old epoch", id, lease(old), now, review.ErrStaleLease)
	every("an epoch to come", id, review.Lease{Holder: "ann", Epoch: ann.Epoch + 1}, now, review.ErrStaleLease)
	every("somebody else", id, review.Lease{Holder: "bob", Epoch: ann.Epoch}, now, review.ErrStaleLease)
	every("the holder at the lease's end", id, ann, live.LeaseUntil, review.ErrStaleLease)
	every("nobody", put(t, d, "q", 1, nil)[0].ID, ann, now, review.ErrStaleLease)
	for _, a := range leased(ann, now, "an unknown id") {
		_, err := d.Change(t.Context(), uuid.NewString(), a)
		wantError(t, fmt.Sprintf("%T of nothing", a), err, review.ErrNotFound)
	}
	settled := change(t, d, id, resolve(live, now, "1", "r"))
	every("the holder after the verdict", id, ann, now, review.ErrResolved)
	change(t, d, id, review.Finalize{Now: settled.UndoUntil, Gated: out})
	every("the holder after the end", id, ann, now, review.ErrResolved)
	if finals, err := d.Finals(t.Context(), 0, 10); err != nil || len(finals) != 1 {
		t.Errorf("%d final answers (%v), want 1", len(finals), err)
	}
}

func testLeaseSurvives(t *testing.T, d Driver) {
	id := put(t, d, "q", 1, nil)[0].ID
	held := claimID(t, d, id, "ann", d.Now())
	d = d.Reopen(t)
	_, err := claimNext(t, d, "q", "bob", held.LeaseUntil.Add(-time.Second))
	wantError(t, "another's claim after the restart", err, review.ErrEmpty)
	change(t, d, id, resolve(held, held.LeaseUntil.Add(-time.Second), "1", "r"))
}

func testAuditsFirst(t *testing.T, d Driver) {
	now := d.Now()
	rec, items := Deferral(now, "q", 4)
	for i := range items {
		items[i].Sequences, items[i].ExpectedLoss = nil, float64(i)
		if i%2 == 1 { // those that would be lost more on
			items[i].Kind = candorv1.ReviewKind_REVIEW_KIND_AUDIT
		}
	}
	if err := d.Record(t.Context(), rec, items); err != nil {
		t.Fatal(err)
	}
	claim := func(audits bool, c review.Claim, want int) {
		t.Helper()
		c.Holder, c.Now, c.LeaseFor, c.AuditsFirst = "ann", now, minute, audits
		got, err := d.Next(t.Context(), c)
		if err != nil || got.ID != items[want].ID {
			t.Errorf("audits first %t: got the item of row %d (%v), want that of %d", audits, got.Row, err, want)
		}
	}
	claim(true, review.Claim{Queue: "q"}, 3)
	claim(false, review.Claim{}, 2)
	claim(false, review.Claim{Queues: []string{"q", "z"}}, 0)
	claim(false, review.Claim{Queue: "q"}, 1) // nothing else is left
	put(t, d, "q", 1, nil)
	got, err := d.Next(t.Context(), review.Claim{Queue: "q", Holder: "ann", Now: now, LeaseFor: minute, AuditsFirst: true})
	if err != nil || got.Kind != candorv1.ReviewKind_REVIEW_KIND_DEFERRED {
		t.Errorf("no audit is left: %v, %v", got.Kind, err)
	}
}
