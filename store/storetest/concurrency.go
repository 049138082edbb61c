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
	{"a call that is given up stores nothing", testGivenUp},
}

// long says whether the full size was asked for.
func long() bool { return !testing.Short() && os.Getenv("CANDOR_LONG") == "1" }

func testClaimers(t *testing.T, d Driver) {
	items, claimers := 2000, 16
	if long() {
		items, claimers = 10_000, 32
	}
	now := d.Now()
	const perRecord = 100
	for range items / perRecord {
		put(t, d, "q", perRecord, func(_ int, it *review.Item) { it.Payload = nil })
	}
	var claims, verdicts sync.Map
	var stored atomic.Int64
	var wg sync.WaitGroup
	for c := range claimers {
		wg.Go(func() {
			holder := string(rune('a' + c))
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
				if _, err := d.Resolve(t.Context(), resolution(it, now, holder, uuid.NewString())); err != nil {
					t.Errorf("resolve: %v", err)
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
	var after uint64
	seen := map[string]bool{}
	for {
		finals, err := d.Finals(t.Context(), after, 1000)
		if err != nil {
			t.Fatal(err)
		}
		if len(finals) == 0 {
			break
		}
		for _, f := range finals {
			after = f.Position
			if seen[f.Item.ID] {
				t.Errorf("item %s has two final answers", f.Item.ID)
			}
			seen[f.Item.ID] = true
			if holder, _ := verdicts.Load(f.Item.ID); f.Item.Verdict.GetLabel() != holder {
				t.Errorf("item %s was resolved by %v, the feed has %v", f.Item.ID, holder, f.Item.Verdict)
			}
		}
	}
	if len(seen) != items {
		t.Errorf("the feed has %d items, want %d", len(seen), items)
	}
}

// Verdicts, renewals, releases, a takeover and the deadline meet on one item: exactly one ends it.
func testOneVerdict(t *testing.T, d Driver) {
	now := d.Now()
	for range 20 {
		held := claimID(t, d, put(t, d, "q", 1, nil)[0].ID, "ann", now)
		var ends atomic.Int64
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() {
				_, err := d.Resolve(t.Context(), resolution(held, now, "1", string(rune('a'+i))))
				switch {
				case err == nil:
					ends.Add(1)
				case !errors.Is(err, review.ErrResolved):
					t.Errorf("resolve: %v", err)
				}
			})
		}
		wg.Go(func() {
			got, err := d.Expire(t.Context(), held.Deadline, 10, func(review.Item) review.Expiry { return review.Expiry{} })
			if err != nil {
				t.Errorf("expire: %v", err)
			}
			ends.Add(int64(len(got)))
		})
		wg.Wait()
		if n := ends.Load(); n != 1 {
			t.Fatalf("the item was ended %d times", n)
		}
		if st := get(t, d, held.ID).State; st != candorv1.ReviewState_REVIEW_STATE_RESOLVED && st != candorv1.ReviewState_REVIEW_STATE_EXPIRED {
			t.Fatalf("the item is %v", st)
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
