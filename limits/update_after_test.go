package limits

import (
	"context"
	"errors"
	"testing"
	"time"
)

// A stop, a probation and a reset that waits for its second person outlive an update; what a reset takes from then on is the new
// definition's.
func TestUpdateKeepsWhatPeopleDid(t *testing.T) {
	ctx := context.Background()
	st := newMemStore(t)
	def := declines(10, time.Minute)
	def.After = Aftermath{SharePPM: 500_000, For: 10 * time.Minute}
	g := newGate(t, st, epoch, Options{}, def)
	for !holds(g, epoch) {
	}
	now := epoch.Add(2 * time.Minute)
	if err := g.Reset(ctx, resetBy("r1", now)); err != nil {
		t.Fatal(err)
	}
	if err := g.Stop(ctx, Stop{Model: "fraud", By: "ann", Reason: "mad", RequestID: "s1", At: now}); err != nil {
		t.Fatal(err)
	}
	if s := statusOf(t, g, now, StopOfModel("fraud")); s.Definition.Model != "fraud" || s.Definition.Action != "" {
		t.Errorf("a stop of a model: %+v", s.Definition)
	}
	stopped := func() bool { return !g.Acquire(ctx, now, Answer{Model: "fraud"}).Released }

	next := twoPeople(def)
	next.MaxCount, next.After.SharePPM = 20, 100_000
	update(t, g, now, next)
	if !stopped() {
		t.Error("an update has released a stop")
	}
	if s := statusOf(t, g, now, "declines"); s.Bound != 10 || !s.ProbationEnd.Equal(s.LastReset.At.Add(10*time.Minute)) {
		t.Errorf("half of the new bound holds until the old end, and there is %+v", s)
	}
	n := 0
	for !holds(g, now) {
		n++
	}
	if n != 10 {
		t.Errorf("%d released, want 10", n)
	}
	if err := g.Reset(ctx, resetBy("r2", now)); !errors.Is(err, ErrSecondPerson) {
		t.Errorf("a reset that now takes two: %v", err)
	}
	ask := Ask{Limit: "declines", By: "ann", Reason: "mended", RequestID: "a1", At: now}
	if err := g.AskReset(ctx, ask); err != nil {
		t.Fatal(err)
	}

	// Taken out: nothing that people did is undone, and what they still do is heard.
	update(t, g, now)
	s := statusOf(t, g, now, "declines")
	if s.Configured || !s.Tripped || s.Ask.RequestID != "a1" || g.People("declines") != 2 || !stopped() {
		t.Errorf("taken out: %+v", s)
	}
	if err := g.ConfirmReset(ctx, Confirmation{Limit: "declines", Asked: "a1", By: "bob", RequestID: "c1", At: now}); err != nil {
		t.Fatal(err)
	}
	if s := statusOf(t, g, now, "declines"); s.Tripped {
		t.Errorf("confirmed, and still tripped: %+v", s)
	}
	later := now.Add(2 * time.Minute)
	update(t, g, later, next)
	if s := statusOf(t, g, later, "declines"); s.Bound != 2 || s.Tripped {
		t.Errorf("a tenth holds after the second reset, and there is %+v", s)
	}
	if err := g.Reset(ctx, Reset{Limit: "stop:model:fraud", By: "ann", Reason: "mended", RequestID: "r3", At: later}); !errors.Is(err, ErrSecondPerson) {
		t.Errorf("a stop is released as its limits are now: %v", err)
	}
}

// What happened at another gateway since is followed after an update, too, and by a limit that is taken out.
func TestUpdateThenFollow(t *testing.T) {
	ctx := context.Background()
	st := newMemStore(t)
	def := declines(1, time.Minute)
	a, b := newGate(t, st, epoch, Options{}, def), newGate(t, st, epoch, Options{}, def)
	trip(t, a, epoch)
	update(t, b, epoch)
	follow := func() {
		t.Helper()
		if err := b.Follow(ctx); err != nil {
			t.Fatal(err)
		}
	}
	follow()
	if s := statusOf(t, b, epoch, "declines"); !s.Tripped {
		t.Errorf("a trip at another gateway isn't known of a limit that was taken out: %+v", s)
	}
	update(t, b, epoch, def)
	later := epoch.Add(time.Hour)
	if !holds(b, later) {
		t.Error("put back, and not latched")
	}
	update(t, b, later)
	if err := a.Reset(ctx, resetBy("r1", later)); err != nil {
		t.Fatal(err)
	}
	follow()
	update(t, b, later, def)
	if holds(b, later.Add(time.Hour)) {
		t.Error("put back, and latched after a reset")
	}
}
