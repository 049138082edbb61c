package limits

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// TestStopHoldsOrNobodyAnswers: whatever the store does, no answer passes at a gateway more than `within` after a stop was stored at
// another; and while the store can be read none is withheld without one.
func TestStopHoldsOrNobodyAnswers(t *testing.T) {
	const within, poll = time.Second, 400 * time.Millisecond
	synctest.Test(t, func(t *testing.T) {
		st := newSharedStore(t)
		both := gates(t, st, 2, Options{Clock: time.Now, StoreTimeout: 2 * time.Second}, declines(100, time.Hour))
		here, there := both[0], both[1]
		var cut atomic.Bool
		st.script = func(_ int, op, _ string) outcome {
			if cut.Load() && op == "load" {
				return hangs
			}
			return works
		}
		ctx, end := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			for ctx.Err() == nil {
				_ = there.Follow(ctx)
				time.Sleep(poll)
			}
		}()
		defer func() { end(); <-done }()
		passes := func() bool {
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			a := Answer{Action: "approve", Model: "fraud"} // no limit bounds it
			v, ok := there.Heard(ctx, a, within)
			if !ok {
				if !v.Unavailable || v.Released || v.Limit != "stop:action:approve" || v.Err == nil {
					t.Fatalf("withheld by %+v", v)
				}
				return false
			}
			return there.Acquire(ctx, time.Now(), a).Released
		}
		for began := time.Now(); time.Since(began) < 5*time.Second; time.Sleep(10 * time.Millisecond) {
			if !passes() {
				t.Fatalf("withheld after %v, with a store that can be read and no stop", time.Since(began))
			}
		}
		stopped := time.Now()
		if err := here.Stop(t.Context(), Stop{Action: "approve", By: "olga", Reason: "mad", RequestID: "r", At: time.Now()}); err != nil {
			t.Fatal(err)
		}
		cut.Store(true)
		last := time.Duration(0)
		for time.Since(stopped) < 10*time.Second {
			if at := time.Since(stopped); passes() {
				last = at
			}
			time.Sleep(10 * time.Millisecond)
		}
		if last > within {
			t.Errorf("an answer passed %v after the stop, want none after %v", last, within)
		}
		// Back again, the stop is known, and after its reset answers pass.
		cut.Store(false)
		time.Sleep(3 * time.Second)
		if v, ok := there.Heard(t.Context(), Answer{Action: "approve"}, within); !ok || there.Acquire(t.Context(), time.Now(), Answer{Action: "approve"}).Released {
			t.Errorf("after the cut: %+v, %t; want it known and stopped", v, ok)
		}
		if err := here.Reset(t.Context(), Reset{Limit: "stop:action:approve", By: "olga", Reason: "sane", RequestID: "r2", At: time.Now()}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * poll)
		if !passes() {
			t.Error("withheld after the reset")
		}
	})
}

// TestHeardWaits: a gateway that was stopped for a while isn't punished for it; its next answers wait for the reading that is due.
func TestHeardWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newSharedStore(t)
		var denied []string
		g := gates(t, st, 1, Options{Clock: time.Now, OnStoreError: func(limit string, _ error) { denied = append(denied, limit) }},
			Definition{Name: "declines", Action: "decline", MaxCount: 9, Window: time.Hour, OnTrip: candorv1.OnTrip_ON_TRIP_REJECT})[0]
		time.Sleep(time.Minute)
		result := make(chan bool)
		go func() {
			_, ok := g.Heard(t.Context(), Answer{Action: "decline"}, time.Second)
			result <- ok
		}()
		synctest.Wait()
		select {
		case ok := <-result:
			t.Fatalf("didn't wait: %t", ok)
		default:
		}
		if err := g.Follow(t.Context()); err != nil {
			t.Fatal(err)
		}
		if !<-result {
			t.Error("withheld after the store was read")
		}

		// Whoever waits no longer than its caller is withheld, where the limit that is covered says.
		time.Sleep(time.Minute)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		v, ok := g.Heard(ctx, Answer{Action: "decline"}, time.Second)
		if ok || !errors.Is(v.Err, context.DeadlineExceeded) || v.OnTrip != candorv1.OnTrip_ON_TRIP_REJECT {
			t.Errorf("%+v, %t; want the caller's deadline, and to be rejected", v, ok)
		}
		// A model's answer without an action may be held by a stop of the model.
		st.script = func(int, string, string) outcome { return fails }
		if err := g.Follow(t.Context()); err == nil {
			t.Fatal("followed a store that fails")
		}
		began := time.Now()
		if v, ok := g.Heard(t.Context(), Answer{Model: "fraud"}, time.Second); ok || v.Limit != "stop:model:fraud" || time.Since(began) != 0 {
			t.Errorf("%+v, %t after %v; want it withheld at once once a reading has failed", v, ok, time.Since(began))
		}
		if len(denied) != 2 || denied[0] != "stop:action:decline" || denied[1] != "stop:model:fraud" {
			t.Errorf("told of %v", denied)
		}
	})
}

// TestHeardAlone: a store that nobody else uses has no stop that isn't known.
func TestHeardAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(t, newMemStore(t), time.Now(), Options{}, declines(1, time.Hour))
		time.Sleep(time.Hour)
		if v, ok := g.Heard(t.Context(), Answer{Action: "decline"}, time.Second); !ok {
			t.Errorf("withheld: %+v", v)
		}
	})
}
