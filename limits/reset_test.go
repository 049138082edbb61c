package limits

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

// tripped answers a gate whose limit of one per minute has just tripped.
func tripped(t *testing.T, st *memStore, opts Options) *Gate {
	t.Helper()
	g := newGate(t, st, epoch, opts, declines(1, time.Minute))
	trip(t, g, epoch)
	return g
}

// trip uses up the one permit there may be, and one more.
func trip(t *testing.T, g *Gate, now time.Time) {
	t.Helper()
	g.Acquire(context.Background(), now, Answer{Action: "decline"})
	if v := g.Acquire(context.Background(), now, Answer{Action: "decline"}); v.Released {
		t.Fatal("a second answer passed the limit of 1")
	}
}

func resetBy(id string, at time.Time) Reset {
	return Reset{Limit: "declines", By: "ann", Reason: "looked into it", RequestID: id, At: at}
}

func holds(g *Gate, now time.Time) bool {
	return !g.Acquire(context.Background(), now, Answer{Action: "decline"}).Released
}

func TestResetNeedsAPersonAndAReason(t *testing.T) {
	st := newMemStore(t)
	g := tripped(t, st, Options{})
	for field, change := range map[string]func(*Reset){
		"limit":      func(r *Reset) { r.Limit = "" },
		"by":         func(r *Reset) { r.By = " " },
		"reason":     func(r *Reset) { r.Reason = "\t" },
		"request_id": func(r *Reset) { r.RequestID = "" },
	} {
		r := resetBy("r1", epoch)
		change(&r)
		if err := g.Reset(context.Background(), r); err == nil || !strings.Contains(err.Error(), field+" is empty") {
			t.Errorf("without %s: %v", field, err)
		}
	}
	if !st.states["declines"].Tripped {
		t.Error("one of them released the latch")
	}
}

func TestResetLeavesTheWindowCounting(t *testing.T) {
	st := newMemStore(t)
	var trips int
	g := tripped(t, st, Options{OnTrip: func(Trip) { trips++ }})
	now := epoch.Add(time.Second)
	if err := g.Reset(context.Background(), resetBy("r1", now)); err != nil {
		t.Fatal(err)
	}
	s := statusOf(t, g, now, "declines")
	if s.Tripped || s.Used != 1 || s.Withheld != 0 || s.LastReset.By != "ann" || s.LastReset.Reason != "looked into it" {
		t.Errorf("status after the reset: %+v", s)
	}
	if !holds(g, now) || trips != 2 {
		t.Errorf("the window is still full: want a second trip, got %d", trips)
	}
	if err := g.Reset(context.Background(), resetBy("r2", now)); err != nil {
		t.Fatal(err)
	}
	if holds(g, now.Add(time.Minute)) {
		t.Error("the window is empty and the latch released: withheld")
	}
	if err := g.Reset(context.Background(), resetBy("r3", now)); !errors.Is(err, ErrNotTripped) {
		t.Errorf("reset of a limit that isn't tripped: %v", err)
	}
}

func TestReplayedResetDoesNotReleaseALaterTrip(t *testing.T) {
	for name, restart := range map[string]bool{"same process": false, "after a restart": true} {
		t.Run(name, func(t *testing.T) {
			st := newMemStore(t)
			g := tripped(t, st, Options{})
			for i, id := range []string{"r1", "r2"} { // an older replay, too, must not
				if err := g.Reset(context.Background(), resetBy(id, epoch)); err != nil {
					t.Fatal(err)
				}
				trip(t, g, epoch.Add(time.Duration(i)))
			}
			if restart {
				g = newGate(t, st, epoch, Options{}, declines(1, time.Minute))
			}
			for _, id := range []string{"r1", "r2"} {
				if err := g.Reset(context.Background(), resetBy(id, epoch.Add(time.Second))); err != nil {
					t.Errorf("replay of %s: %v, want the first answer", id, err)
				}
				if !holds(g, epoch.Add(2*time.Minute)) {
					t.Errorf("replay of %s released a later trip", id)
				}
			}
		})
	}
}

func TestLatchSurvivesRestart(t *testing.T) {
	st := newMemStore(t)
	tripped(t, st, Options{})
	later := epoch.Add(48 * time.Hour)
	var told int
	g := newGate(t, st, later, Options{OnTrip: func(Trip) { told++ }}, declines(1000, time.Second)) // redeployed, changed
	calls := st.callCount()
	if !holds(g, later) || told != 0 {
		t.Errorf("held %v, told %d times; want held, and no second alert", holds(g, later), told)
	}
	if st.callCount() != calls {
		t.Error("a stored latch asked the store")
	}
	if err := g.Reset(context.Background(), resetBy("r1", later)); err != nil {
		t.Fatal(err)
	}
	if holds(g, later) {
		t.Error("held after the reset")
	}
	if g = newGate(t, st, later, Options{}, declines(1000, time.Second)); holds(g, later) {
		t.Error("the reset didn't survive a restart")
	}
}

// TestTripThatCannotBeStored: it holds at once, is stored as soon as the store works, and is told of once.
func TestTripThatCannotBeStored(t *testing.T) {
	for _, result := range []outcome{fails, lost} {
		st := newMemStore(t)
		var told []Trip
		g := newGate(t, st, epoch, Options{OnTrip: func(trip Trip) { told = append(told, trip) }}, declines(1, time.Minute))
		g.Acquire(context.Background(), epoch, Answer{Action: "decline"})
		st.setScript(func(_ int, op, _ string) outcome {
			if op == "trip" {
				return result
			}
			return works
		})
		for range 2 {
			v := g.Acquire(context.Background(), epoch, Answer{Action: "decline"})
			if v.Released || v.Unavailable || v.Limit != "declines" || !errors.Is(v.Err, errStore) {
				t.Errorf("outcome %d: %+v, want withheld by the limit, with the store's error", result, v)
			}
		}
		if s := statusOf(t, g, epoch, "declines"); !s.Tripped || s.Durable || len(told) != 0 {
			t.Errorf("outcome %d: status %+v, told %d times before the trip was durable", result, s, len(told))
		}
		if err := g.Reset(context.Background(), resetBy("r1", epoch)); !errors.Is(err, errStore) {
			t.Errorf("outcome %d: reset of a trip that isn't stored: %v", result, err)
		}
		st.setScript(nil)
		for range 3 {
			if v := g.Acquire(context.Background(), epoch.Add(time.Hour), Answer{Action: "decline"}); v.Released || v.Err != nil {
				t.Errorf("outcome %d: once the store is back: %+v", result, v)
			}
		}
		if len(told) != 1 || len(st.trips) != 1 || told[0].ID != st.trips[0].ID {
			t.Errorf("outcome %d: told of %v, stored %v; want one trip", result, told, st.trips)
		}
	}
}

func TestResetWithALostReply(t *testing.T) {
	st := newMemStore(t)
	g := tripped(t, st, Options{})
	script := func(op string) func(int, string, string) outcome {
		return func(_ int, o, _ string) outcome {
			if o == op {
				return lost
			}
			return works
		}
	}
	later := epoch.Add(time.Hour)
	for _, op := range []string{"reset", "load"} {
		st.setScript(script(op))
		if err := g.Reset(context.Background(), resetBy("r1", later)); !errors.Is(err, errStore) {
			t.Fatalf("reset with its %s lost: %v", op, err)
		}
		if !holds(g, later) {
			t.Errorf("released before the reset was known to be stored (%s)", op)
		}
	}
	st.setScript(nil)
	if err := g.Reset(context.Background(), resetBy("r1", later)); err != nil {
		t.Fatalf("the same request again: %v", err)
	}
	if holds(g, later) {
		t.Error("held after the reset")
	}
}

func TestAnotherResetAfterALostReply(t *testing.T) {
	st := newMemStore(t)
	g := tripped(t, st, Options{})
	st.setScript(func(_ int, op, _ string) outcome {
		if op == "reset" {
			return lost
		}
		return works
	})
	later := epoch.Add(time.Hour)
	if err := g.Reset(context.Background(), resetBy("r1", later)); err == nil {
		t.Fatal("a lost reply was success")
	}
	st.setScript(nil)
	if err := g.Reset(context.Background(), resetBy("r2", later)); !errors.Is(err, ErrNotTripped) {
		t.Errorf("reset under another request id: %v, want that the first has released it", err)
	}
	if holds(g, later) {
		t.Error("held, although the store has the reset")
	}
}

// TestReplayThatComesLate: between a replay's look at the store and its end, the reset itself is done at another gateway, and the
// limit trips again there.
func TestReplayThatComesLate(t *testing.T) {
	st := &lateStore{memStore: newMemStore(t)}
	g := newGate(t, st, epoch, Options{}, declines(1, time.Minute))
	trip(t, g, epoch)
	other := newGate(t, st, epoch, Options{}, declines(1, time.Minute))
	st.afterLoad = func() {
		st.afterLoad = nil
		if err := other.Reset(context.Background(), resetBy("r1", epoch)); err != nil {
			t.Error(err)
		}
		if !holds(other, epoch) {
			t.Error("the window is full, and the other gateway released")
		}
	}
	if err := g.Reset(context.Background(), resetBy("r1", epoch)); err != nil {
		t.Error(err)
	}
	if err := g.Follow(context.Background()); err != nil {
		t.Error(err)
	}
	if len(st.trips) != 2 || !holds(g, epoch.Add(time.Hour)) {
		t.Errorf("%d trips; the late replay released the second", len(st.trips))
	}
}

type lateStore struct {
	*memStore
	afterLoad func()
}

func (s *lateStore) Latched(ctx context.Context) (map[string]State, error) {
	states, err := s.memStore.Latched(ctx)
	if s.afterLoad != nil {
		s.afterLoad()
	}
	return states, err
}

func TestLostStoreDoesNotUnlatch(t *testing.T) {
	st := newMemStore(t)
	g := tripped(t, st, Options{})
	delete(st.states, "declines") // wiped under the running process
	later := epoch.Add(time.Hour)
	if err := g.Reset(context.Background(), resetBy("r1", later)); !errors.Is(err, errTripUnknown) {
		t.Errorf("reset against a store that doesn't know the trip: %v", err)
	}
	if !holds(g, later) {
		t.Error("the loss of the store released the latch")
	}
}

func TestLimitsThatAreNoLongerConfigured(t *testing.T) {
	st := newMemStore(t)
	tripped(t, st, Options{})
	g := newGate(t, st, epoch, Options{}, Definition{Name: "other", Action: "decline", MaxCount: 5, Window: time.Hour})
	s := statusOf(t, g, epoch, "declines")
	if s.Configured || !s.Tripped || s.Trip.Limit != "declines" {
		t.Errorf("status %+v: want it reported as tripped and not configured", s)
	}
	if !statusOf(t, g, epoch, "other").Configured {
		t.Error("a configured limit is reported as not configured")
	}
	if holds(g, epoch) {
		t.Error("a limit that isn't configured held an answer")
	}
	if g = newGate(t, st, epoch, Options{}, declines(1, time.Minute)); !holds(g, epoch.Add(time.Hour)) {
		t.Error("configured again, and the latch is gone")
	}
	g = newGate(t, st, epoch, Options{})
	if err := g.Reset(context.Background(), resetBy("r1", epoch)); err != nil {
		t.Fatal(err)
	}
	if s := statusOf(t, g, epoch, "declines"); s.Tripped || s.LastReset.By != "ann" {
		t.Errorf("status after the reset %+v", s)
	}
	r := resetBy("r2", epoch)
	r.Limit = "nobody"
	if err := g.Reset(context.Background(), r); !errors.Is(err, ErrNotFound) {
		t.Errorf("reset of an unknown limit: %v", err)
	}
}
