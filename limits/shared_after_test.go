package limits

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// TestProbationIsShared: after a reset at one gateway, which the others follow, all of them together release the share, and no more.
func TestProbationIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newSharedStore(t)
		def := declines(100, time.Minute)
		def.After = Aftermath{SharePPM: 500_000, For: time.Hour}
		all := gates(t, st, 3, Options{}, def)
		release := func() (n int) {
			for i := range 300 {
				if ask(all[i%len(all)]).Released {
					n++
				}
				for _, g := range all {
					if err := g.Settle(context.Background(), time.Now()); err != nil {
						t.Fatal(err)
					}
				}
				time.Sleep(time.Millisecond)
			}
			return n
		}
		follow := func() {
			for _, g := range all {
				if err := g.Follow(context.Background()); err != nil {
					t.Fatal(err)
				}
			}
		}
		if n := release(); n != 100 {
			t.Fatalf("%d released, want 100", n)
		}
		follow()
		if err := all[0].Reset(context.Background(), resetBy("r1", time.Now())); err != nil {
			t.Fatal(err)
		}
		follow()
		if n := release(); n != 0 {
			t.Errorf("%d released in a window that holds more than the share", n)
		}
		time.Sleep(2 * time.Minute)
		follow()
		if err := all[1].Reset(context.Background(), resetBy("r2", time.Now())); err != nil {
			t.Fatal(err)
		}
		follow()
		if n := release(); n != 50 {
			t.Errorf("%d released in probation, want 50", n)
		}
		if s := statusOf(t, all[2], time.Now(), "declines"); !s.Tripped || s.Bound != 50 || s.Trip.MaxCount != 50 {
			t.Errorf("the trip in probation: %+v", s)
		}
	})
}

// Where the server's clock was set forward, no more passes of the limit's time than has passed for sure: an answer that took long says
// little about when its time was.
func TestTickAfterASlowAnswer(t *testing.T) {
	began := time.Now()
	seen := Sighting{Now: epoch, Asked: began, Answered: began.Add(time.Second)} // it was just before the answer, perhaps
	at := began.Add(3 * time.Second)
	for _, set := range []time.Duration{5 * time.Minute, 4 * time.Second, -5 * time.Minute} {
		a := Account{Clock: epoch}
		now := a.Tick(new(LeaseRequest).Read(epoch.Add(2*time.Second+set), at, at), seen)
		if passed := now.Sub(epoch); passed > 2*time.Second || passed < 2*time.Second-2*time.Second/driftShare-time.Microsecond {
			t.Errorf("set by %v: %v have passed, want as much as 2s that are sure", set, passed)
		}
		if least := epoch.Add(3*time.Second).Sub(now) - time.Microsecond; a.Lost < least {
			t.Errorf("set by %v: %v are lost, want at least %v", set, a.Lost, least)
		}
		if next := a.Tick(new(LeaseRequest).Read(epoch.Add(3*time.Second+set), at.Add(time.Second), at.Add(time.Second)), seen); next.Sub(now) != time.Second {
			t.Errorf("set by %v: then %v have passed in a second", set, next.Sub(now))
		}
	}
	// Clocks that differ a little in their rates aren't set.
	a := Account{Clock: epoch}
	if now := a.Tick(new(LeaseRequest).Read(epoch.Add(3*time.Second+time.Millisecond), at, at), seen); now.Sub(epoch) < 3*time.Second-time.Microsecond || now.Sub(epoch) > 3*time.Second || a.Lost != 0 {
		t.Errorf("%v have passed, %v lost", now.Sub(epoch), a.Lost)
	}
}

// A gateway that is stopped when the database has answered, and reads its own clock late, moves the database's for nobody: leases of who
// knows nothing of it and asks next would leave the window too early.
func TestTickReadLate(t *testing.T) {
	const pause = 90 * time.Millisecond // two clocks of a stranger may differ by as much
	began := time.Now()
	seen := Sighting{Now: epoch, Asked: began, Answered: began}
	before := began.Add(time.Second)
	wall := before.Add(pause).Round(0).Truncate(time.Microsecond)
	a := Account{Clock: epoch}
	if now := a.Tick(new(LeaseRequest).Read(epoch.Add(time.Second), before, before.Add(pause)), seen); now.Sub(epoch) < time.Second || now.Sub(epoch) > time.Second+pause {
		t.Errorf("%v have passed in %v", now.Sub(epoch), time.Second+pause)
	}
	after := before.Add(pause + time.Second)
	if now := a.Tick(Readings{Server: epoch.Add(2*time.Second + pause), Before: after, After: after, Wall: wall.Add(time.Second)}, Sighting{}); now.Sub(epoch) > 2*time.Second+pause {
		t.Errorf("for a stranger, %v have passed in %v", now.Sub(epoch), 2*time.Second+pause)
	}
}
