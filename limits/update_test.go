package limits

import (
	"context"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func update(t testing.TB, g *Gate, now time.Time, defs ...Definition) {
	t.Helper()
	if err := g.Update(context.Background(), defs, now); err != nil {
		t.Fatalf("Update: %v", err)
	}
}

func acquire(g *Gate, now time.Time) Verdict {
	return g.Acquire(context.Background(), now, Answer{Action: "decline"})
}

// TestUpdatedBoundIsNeverPassed plays random traffic while the bound goes up and down, and holds every release against all that were
// made in the window before it.
func TestUpdatedBoundIsNeverPassed(t *testing.T) {
	for seed := range uint64(40) {
		rnd := rand.New(rand.NewPCG(seed, 3))
		def := declines(1+rnd.Int64N(30), time.Duration(1+rnd.Int64N(int64(5*time.Second))))
		store, now := newMemStore(t), epoch
		g := newGate(t, store, now, Options{MaxLease: 1 + rnd.Int64N(8)}, def)
		var released []int64
		for range 800 {
			now = now.Add(time.Duration(rnd.Int64N(1 + int64(def.Window)/10)))
			switch rnd.IntN(20) {
			case 0:
				def.MaxCount = 1 + rnd.Int64N(30)
				update(t, g, now, def)
			case 1:
				// Taken out, and put back.
				update(t, g, now)
				update(t, g, now, def)
			case 2:
				if err := g.Close(context.Background(), now); err != nil {
					t.Fatal(err)
				}
				g = newGate(t, store, now, Options{}, def)
			}
			v := acquire(g, now)
			if !v.Released {
				if err := g.Reset(context.Background(), Reset{Limit: def.Name, By: "ann", Reason: "test", RequestID: v.Limit + now.String(), At: now}); err != nil {
					t.Fatal(err)
				}
				continue
			}
			at := v.Permit.p.at
			n := int64(1)
			for _, r := range released {
				if r > at-int64(def.Window) {
					n++
				}
			}
			if released = append(released, at); n > def.MaxCount {
				t.Fatalf("seed %d: release %d of the window under a bound of %d", seed, n, def.MaxCount)
			}
		}
	}
}

func TestUpdateKeepsCount(t *testing.T) {
	g := newGate(t, newMemStore(t), epoch, Options{}, declines(5, time.Minute))
	for range 3 {
		if !acquire(g, epoch).Released {
			t.Fatal("withheld")
		}
	}
	update(t, g, epoch, declines(4, time.Minute), Definition{Name: "other", Action: "page", MaxCount: 1, Window: time.Minute})
	if !acquire(g, epoch).Released || acquire(g, epoch).Released {
		t.Error("under the lower bound one more may be released, and no second")
	}
	if s := statusOf(t, g, epoch, "declines"); s.Used != 4 || !s.Tripped || s.Definition.MaxCount != 4 {
		t.Errorf("status %+v", s)
	}
}

// A latched limit that is taken out holds nothing; put back it holds again, and only a person releases it.
func TestUpdateKeepsLatchOfWhatIsGone(t *testing.T) {
	store := newMemStore(t)
	def := declines(1, time.Minute)
	g := newGate(t, store, epoch, Options{}, def)
	if !acquire(g, epoch).Released || acquire(g, epoch).Released {
		t.Fatal("the limit is not tripped")
	}
	update(t, g, epoch)
	if !acquire(g, epoch).Released {
		t.Error("what is not configured withholds")
	}
	if s := statusOf(t, g, epoch, "declines"); s.Configured || !s.Tripped || s.Definition.Action != "" {
		t.Errorf("status of what is gone: %+v", s)
	}
	later := epoch.Add(time.Hour)
	update(t, g, later, def)
	if acquire(g, later).Released {
		t.Error("time and two changes have released the latch")
	}
	update(t, g, later)
	if err := g.Reset(context.Background(), Reset{Limit: "declines", By: "ann", Reason: "checked", RequestID: "1", At: later}); err != nil {
		t.Fatal(err)
	}
	update(t, g, later, def)
	if !acquire(g, later).Released {
		t.Error("withheld after the reset")
	}

	// The same where this process has only the store's word for it.
	g = newGate(t, store, later, Options{}, def)
	acquire(g, later)
	g = newGate(t, store, later, Options{})
	if s := statusOf(t, g, later, "declines"); s.Configured || !s.Tripped {
		t.Errorf("status of what the store has: %+v", s)
	}
	update(t, g, later, def)
	if acquire(g, later).Released {
		t.Error("the stored latch is gone")
	}
	if n := len(g.States(later)); n != 1 {
		t.Errorf("%d limits, want one", n)
	}
}

func TestUpdateEndsDryRun(t *testing.T) {
	store := newMemStore(t)
	dry := declines(2, time.Minute)
	dry.DryRun = true
	g := newGate(t, store, epoch, Options{}, dry)
	for range 4 {
		if !acquire(g, epoch).Released {
			t.Fatal("a dry run withheld")
		}
	}
	later := epoch.Add(2 * time.Minute)
	update(t, g, later, declines(2, time.Minute))
	if r := store.states["declines"].LastReset; r.By != "configuration" {
		t.Errorf("the end of the dry run is no record: %+v", r)
	}
	for i := range 3 {
		if v := acquire(g, later); v.Released != (i < 2) {
			t.Errorf("answer %d after the dry run: %+v", i, v)
		}
	}
	if len(store.trips) != 2 || store.trips[1].DryRun {
		t.Errorf("trips %+v, want a second one that holds", store.trips)
	}
}

func TestUpdateThatFailsChangesNothing(t *testing.T) {
	store := newMemStore(t)
	g := newGate(t, store, epoch, Options{}, declines(1, time.Minute))
	acquire(g, epoch)
	for _, defs := range [][]Definition{{declines(0, time.Minute)}, {declines(1, time.Minute), declines(2, time.Minute)}} {
		if err := g.Update(context.Background(), defs, epoch); err == nil || !strings.Contains(err.Error(), "declines") {
			t.Errorf("%v: %v", defs, err)
		}
	}
	store.setScript(func(int, string, string) outcome { return fails })
	fresh := Definition{Name: "fresh", Action: "decline", MaxCount: 9, Window: time.Minute}
	if err := g.Update(context.Background(), []Definition{declines(9, time.Minute), fresh}, epoch); err == nil {
		t.Error("a new limit whose stored state can't be read was taken")
	}
	store.setScript(nil)
	if acquire(g, epoch).Released {
		t.Error("the refused bound is in force")
	}
}

// Answers at the boundary while the bound changes: no window holds more than the largest bound, and with one bound at a time exactly it.
func TestUpdateUnderConcurrency(t *testing.T) {
	g := newGate(t, newMemStore(t), epoch, Options{}, declines(100, time.Hour))
	var released atomic.Int64
	together(9, func(i int) {
		if i == 0 {
			for n := range 100 {
				update(t, g, epoch, declines(100+int64(n%2)*50, time.Hour))
			}
			return
		}
		for range 50 {
			if v := acquire(g, epoch); v.Released {
				released.Add(1)
			} else if v.Unavailable {
				t.Errorf("withheld: %+v", v)
			}
		}
	})
	if n := released.Load(); n < 100 || n > 150 {
		t.Errorf("%d released under bounds of 100 and 150", n)
	}
}
