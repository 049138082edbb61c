package limits

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// together runs n goroutines that begin at the same moment, and waits for them.
func together(n int, run func(i int)) {
	start := make(chan struct{})
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			<-start
			run(i)
		})
	}
	close(start)
	wg.Wait()
}

// TestExactlyTheLimitUnderConcurrency: 200 goroutines at the boundary release exactly the limit; it trips once; a restart
// leaves it tripped.
func TestExactlyTheLimitUnderConcurrency(t *testing.T) {
	for _, max := range []int64{1, 7, 199, 200, 500, 999} {
		st := newMemStore(t)
		var released, told atomic.Int64
		opts := Options{OnTrip: func(Trip) { told.Add(1) }}
		g := newGate(t, st, epoch, opts, declines(max, time.Hour))
		together(200, func(i int) {
			for range 5 {
				v := g.Acquire(context.Background(), epoch.Add(time.Duration(i)), Answer{Action: "decline"})
				switch {
				case v.Released:
					released.Add(1)
				case v.Unavailable, v.Err != nil:
					t.Errorf("withheld: %+v", v)
				default:
					st.mu.Lock()
					if !st.states["declines"].Tripped {
						t.Error("withheld before the trip was durable")
					}
					st.mu.Unlock()
				}
			}
		})
		if got := released.Load(); got != max {
			t.Errorf("limit %d: %d released", max, got)
		}
		if told.Load() != 1 || len(st.trips) != 1 {
			t.Errorf("limit %d: told of %d trips, stored %d; want one", max, told.Load(), len(st.trips))
		}
		if s := statusOf(t, g, epoch, "declines"); s.Withheld != 1000-max {
			t.Errorf("limit %d: %d withheld, want %d", max, s.Withheld, 1000-max)
		}
		g = newGate(t, st, epoch, opts, declines(max, time.Hour))
		if g.Acquire(context.Background(), epoch.Add(3*time.Hour), Answer{Action: "decline"}).Released {
			t.Errorf("limit %d: released after a restart", max)
		}
	}
}

// TestOverlappingLimitsUnderConcurrency: answers that need several limits each, in every combination, with a clock that runs
// and callers that read it late, refunds, resets and settlements in between: no limit is exceeded, and nobody waits for
// ever.
func TestOverlappingLimitsUnderConcurrency(t *testing.T) {
	st := newMemStore(t)
	defs := []Definition{
		{Name: "all", Action: "decline", MaxCount: 60, Window: 40 * time.Millisecond},
		{Name: "fraud", Action: "decline", Model: "fraud", MaxCount: 25, Window: 25 * time.Millisecond},
		{Name: "shop", Action: "decline", Consumer: "shop", MaxCount: 15, Window: 15 * time.Millisecond},
		{Name: "zz-dry", Action: "decline", MaxCount: 10, Window: 10 * time.Millisecond, DryRun: true},
	}
	g := newGate(t, st, epoch, Options{MaxLease: 6, LeaseFor: time.Second}, defs...)

	type release struct {
		at              int64
		model, consumer string
	}
	var (
		clock    atomic.Int64
		mu       sync.Mutex
		released []release
		resets   atomic.Int64
	)
	together(24, func(i int) {
		rnd := rand.New(rand.NewPCG(uint64(i), 3))
		for range 150 {
			now := epoch.Add(time.Duration(clock.Add(rnd.Int64N(int64(400 * time.Microsecond)))))
			a := Answer{Action: "decline", Model: "spam", Consumer: "bank"}
			if rnd.IntN(2) == 0 {
				a.Model = "fraud"
			}
			if rnd.IntN(2) == 0 {
				a.Consumer = "shop"
			}
			v := g.Acquire(context.Background(), now, a)
			switch {
			case v.Unavailable:
				t.Errorf("unavailable: %v", v.Err)
			case !v.Released:
				clock.Add(int64(10 * time.Millisecond)) // lets something leave the window
				id := fmt.Sprint("r", resets.Add(1))
				// Somebody else may have reset it already.
				_ = g.Reset(context.Background(), Reset{Limit: v.Limit, By: "ann", Reason: "test", RequestID: id, At: now})
			case rnd.IntN(10) == 0:
				g.Refund(v.Permit)
			default:
				mu.Lock()
				released = append(released, release{v.Permit.p.at, a.Model, a.Consumer})
				mu.Unlock()
			}
			if rnd.IntN(30) == 0 {
				if err := g.Settle(context.Background(), now); err != nil {
					t.Errorf("Settle: %v", err)
				}
			}
			g.States(now)
		}
	})
	for _, d := range defs[:3] {
		var of []int64
		for _, r := range released {
			if d.covers(r.model, r.consumer) {
				of = append(of, r.at)
			}
		}
		if end, n, bad := excess(of, d.Window, d.MaxCount); bad {
			t.Errorf("%s: the window that ends at %v holds %d of at most %d", d.Name, time.Unix(0, end).UTC(), n, d.MaxCount)
		}
	}
	if len(released) < 500 || resets.Load() == 0 {
		t.Errorf("%d released, %d resets: the test tries too little", len(released), resets.Load())
	}
	if err := g.Close(context.Background(), epoch.Add(time.Hour)); err != nil {
		t.Errorf("Close: %v", err)
	}
}

// TestReplayedResetsUnderConcurrency: replays that race a second trip never release it.
func TestReplayedResetsUnderConcurrency(t *testing.T) {
	for round := range 30 {
		st := newMemStore(t)
		g := tripped(t, st, Options{})
		var second atomic.Int64
		together(8, func(int) {
			if err := g.Reset(context.Background(), resetBy("r1", epoch)); err != nil {
				t.Errorf("round %d: %v", round, err)
			}
			if !holds(g, epoch) { // the window is full
				second.Add(1)
			}
		})
		if second.Load() != 0 {
			t.Errorf("round %d: %d answers passed a full window", round, second.Load())
		}
		// Every goroutine has seen its reset end before it met the limit, so the second trip is there to stay.
		if !holds(g, epoch.Add(time.Hour)) || len(st.trips) != 2 {
			t.Errorf("round %d: a replay released the second trip; %d trips", round, len(st.trips))
		}
	}
}
