package limits

import (
	"context"
	"errors"
	"testing"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

func twoPeople(d Definition) Definition {
	d.After = Aftermath{People: 2, Expires: time.Minute, SharePPM: 500_000, For: time.Hour}
	return d
}

// Two gates over one store: what one does, the other follows.
func TestFollow(t *testing.T) {
	st := newMemStore(t)
	def := declines(1, time.Minute)
	a, b := newGate(t, st, epoch, Options{}, def), newGate(t, st, epoch, Options{}, def)
	follow := func() {
		t.Helper()
		if err := b.Follow(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	trip(t, a, epoch)
	follow()
	if !statusOf(t, b, epoch, "declines").Tripped || !holds(b, epoch.Add(time.Hour)) {
		t.Error("a trip at one isn't one at the other")
	}
	if err := a.Reset(context.Background(), resetBy("r1", epoch.Add(time.Second))); err != nil {
		t.Fatal(err)
	}
	if !holds(b, epoch.Add(time.Hour)) {
		t.Error("released before it was followed")
	}
	follow()
	if holds(b, epoch.Add(time.Hour)) {
		t.Error("a reset at one isn't one at the other")
	}
	if err := a.Stop(context.Background(), Stop{Model: "fraud", By: "ann", Reason: "mad", RequestID: "s1", At: epoch}); err != nil {
		t.Fatal(err)
	}
	follow()
	for _, g := range []*Gate{a, b} {
		if v := g.Acquire(context.Background(), epoch, Answer{Model: "fraud"}); v.Released || v.Limit != "stop:model:fraud" || v.OnTrip != candorv1.OnTrip_ON_TRIP_REVIEW {
			t.Errorf("a stopped model: %+v", v)
		}
		if !g.Covers("", "fraud", "") || g.Covers("", "other", "") {
			t.Error("Covers doesn't know the stop, or more than it")
		}
	}
	// A store that fails, or forgets, frees nothing.
	st.setScript(func(int, string, string) outcome { return fails })
	if err := b.Follow(context.Background()); !errors.Is(err, errStore) {
		t.Errorf("Follow with a broken store: %v", err)
	}
	st.setScript(nil)
	if v := b.Acquire(context.Background(), epoch, Answer{Model: "fraud"}); v.Released {
		t.Error("the broken store freed the model")
	}
	trip(t, b, epoch.Add(3*time.Hour))
	delete(st.states, "declines")
	if err := b.Follow(context.Background()); !errors.Is(err, errTripUnknown) || !holds(b, epoch.Add(9*time.Hour)) {
		t.Errorf("the store lost the latch: %v; it must hold", err)
	}
}

func TestTwoPeopleAtTheGate(t *testing.T) {
	st := newMemStore(t)
	g := newGate(t, st, epoch, Options{}, twoPeople(declines(1, time.Minute)))
	trip(t, g, epoch)
	if err := g.Reset(context.Background(), resetBy("r1", epoch)); !errors.Is(err, ErrSecondPerson) || !holds(g, epoch) {
		t.Errorf("a reset by one: %v", err)
	}
	if err := g.AskReset(context.Background(), Ask{Limit: "declines", By: "ann", Reason: "fine", RequestID: "r1", At: epoch}); err != nil {
		t.Fatal(err)
	}
	if s := statusOf(t, g, epoch, "declines"); s.Ask.By != "ann" || !s.Tripped || g.People("declines") != 2 {
		t.Errorf("status %+v", s)
	}
	if s := statusOf(t, g, epoch.Add(2*time.Minute), "declines"); s.Ask.By != "" {
		t.Errorf("shown after it has expired: %+v", s.Ask)
	}
	if err := g.ConfirmReset(context.Background(), Confirmation{Limit: "declines", Asked: "r1", By: "ann", RequestID: "c1", At: epoch}); !errors.Is(err, ErrSamePerson) {
		t.Errorf("confirmed by the same: %v", err)
	}
	if err := g.ConfirmReset(context.Background(), Confirmation{Limit: "declines", Asked: "r1", By: "ben", RequestID: "c1", At: epoch.Add(time.Second)}); err != nil {
		t.Fatal(err)
	}
	if s := statusOf(t, g, epoch, "declines"); s.Tripped || s.LastReset.AskedBy != "ann" || s.LastReset.By != "ben" {
		t.Errorf("after the reset %+v", s)
	}
	for name, err := range map[string]error{
		"ask":         g.AskReset(context.Background(), Ask{Limit: "nosuch", By: "ann", Reason: "fine", RequestID: "r"}),
		"confirm":     g.ConfirmReset(context.Background(), Confirmation{Limit: "nosuch", Asked: "r", By: "ann", RequestID: "c"}),
		"acknowledge": g.Acknowledge(context.Background(), Acknowledgement{Limit: "nosuch", By: "ann"}),
	} {
		if !errors.Is(err, ErrNotFound) {
			t.Errorf("%s of an unknown limit: %v", name, err)
		}
	}
}

// Half the limit holds after a reset, exactly, over a restart, and all of it when the time is over.
func TestProbation(t *testing.T) {
	st := newMemStore(t)
	def := declines(10, time.Minute)
	def.After = Aftermath{SharePPM: 500_000, For: 10 * time.Minute}
	g := newGate(t, st, epoch, Options{}, def)
	release := func(now time.Time) (n int) {
		for !holds(g, now) {
			n++
		}
		return n
	}
	if n := release(epoch); n != 10 {
		t.Fatalf("%d released, want 10", n)
	}
	if s := statusOf(t, g, epoch, "declines"); !s.Room.After(epoch.Add(time.Minute - time.Millisecond)) {
		t.Errorf("a full window has room at %v", s.Room)
	}
	reset := epoch.Add(2 * time.Minute)
	if err := g.Reset(context.Background(), resetBy("r1", reset)); err != nil {
		t.Fatal(err)
	}
	g = newGate(t, st, reset, Options{}, def)
	s := statusOf(t, g, reset, "declines")
	if s.Bound != 5 || s.ProbationEnd.Sub(s.LastReset.At) != 10*time.Minute {
		t.Errorf("in probation: %+v", s)
	}
	if n := release(reset.Add(time.Second)); n != 5 {
		t.Errorf("%d released in probation, want 5", n)
	}
	if s := statusOf(t, g, reset, "declines"); !s.Tripped || s.Trip.MaxCount != 5 || s.Trip.Count != 5 {
		t.Errorf("the trip in probation: %+v", s.Trip)
	}
	if err := g.Reset(context.Background(), resetBy("r2", reset.Add(time.Minute))); err != nil {
		t.Fatal(err)
	}
	if n := release(reset.Add(12 * time.Minute)); n != 10 {
		t.Errorf("%d released after probation, want 10", n)
	}
	one := declines(1, time.Minute)
	one.After = def.After
	g = newGate(t, newMemStore(t), epoch, Options{}, one)
	trip(t, g, epoch)
	if err := g.Reset(context.Background(), resetBy("r1", epoch)); err != nil || statusOf(t, g, epoch, "declines").Bound != 1 {
		t.Errorf("half of 1 is %d (%v), want 1", statusOf(t, g, epoch, "declines").Bound, err)
	}
}

func TestStopOrders(t *testing.T) {
	st := newMemStore(t)
	reject := twoPeople(declines(5, time.Minute))
	reject.OnTrip = candorv1.OnTrip_ON_TRIP_REJECT
	g := newGate(t, st, epoch, Options{}, reject)
	for _, bad := range []Stop{{By: "ann", Reason: "mad", RequestID: "s"}, {Action: "decline", Model: "m", By: "ann", Reason: "mad", RequestID: "s"}, {Action: "decline", Reason: "mad", RequestID: "s"}, {Action: "decline", By: "ann", RequestID: "s"}, {Action: "decline", By: "ann", Reason: "mad"}} {
		if g.Stop(context.Background(), bad) == nil {
			t.Errorf("accepted %+v", bad)
		}
	}
	stop := Stop{Action: "decline", By: "ann", Reason: "mad", RequestID: "s1", At: epoch}
	for range 2 {
		if err := g.Stop(context.Background(), stop); err != nil {
			t.Fatal(err)
		}
	}
	name := StopOfAction("decline")
	v := g.Acquire(context.Background(), epoch, Answer{Action: "decline", Model: "m"})
	if v.Released || v.Limit != name || v.OnTrip != candorv1.OnTrip_ON_TRIP_REJECT {
		t.Errorf("%+v: want it withheld as the limit on the action says", v)
	}
	g = newGate(t, st, epoch, Options{}, reject)
	if s := statusOf(t, g, epoch, name); !s.Stop || !s.Tripped || s.Definition.Action != "decline" || s.Definition.Model != "" || s.Trip.By != "ann" || g.People(name) != 2 {
		t.Errorf("after a restart: %+v", s)
	}
	if err := g.Reset(context.Background(), Reset{Limit: name, By: "ann", Reason: "well", RequestID: "r", At: epoch}); !errors.Is(err, ErrSecondPerson) {
		t.Errorf("released by one: %v", err)
	}
	if err := g.AskReset(context.Background(), Ask{Limit: name, By: "ann", Reason: "well", RequestID: "r", At: epoch}); err != nil {
		t.Fatal(err)
	}
	if err := g.ConfirmReset(context.Background(), Confirmation{Limit: name, Asked: "r", By: "ben", RequestID: "c", At: epoch}); err != nil {
		t.Fatal(err)
	}
	if holds(g, epoch) {
		t.Error("held after the reset")
	}
	if err := g.Stop(context.Background(), stop); err != nil || holds(g, epoch) {
		t.Errorf("a replay stopped again (%v)", err)
	}
}
