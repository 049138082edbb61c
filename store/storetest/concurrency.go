package storetest

import (
	"context"
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

var concurrencyTests = []test{
	{"no item goes to two", testClaimers},
	{"one verdict of many", testOneVerdict},
	{"undo or final", testUndoOrFinal},
	{"several reviewers at once", testSeveralAtOnce},
	{"a call that is given up stores nothing", testGivenUp},
	{"one has an item alone", testAlone},
}

// long says whether the full size was asked for.
func long() bool { return !testing.Short() && os.Getenv("CANDOR_LONG") == "1" }

// another is a second open driver of the same store, where several processes may serve from one.
type another interface{ Another(t testing.TB) Driver }

// drivers are those that the goroutines of a concurrent test take turns with.
func drivers(t *testing.T, d Driver) []Driver {
	if s, ok := d.(staying); ok {
		d = s.Driver
	}
	if a, ok := d.(another); ok {
		return []Driver{d, a.Another(t)}
	}
	return []Driver{d}
}

func testClaimers(t *testing.T, d Driver) {
	items, claimers := 1000, 16
	if long() {
		items, claimers = 10_000, 32
	}
	now := d.Now()
	const perRecord = 100
	for range items / perRecord {
		put(t, d, "q", perRecord, func(_ int, it *review.Item) { it.Payload = nil })
	}
	all := drivers(t, d)
	var claims, verdicts sync.Map
	var stored atomic.Int64
	var wg sync.WaitGroup
	for c := range claimers {
		wg.Go(func() {
			d, holder := all[c%len(all)], string(rune('a'+c))
			for {
				it, err := claimNext(t, d, "q", holder, now)
				if errors.Is(err, review.ErrEmpty) {
					return
				}
				if err != nil {
					t.Errorf("claim: %v", err)
					return
				}
				if other, twice := claims.LoadOrStore(it.ID, holder); twice {
					t.Errorf("item %s went to %s and to %v", it.ID, holder, other)
				}
				if _, err := Finish(t.Context(), d, it.ID, resolve(it, now, holder, uuid.NewString()), out); err != nil {
					t.Errorf("finish: %v", err)
					return
				}
				verdicts.Store(it.ID, holder)
				stored.Add(1)
			}
		})
	}
	wg.Wait()
	if got := stored.Load(); got != int64(items) {
		t.Errorf("%d items were resolved, want %d", got, items)
	}
	if got := wantFinals(t, d, func(it review.Item) {
		if holder, _ := verdicts.Load(it.ID); it.Verdict.GetLabel() != holder {
			t.Errorf("item %s was resolved by %v, the feed has %v", it.ID, holder, it.Verdict)
		}
	}); got != items {
		t.Errorf("the feed has %d items, want %d", got, items)
	}
}

// wantFinals reads the feed, in which no item may be twice, and answers how many there are.
func wantFinals(t *testing.T, d Driver, each func(review.Item)) int {
	t.Helper()
	seen := map[string]bool{}
	for after := uint64(0); ; {
		finals, err := d.Finals(t.Context(), after, 1000)
		if err != nil {
			t.Fatal(err)
		}
		if len(finals) == 0 {
			return len(seen)
		}
		for _, f := range finals {
			after = f.Position
			if seen[f.Item.ID] {
				t.Errorf("item %s has two final answers", f.Item.ID)
			}
			seen[f.Item.ID] = true
			each(f.Item)
		}
	}
}

// Verdicts and the deadline meet on one item: exactly one of them ends it.
func testOneVerdict(t *testing.T, d Driver) {
	now, all := d.Now(), drivers(t, d)
	for range 20 {
		held := claimID(t, d, put(t, d, "q", 1, nil)[0].ID, "ann", now)
		held = change(t, d, held.ID, review.Renew{Lease: lease(held), Now: now, Until: held.Deadline.Add(time.Hour)})
		wantOne(t, all,
			held.ID, resolve(held, now, "1", "a"), resolve(held, now, "2", "b"), resolve(held, now, "3", "c"), review.Expire{Now: held.Deadline})
		got := get(t, d, held.ID)
		if got.State == candorv1.ReviewState_REVIEW_STATE_RESOLVED {
			got = change(t, d, held.ID, review.Finalize{Now: now, Gated: out})
		}
		if !got.Final() || len(got.Verdicts) > 1 || (got.State == candorv1.ReviewState_REVIEW_STATE_EXPIRED) != (len(got.Verdicts) == 0) {
			t.Fatalf("the item is %v, with %d verdicts", got.State, len(got.Verdicts))
		}
	}
}

// wantOne applies acts at the same time; one of them must succeed.
func wantOne(t *testing.T, all []Driver, id string, acts ...review.Act) (winner review.Act) {
	t.Helper()
	var mu sync.Mutex
	var wg sync.WaitGroup
	for i, a := range acts {
		wg.Go(func() {
			_, err := all[i%len(all)].Change(t.Context(), id, a)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil && winner != nil:
				t.Errorf("%T and %T have both changed the item", winner, a)
			case err == nil:
				winner = a
			case !errors.Is(err, review.ErrResolved) && !errors.Is(err, review.ErrUndoClosed) && !errors.Is(err, review.ErrNotDue) &&
				!errors.Is(err, review.ErrStaleLease) && !errors.Is(err, review.ErrClaimed):
				t.Errorf("%T: %v", a, err)
			}
		})
	}
	wg.Wait()
	if winner == nil {
		t.Error("nothing has changed the item")
	}
	return winner
}

// An undo and the end of the window meet: either the answer leaves, or it is taken back. Never both.
func testUndoOrFinal(t *testing.T, d Driver) {
	now, all := d.Now(), drivers(t, d)
	finals := 0
	for range 30 {
		held := claimID(t, d, put(t, d, "q", 1, nil)[0].ID, "ann", now)
		r := resolve(held, now, "1", "give")
		r.Window = time.Minute
		settled := change(t, d, held.ID, r)
		won := wantOne(t, all, held.ID, review.Finalize{Now: settled.UndoUntil, Gated: out},
			review.Undo{Reviewer: "ann", Now: settled.UndoUntil.Add(-time.Second), LeaseUntil: settled.UndoUntil, RequestID: "undo", Window: time.Minute})
		got := get(t, d, held.ID)
		if _, final := won.(review.Finalize); final != got.Final() || final != (len(got.Verdicts) == 1) {
			t.Fatalf("%T won, the item is %v with %d verdicts", won, got.State, len(got.Verdicts))
		} else if final {
			finals++
		}
	}
	if got := wantFinals(t, d, func(review.Item) {}); got != finals {
		t.Errorf("the feed has %d answers, want %d", got, finals)
	}
}

// Reviewers take turns at items that need several of them: each gets an item once, and every item ends.
func testSeveralAtOnce(t *testing.T, d Driver) {
	now, all := d.Now(), drivers(t, d)
	const n, wanted, reviewers = 40, 3, 6
	items := put(t, d, "q", n, func(_ int, it *review.Item) { it.Wanted, it.Agree, it.Payload = wanted, wanted, nil })
	var given sync.Map
	var wg sync.WaitGroup
	for c := range reviewers {
		wg.Go(func() {
			d, holder := all[c%len(all)], string(rune('a'+c))
			for tries := 0; tries < 20*n; tries++ {
				it, err := claimNext(t, d, "q", holder, now)
				if errors.Is(err, review.ErrEmpty) {
					// What others hold now may still come back.
					page, err := d.List(t.Context(), review.Filter{Queue: "q", Limit: 1})
					if err != nil || page.Pending+page.Claimed == 0 {
						return
					}
					continue
				}
				if err != nil {
					t.Errorf("claim: %v", err)
					return
				}
				if _, twice := given.LoadOrStore(it.ID+holder, true); twice {
					t.Errorf("%s got item %s twice", holder, it.ID)
				}
				if _, err := d.Change(t.Context(), it.ID, resolve(it, now, "1", uuid.NewString())); err != nil {
					t.Errorf("resolve: %v", err)
				}
			}
		})
	}
	wg.Wait()
	for _, it := range items {
		if got := get(t, d, it.ID); got.State != candorv1.ReviewState_REVIEW_STATE_RESOLVED || len(got.Verdicts) != wanted || got.Agreeing != wanted {
			t.Errorf("item %s is %v, with %d verdicts, %d agreeing", it.ID, got.State, len(got.Verdicts), got.Agreeing)
		}
	}
}

// Whatever the moment at which a caller's context ends: an error means that nothing was stored, nil that all of it was.
func testGivenUp(t *testing.T, d Driver) {
	for i := range 40 {
		ctx, cancel := context.WithCancel(t.Context())
		if i%4 == 0 {
			cancel()
		} else {
			timer := time.AfterFunc(time.Duration(i)*20*time.Microsecond, cancel)
			defer timer.Stop()
		}
		rec, items := Deferral(d.Now(), "q", 1)
		err := d.Record(ctx, rec, items)
		cancel()
		_, found := d.Find(t.Context(), items[0].PredictionID)
		_, got := d.Get(t.Context(), items[0].ID)
		if (err == nil) != (found == nil) || (err == nil) != (got == nil) {
			t.Fatalf("Record: %v; Find: %v; Get: %v", err, found, got)
		}
	}
}

func testAlone(t *testing.T, d Driver) {
	items := put(t, d, "q", 2, nil)
	all := drivers(t, d)
	first, last := all[0], all[len(all)-1]
	alone := func(d Driver, id string, f func()) bool {
		t.Helper()
		runs := 0
		ran, err := d.Alone(t.Context(), id, func() { runs++; f() })
		if err != nil || ran != (runs == 1) {
			t.Errorf("alone: %t, %d runs (%v)", ran, runs, err)
		}
		return ran
	}
	nothing := func() {}
	if !alone(first, items[0].ID, func() {
		for i, d := range all {
			if alone(d, items[0].ID, nothing) {
				t.Errorf("two have an item alone, the second at %d", i)
			}
		}
		if !alone(last, items[1].ID, nothing) {
			t.Error("another item isn't to be had")
		}
		// It keeps nobody from changing the item, and whoever has it can.
		claimID(t, first, items[0].ID, "ann", first.Now())
	}) {
		t.Fatal("nobody has the item, and it isn't to be had")
	}
	if !alone(last, items[0].ID, nothing) {
		t.Error("the item isn't to be had any more")
	}
	_, err := first.Alone(t.Context(), "1", nothing)
	wantError(t, "no id", err, review.ErrNotFound)
	// Many at once, each for as long as another question to the store takes, never two.
	var inside, ran atomic.Int64
	var wg sync.WaitGroup
	for i := range 12 {
		wg.Go(func() {
			for range 5 {
				alone(all[i%len(all)], items[1].ID, func() {
					if inside.Add(1) > 1 {
						t.Error("two at once")
					}
					if _, err := first.Get(t.Context(), items[1].ID); err != nil {
						t.Error(err)
					}
					inside.Add(-1)
					ran.Add(1)
				})
			}
		})
	}
	wg.Wait()
	if ran.Load() == 0 {
		t.Error("nobody had it")
	}
}
