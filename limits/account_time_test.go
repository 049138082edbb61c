package limits

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// TestAStrangerIsNotTakenInByTheServersClock: a gateway that asks for the first time after the server's clock was set, before any other has asked
// again, doesn't shorten the window: neither that of what was released before, nor, for the others, that of what it releases.
func TestAStrangerIsNotTakenInByTheServersClock(t *testing.T) {
	for _, set := range []time.Duration{time.Hour, 5 * time.Second, -5 * time.Second, -time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			const window = 10 * time.Second
			st := newSharedStore(t)
			def := declines(1, window)
			old := newGate(t, st, time.Now(), Options{}, def)
			time.Sleep(5 * time.Second)
			st.serverClock += set
			stranger := newGate(t, st, time.Now(), Options{}, def)
			if v := ask(stranger); !v.Released {
				t.Fatalf("set by %v: the window is empty: %+v", set, v)
			}
			time.Sleep(window - time.Second)
			for name, g := range map[string]*Gate{"one that was there before": old, "another stranger": newGate(t, st, time.Now(), Options{}, def)} {
				soon, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
				if v := g.Acquire(soon, time.Now(), Answer{Action: "decline"}); v.Released {
					t.Errorf("set by %v: %s has released a second answer in the window", set, name)
				}
				cancel()
			}
			synctest.Wait()
		})
	}
}

// TestAStrangerCountsWhatWasReleasedBefore: also where the server's clock says that it has left the window; and no longer than the window.
func TestAStrangerCountsWhatWasReleasedBefore(t *testing.T) {
	for _, set := range []time.Duration{time.Hour, 6 * time.Second, -6 * time.Second, -time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			st := newSharedStore(t)
			def := declines(1, 10*time.Second)
			old := newGate(t, st, time.Now(), Options{}, def)
			if v := ask(old); !v.Released {
				t.Fatalf("%+v", v)
			}
			if err := old.Close(context.Background(), time.Now()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(5 * time.Second)
			st.serverClock += set
			st.setScript(func(_ int, op, _ string) outcome {
				if op == "trip" {
					return fails
				}
				return works
			})
			if v := ask(newGate(t, st, time.Now(), Options{}, def)); v.Released {
				t.Errorf("set by %v: a second answer in the window", set)
			}
			time.Sleep(16 * time.Second)
			if v := ask(newGate(t, st, time.Now(), Options{}, def)); !v.Released {
				t.Errorf("set by %v: nothing is in the window: %+v", set, v)
			}
		})
	}
}

// TestTwoClocksOfAStranger: what passes is what both clocks say, where they agree, and the smaller otherwise; then what was seen before is void.
func TestTwoClocksOfAStranger(t *testing.T) {
	const passed = time.Minute
	for name, c := range map[string]struct {
		server, wall, want time.Duration
		void               bool
	}{
		"both right":            {passed, passed, passed, false},
		"a slow answer":         {passed, passed + agreed, passed, false},
		"server set forward":    {passed + time.Hour, passed, passed, true},
		"server set back":       {passed - time.Hour, passed, 0, true},
		"gateway set forward":   {passed, passed + time.Hour, passed, true},
		"gateway set back":      {passed, passed - time.Second, passed - time.Second, true},
		"gateway set far back":  {passed, passed - time.Hour, 0, true},
		"both, a little":        {-time.Millisecond, time.Millisecond, 0, false},
		"a step too small":      {passed + agreed, passed, passed + agreed, false},
		"nothing has passed":    {0, 0, 0, false},
		"both back":             {-time.Hour, -time.Hour, 0, true},
		"both a second back":    {-time.Second, -time.Second, 0, true},
		"server years forwards": {200 * 365 * 24 * time.Hour, passed, passed, true},
	} {
		born := epoch.Add(-time.Hour)
		a := Account{Clock: epoch, Wall: epoch, Born: born}
		now := a.Tick(Readings{Server: epoch.Add(c.server), Before: time.Now(), After: time.Now(), Wall: epoch.Add(c.wall)}, Sighting{})
		if got := now.Sub(epoch); got != c.want || a.Born.Equal(born) == c.void {
			t.Errorf("%s: %v have passed, want %v; void %t, want %t", name, got, c.want, !a.Born.Equal(born), c.void)
		}
		if ahead := now.Add(a.Lost); c.void && ahead.Before(epoch.Add(min(max(c.server, c.wall), mostLost))) {
			t.Errorf("%s: %v are lost: what was counted against may stay too long", name, a.Lost)
		}
		next := a.Tick(Readings{Server: epoch.Add(c.server + time.Second), Before: time.Now(), After: time.Now(), Wall: epoch.Add(c.wall + time.Second)}, Sighting{Now: epoch, Born: born.Add(1)})
		if next.Sub(now) != time.Second && name != "both, a little" {
			t.Errorf("%s: then %v pass in a second", name, next.Sub(now))
		}
	}
}

// TestSuspended: the monotonic clock of a machine that slept says nothing of that time, and its wall clock does.
func TestSuspended(t *testing.T) {
	const slept, awake = time.Hour, 2 * time.Second
	process := time.Now()
	seen := Sighting{Now: epoch, Asked: process, Answered: process, Wall: epoch}
	for name, c := range map[string]struct{ server, wall, want time.Duration }{
		"slept":                    {slept + awake, slept + awake, slept + awake},
		"its wall clock set alone": {awake, slept + awake, awake},
		"set back":                 {awake, awake - slept, awake},
		"server set forward":       {slept + awake, awake, awake - awake/driftShare},
	} {
		a := Account{Clock: epoch, Wall: epoch}
		at := process.Add(awake)
		now := a.Tick(Readings{Server: epoch.Add(c.server), Before: at, After: at, Wall: epoch.Add(c.wall)}, seen)
		if got := now.Sub(epoch); got > c.want || got < c.want-time.Microsecond {
			t.Errorf("%s: %v have passed, want %v", name, got, c.want)
		}
	}
}
