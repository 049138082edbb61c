package limits

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// hangOn makes every such call of the limit wait until its context ends.
func hangOn(op, limit string) func(int, string, string) outcome {
	return func(_ int, o, l string) outcome {
		if o == op && l == limit {
			return hangs
		}
		return works
	}
}

func TestHangingStoreEndsWithTheCallersDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newMemStore(t)
		g := newGate(t, st, epoch, Options{}, declines(8, time.Minute))
		st.setScript(hangOn("lease", "declines"))
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		defer cancel()
		begin := time.Now()
		v := g.Acquire(ctx, epoch, Answer{Action: "decline"})
		if v.Released || !v.Unavailable || !errors.Is(v.Err, context.DeadlineExceeded) {
			t.Errorf("%+v, want withheld as unavailable", v)
		}
		if took := time.Since(begin); took != 50*time.Millisecond {
			t.Errorf("answered after %v, the deadline was 50ms", took)
		}
		if err := g.Close(context.Background(), epoch); err != nil { // waits for the call that the client left behind
			t.Errorf("Close: %v", err)
		}
		synctest.Wait()
	})
}

func TestHangingStoreEndsWithoutADeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newMemStore(t)
		g := newGate(t, st, epoch, Options{StoreTimeout: 2 * time.Second}, declines(8, time.Minute))
		st.setScript(hangOn("lease", "declines"))
		begin := time.Now()
		together(20, func(int) {
			if v := g.Acquire(context.Background(), epoch, Answer{Action: "decline"}); v.Released || !v.Unavailable {
				t.Errorf("%+v, want withheld as unavailable", v)
			}
		})
		if took := time.Since(begin); took != 2*time.Second {
			t.Errorf("answered after %v, the store's time is 2s", took)
		}
	})
}

// TestStoreThatIgnoresItsContext: nobody waits longer than StoreTimeout, and the limit works again once the call is over.
func TestStoreThatIgnoresItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := &deafStore{Store: newMemStore(t), wake: make(chan struct{})}
		g := newGate(t, st, epoch, Options{}, declines(8, time.Minute))
		for range 2 {
			begin := time.Now()
			v := g.Acquire(context.Background(), epoch, Answer{Action: "decline"})
			if v.Released || !v.Unavailable || time.Since(begin) > defaultStoreTimeout {
				t.Errorf("%+v after %v", v, time.Since(begin))
			}
		}
		close(st.wake)
		synctest.Wait()
		if v := g.Acquire(context.Background(), epoch, Answer{Action: "decline"}); !v.Released {
			t.Errorf("after the call came back: %+v", v)
		}
	})
}

type deafStore struct {
	Store
	wake chan struct{}
}

func (s *deafStore) Lease(_ context.Context, r LeaseRequest) (Grant, error) {
	<-s.wake
	return s.Store.Lease(context.Background(), r)
}

// TestOnlyTheLimitThatNeedsTheStoreWaits: one limit's lease hangs; another limit, a latched one and one with permits in
// hand answer at once.
func TestOnlyTheLimitThatNeedsTheStoreWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newMemStore(t)
		g := newGate(t, st, epoch, Options{},
			Definition{Name: "hangs", Action: "page", MaxCount: 100, Window: time.Minute},
			Definition{Name: "inhand", Action: "decline", MaxCount: 100, Window: time.Minute},
			Definition{Name: "works", Action: "approve", MaxCount: 100, Window: time.Minute},
			Definition{Name: "latched", Action: "hold", MaxCount: 1, Window: time.Minute})
		for _, action := range []string{"decline", "hold", "hold"} {
			g.Acquire(context.Background(), epoch, Answer{Action: action})
		}
		st.setScript(hangOn("lease", "hangs"))
		begin := time.Now()
		waited := make(chan Verdict, 1)
		go func() { waited <- g.Acquire(context.Background(), epoch, Answer{Action: "page"}) }()
		synctest.Wait()

		calls := st.callCount()
		if v := g.Acquire(context.Background(), epoch, Answer{Action: "decline"}); !v.Released {
			t.Errorf("a permit in hand: %+v", v)
		}
		if v := g.Acquire(context.Background(), epoch, Answer{Action: "hold"}); v.Released || v.Unavailable {
			t.Errorf("a latched limit: %+v", v)
		}
		if got := st.callCount() - calls; got != 0 {
			t.Errorf("%d calls to the store for answers that need none", got)
		}
		if v := g.Acquire(context.Background(), epoch, Answer{Action: "approve"}); !v.Released {
			t.Errorf("another limit's lease: %+v", v)
		}
		if took := time.Since(begin); took != 0 {
			t.Errorf("they waited %v for a limit that isn't theirs", took)
		}
		if v := <-waited; !v.Unavailable || v.Limit != "hangs" {
			t.Errorf("the one that hangs: %+v", v)
		}
	})
}

// TestClientThatHangsUp: its lease and its trip are carried through for the others.
func TestClientThatHangsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newMemStore(t)
		told := 0
		g := newGate(t, st, epoch, Options{OnTrip: func(Trip) { told++ }}, declines(1, time.Minute))
		gone, cancel := context.WithCancel(context.Background())
		cancel()
		for range 3 {
			g.Acquire(gone, epoch, Answer{Action: "decline"})
			synctest.Wait()
		}
		g.Acquire(context.Background(), epoch, Answer{Action: "decline"})
		if v := g.Acquire(gone, epoch, Answer{Action: "decline"}); v.Released {
			t.Errorf("past the limit: %+v", v)
		}
		synctest.Wait()
		if !st.states["declines"].Tripped || told != 1 {
			t.Errorf("stored %v, told %d times; want the trip stored although its client had gone",
				st.states["declines"].Tripped, told)
		}
	})
}

// TestStoreSlowerThanALease: the lease has run out by the time it arrives; the answer is withheld, and nothing loops.
func TestStoreSlowerThanALease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := &deafStore{Store: newMemStore(t), wake: make(chan struct{})}
		g := newGate(t, st, epoch, Options{}, declines(8, time.Minute))
		waited := make(chan Verdict, 1)
		go func() { waited <- g.Acquire(context.Background(), epoch, Answer{Action: "decline"}) }()
		synctest.Wait()
		g.clock.advance(epoch.Add(2 * time.Second)) // others were served meanwhile
		close(st.wake)
		if v := <-waited; v.Released || !v.Unavailable || !errors.Is(v.Err, errLeaseExpired) {
			t.Errorf("%+v, want withheld as unavailable", v)
		}
		if v := g.Acquire(context.Background(), epoch, Answer{Action: "decline"}); !v.Released {
			t.Errorf("the next one: %+v", v)
		}
	})
}
