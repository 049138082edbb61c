package limits

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"
)

// gates are several over one shared store, all by the process's clock.
func gates(t testing.TB, st *memStore, n int, opts Options, defs ...Definition) []*Gate {
	out := make([]*Gate, n)
	for i := range out {
		out[i] = newGate(t, st, time.Now(), opts, defs...)
	}
	return out
}

func ask(g *Gate) Verdict {
	return g.Acquire(context.Background(), time.Now(), Answer{Action: "decline"})
}

// TestGatesShareALimit: together they release the limit and no more, every one is tripped by the one trip, and only one tells.
func TestGatesShareALimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newSharedStore(t)
		told := 0
		all := gates(t, st, 5, Options{OnTrip: func(Trip) { told++ }}, declines(100, time.Hour))
		released := 0
		for i := range 300 {
			v := ask(all[i%len(all)])
			if v.Released {
				released++
			} else if v.Unavailable {
				t.Fatalf("answer %d: %+v", i, v)
			}
			for _, g := range all {
				if err := g.Settle(context.Background(), time.Now()); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(time.Millisecond)
		}
		if released != 100 || told != 1 || len(st.trips) != 1 {
			t.Errorf("%d released, %d told, %d trips stored; want 100, 1, 1", released, told, len(st.trips))
		}
		for i, g := range all {
			if s := statusOf(t, g, time.Now(), "declines"); !s.Tripped || !s.Durable || s.Used != 100 || s.Trip.ID != st.trips[0].ID {
				t.Errorf("gate %d: %+v", i, s)
			}
		}
	})
}

// TestWhatOthersHoldIsWaitedFor: a limit doesn't trip while another gateway may still give something back.
func TestWhatOthersHoldIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newSharedStore(t)
		all := gates(t, st, 2, Options{}, declines(16, time.Hour)) // an eighth: leases of 2
		ask(all[0])
		for i := range 14 {
			if v := ask(all[1]); !v.Released {
				t.Fatalf("answer %d: %+v", i, v)
			}
		}
		soon, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		if v := all[1].Acquire(soon, time.Now(), Answer{Action: "decline"}); v.Released || !v.Unavailable {
			t.Errorf("the last permit is leased elsewhere: %+v, want unavailable", v)
		}
		go func() {
			time.Sleep(1100 * time.Millisecond)
			_ = all[0].Settle(context.Background(), time.Now())
		}()
		if v := ask(all[1]); !v.Released {
			t.Errorf("after it was given back: %+v", v)
		}
		if v := ask(all[1]); v.Released || v.Unavailable {
			t.Errorf("past the limit: %+v, want a trip", v)
		}
		synctest.Wait()
	})
}

// TestWhatACrashHeldIsForfeited: nobody settles it, so it counts as used, and the limit trips without it.
func TestWhatACrashHeldIsForfeited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newSharedStore(t)
		all := gates(t, st, 2, Options{}, declines(16, time.Hour))
		ask(all[0]) // leases 2, uses 1, and is never heard of again
		released := 0
		for range 20 {
			if v := ask(all[1]); v.Released {
				released++
			} else if v.Unavailable {
				t.Fatalf("%+v", v)
			}
		}
		if released != 14 {
			t.Errorf("%d released beside a lease of 2 that a crash holds, want 14", released)
		}
	})
}

// TestATripElsewhereBinds: at the latest when the lease in hand is over, without a word from outside; a reset elsewhere by
// Follow.
func TestATripElsewhereBinds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newSharedStore(t)
		all := gates(t, st, 3, Options{}, declines(1000, time.Minute))
		ask(all[0])
		trip := Trip{ID: "t1", Limit: "declines", At: floorTime(time.Now().UnixNano())}
		if _, err := st.Trip(context.Background(), trip); err != nil {
			t.Fatal(err)
		}
		if v := ask(all[1]); v.Released || v.Unavailable || v.Limit != "declines" {
			t.Errorf("a gate without a lease: %+v", v)
		}
		time.Sleep(defaultLeaseFor + time.Millisecond)
		if v := ask(all[0]); v.Released || v.Unavailable {
			t.Errorf("a gate whose lease is over: %+v", v)
		}
		if err := all[2].Follow(context.Background()); err != nil || !statusOf(t, all[2], time.Now(), "declines").Tripped {
			t.Errorf("Follow = %v, and the trip isn't seen", err)
		}
		time.Sleep(time.Second)
		if err := all[2].Reset(context.Background(), resetBy("r1", time.Now())); err != nil {
			t.Fatal(err)
		}
		for i, g := range all {
			if err := g.Follow(context.Background()); err != nil {
				t.Fatal(err)
			}
			if v := ask(g); !v.Released {
				t.Errorf("gate %d after the reset: %+v", i, v)
			}
		}
		st.setScript(func(int, string, string) outcome { return fails })
		if err := all[0].Follow(context.Background()); !errors.Is(err, errStore) {
			t.Errorf("Follow over a store that fails: %v", err)
		}
	})
}

// TestNoExcessOfManyGates: gates crash, are paused, lose answers of the store, and the server's clock is set by up to five
// minutes, forward and back. By the true clock no window is ever exceeded.
func TestNoExcessOfManyGates(t *testing.T) {
	var released, steps int
	for seed := range uint64(120) {
		synctest.Test(t, func(t *testing.T) {
			n, s := playGates(t, seed)
			released, steps = released+n, steps+s
		})
	}
	t.Logf("%d released over %d steps of the server's clock", released, steps)
	if released < 5_000 || steps < 500 {
		t.Errorf("%d released over %d steps of the clock: the test tries too little", released, steps)
	}
}

func playGates(t *testing.T, seed uint64) (released, steps int) {
	rnd := rand.New(rand.NewPCG(seed, 7))
	st := newSharedStore(t)
	def := declines(1+rnd.Int64N(60), time.Duration(1+rnd.IntN(8))*time.Second)
	opts := Options{MaxLease: 1 + rnd.Int64N(10), LeaseFor: time.Duration(50+rnd.IntN(500)) * time.Millisecond, StoreTimeout: 10 * time.Second}
	all := gates(t, st, 4, opts, def)
	var at []int64
	for range 400 {
		i := rnd.IntN(len(all))
		switch rnd.IntN(30) {
		case 0: // the process dies
			st.setScript(nil)
			all[i] = newGate(t, st, time.Now(), opts, def)
		case 1:
			_ = all[i].Settle(context.Background(), time.Now())
		case 2:
			st.mu.Lock() // a call that nobody waits for any more may be under way
			st.serverClock += time.Duration(rnd.Int64N(int64(10*time.Minute))) - 5*time.Minute
			st.mu.Unlock()
			steps++
			if rnd.IntN(2) == 0 { // the next to ask may know nothing of what has passed
				st.setScript(nil)
				all[i] = newGate(t, st, time.Now(), opts, def)
			}
			fallthrough
		case 3: // everybody is stopped for a while
			time.Sleep(time.Duration(rnd.Int64N(int64(2 * time.Second))))
		case 4:
			flaky := rand.New(rand.NewPCG(seed, rnd.Uint64()))
			st.setScript(func(int, string, string) outcome { return outcome(flaky.IntN(3)) })
		case 5:
			st.setScript(nil)
		case 6:
			_ = all[i].Reset(context.Background(), resetBy(time.Now().String(), time.Now()))
			_ = all[i].Follow(context.Background())
		default:
			time.Sleep(time.Duration(rnd.Int64N(int64(20 * time.Millisecond))))
			short, cancel := context.WithTimeout(context.Background(), time.Second)
			if all[i].Acquire(short, time.Now(), Answer{Action: "decline"}).Released {
				at = append(at, time.Now().UnixNano())
			}
			cancel()
		}
	}
	if end, n, bad := excess(at, def.Window, def.MaxCount); bad {
		t.Errorf("seed %d: the window of %v that ends at %v holds %d of at most %d", seed, def.Window, time.Unix(0, end).UTC(), n, def.MaxCount)
	}
	return len(at), steps
}
