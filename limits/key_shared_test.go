package limits

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestKeysAreFollowed: a key that trips at one gateway is held by another that follows, whether that knew it or not, and released with
// its probation after a reset; nothing else of the keys is looked at.
func TestKeysAreFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newSharedStore(t)
		def := perMerchant(4, time.Hour)
		def.After = Aftermath{SharePPM: 500_000, For: time.Hour}
		all := gates(t, st, 3, Options{}, def)
		released(all[1], time.Now(), "bad")
		for i := range 1000 {
			released(all[0], time.Now(), fmt.Sprint("k", i))
		}
		time.Sleep(2 * time.Second)
		if err := all[1].Settle(context.Background(), time.Now()); err != nil {
			t.Fatal(err)
		}
		for range 5 {
			released(all[0], time.Now(), "bad")
		}
		name := KeyName("declines", "bad")
		for i, g := range all {
			if err := g.Follow(context.Background()); err != nil {
				t.Fatal(err)
			}
			s, err := g.State(time.Now(), name)
			if err != nil || !s.Tripped || !s.Durable || s.Trip.ID != st.trips[0].ID || released(g, time.Now(), "bad") {
				t.Errorf("gate %d doesn't hold the key: %+v, %v", i, s, err)
			}
		}
		if k := statusOf(t, all[2], time.Now(), "declines").Keys; k.Live != 1 || k.Tripped != 1 {
			t.Errorf("a gateway that follows has %+v; want the latched key alone", k)
		}
		if err := all[2].Reset(context.Background(), Reset{Limit: name, By: "ann", Reason: "why", RequestID: "r", At: time.Now()}); err != nil {
			t.Fatal(err)
		}
		late := newGate(t, st, time.Now(), Options{}, def) // after the reset
		for i, g := range append(all, late) {
			if err := g.Follow(context.Background()); err != nil {
				t.Fatal(err)
			}
			if s, err := g.State(time.Now(), name); err != nil || s.Tripped || s.Bound != 2 {
				t.Errorf("gate %d after the reset: %+v, %v", i, s, err)
			}
		}
		if released(late, time.Now(), "bad") {
			t.Error("in probation the key has room for two, of which it has used four")
		}
	})
}

// TestKeysAreFollowedLate: a gateway that knows neither a key nor its trip holds its probation, and the latch of those without a place.
func TestKeysAreFollowedLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		def := perMerchant(4, time.Minute)
		def.MaxKeys, def.After = 1, Aftermath{SharePPM: 500_000, For: time.Hour}
		all := gates(t, newSharedStore(t), 2, Options{}, def)
		for range 5 {
			released(all[0], time.Now(), "bad")
			released(all[0], time.Now(), "one more")
		}
		time.Sleep(2 * time.Minute)
		if err := all[0].Reset(context.Background(), Reset{Limit: KeyName("declines", "bad"), By: "ann", Reason: "why", RequestID: "r", At: time.Now()}); err != nil {
			t.Fatal(err)
		}
		follows(t, all)
		if s, err := all[1].State(time.Now(), OtherKeys("declines")); err != nil || !s.Tripped {
			t.Errorf("what keys without a place share: %+v, %v", s, err)
		}
		if k := statusOf(t, all[1], time.Now(), "declines").Keys; k.Live != 2 || k.Tripped != 1 {
			t.Errorf("%+v; want the key in probation, and what the others share", k)
		}
		n := 0
		for range 4 {
			if released(all[1], time.Now(), "bad") {
				n++
			}
		}
		if n != 2 || released(all[1], time.Now(), "one more") {
			t.Errorf("%d released in a probation of 2, or a latch doesn't hold", n)
		}
	})
}

// TestALatchOfAKeyThatTheStoreLost stays, with an error that names it.
func TestALatchOfAKeyThatTheStoreLost(t *testing.T) {
	st := newMemStore(t)
	g := newGate(t, st, epoch, Options{}, perMerchant(1, time.Minute))
	released(g, epoch, "bad")
	released(g, epoch, "bad")
	name := KeyName("declines", "bad")
	st.states[name].Tripped = false
	if err := g.Follow(context.Background()); err == nil || released(g, epoch.Add(time.Hour), "bad") {
		t.Errorf("Follow = %v; want the latch to stay", err)
	}
}

// TestKeysUnderConcurrency: keys are forgotten, overflow and come again, definitions change and latches are followed, while many
// goroutines use them. No key releases more than its limit, and nobody waits for ever.
func TestKeysUnderConcurrency(t *testing.T) {
	const window = 2 * time.Millisecond
	st := newMemStore(t)
	def := perMerchant(5, window)
	def.MaxKeys = 3
	g := newGate(t, st, epoch, Options{MaxLease: 4, LeaseFor: time.Millisecond}, def)
	var clock, resets atomic.Int64
	var mu sync.Mutex
	books := map[string][]int64{}
	count := 0
	together(16, func(i int) {
		rnd := rand.New(rand.NewPCG(uint64(i), 5))
		for range 400 {
			now := epoch.Add(time.Duration(clock.Add(rnd.Int64N(int64(60 * time.Microsecond)))))
			key := fmt.Sprint(rnd.IntN(6))
			v := g.Acquire(context.Background(), now, of(key))
			switch {
			case v.Unavailable || v.Invalid:
				// A lease of a millisecond may be over when it comes.
			case !v.Released:
				clock.Add(int64(window))
				id := fmt.Sprint("r", resets.Add(1))
				_ = g.Reset(context.Background(), Reset{Limit: v.Limit, By: "ann", Reason: "test", RequestID: id, At: now})
			default:
				mu.Lock()
				books[key] = append(books[key], v.Permit.p.at)
				count++
				mu.Unlock()
			}
			switch rnd.IntN(60) {
			case 0:
				_ = g.Settle(context.Background(), now)
			case 1:
				g.States(now)
			case 2:
				changed := def
				changed.MaxKeys = 2 + rnd.Int64N(3)
				if err := g.Update(context.Background(), []Definition{changed}, now); err != nil {
					t.Errorf("Update: %v", err)
				}
			case 3:
				if err := g.Follow(context.Background()); err != nil {
					t.Errorf("Follow: %v", err)
				}
			}
		}
	})
	for key, at := range books {
		if end, n, bad := excess(at, window, def.MaxCount); bad {
			t.Errorf("%s: the window that ends at %v holds %d", key, time.Unix(0, end).UTC(), n)
		}
	}
	if count < 1000 || resets.Load() == 0 {
		t.Errorf("%d released, %d resets: the test tries too little", count, resets.Load())
	}
}
