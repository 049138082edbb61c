package limits

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"
)

// TestOldSightings: a gateway has asked long ago, and others since. What it knows is only known to a part of how long ago that was, by clocks
// that go at different rates; so it goes by others, too. No more passes for the limit than does, from its question to the others'.
func TestOldSightings(t *testing.T) {
	const day = 24 * time.Hour
	for _, c := range []struct {
		idle, every   time.Duration
		slow          int64
		server, slept time.Duration
		wall          time.Duration
	}{
		{idle: time.Hour, every: 10 * time.Second, slow: 500},
		{idle: day, every: 30 * time.Second, slow: 100},
		{idle: 7 * day, every: time.Minute, slow: 50},
		{idle: time.Hour, every: 10 * time.Second, slow: -500},
		{idle: time.Hour, every: 10 * time.Second, server: -3 * time.Second},
		{idle: time.Hour, every: 10 * time.Second, server: 3 * time.Second},
		{idle: day, every: 90 * time.Second, server: -time.Minute},
		{idle: day, every: 90 * time.Second, server: time.Minute},
		{idle: day, every: 90 * time.Second, server: time.Hour},
		{idle: time.Hour, every: 10 * time.Second, slept: 3 * time.Second},
		// Both clocks are set back alike, which the sighting tells. Forward it might be a machine that slept.
		{idle: time.Hour, every: 10 * time.Second, server: -time.Minute, wall: -time.Minute},
		{idle: day, every: 10 * time.Second, server: -time.Hour, wall: -time.Hour},
		{idle: time.Hour, every: 10 * time.Second, server: -5 * time.Second, wall: -5 * time.Second},
	} {
		w := newWallWorld(t, 1, 1, 0, 0)
		w.history = fmt.Sprintf("%+v", c)
		idle := w.gates[0]
		idle.slow = c.slow
		w.asks(0, 0, false)
		for w.passed < c.idle {
			w.asks(1, 0, false)
			w.passed += c.every
		}
		w.server, idle.slept, idle.ahead = c.server, c.slept, c.wall
		w.asks(0, 0, false)
		w.passed += time.Second
		w.asks(1, 0, false)
		w.passed += time.Second
		w.asks(0, 0, false)
	}
}

// TestOldSightingsOfClocksThatAgree: asked long ago is no reason to set the limit's time anew.
func TestOldSightingsOfClocksThatAgree(t *testing.T) {
	w := newWallWorld(t, 1, 1, 0, 0)
	a := w.limits[0]
	w.gates[0].slow = 1 // a tenth of a second a day
	for i := range 20 {
		w.asks(i%2, 0, false)
		w.passed += time.Hour
	}
	if !a.Born.Equal(epoch) || a.Lost > agreed || (a.Clock.Sub(epoch)-19*time.Hour).Abs() > agreed {
		t.Errorf("after 19 h: %v, %v lost, born %v", a.Clock.Sub(epoch), a.Lost, a.Born.Sub(epoch))
	}
}

// TestOrdinaryClocks: between gateways and a server whose clocks are right, and answers that take as long as they do now and then, time goes on
// as it does, none is lost, and what is known stays so.
func TestOrdinaryClocks(t *testing.T) {
	for _, gates := range []int{1, 2, 4, 8} {
		for _, every := range []time.Duration{20 * time.Millisecond, 100 * time.Millisecond, time.Second} {
			for seed := range uint64(5) {
				w := newWallWorld(t, seed, 1, slices.Repeat([]time.Duration{0}, gates)...)
				w.history = fmt.Sprintf("%d gateways, every %v, seed %d", gates, every, seed)
				way := func() time.Duration { // there or back: mostly quick
					return time.Duration(float64(20*time.Millisecond) * math.Pow(w.rnd.Float64(), 4))
				}
				a := w.limits[0]
				var from, since time.Duration
				for i := range 2000 {
					g := w.gates[w.rnd.IntN(gates)]
					g.there, g.back = way(), way()
					w.asks(slices.Index(w.gates, g), 0, false)
					w.passed += g.back + time.Duration(w.rnd.Int64N(int64(2*every)))
					if i == 20 {
						from, since = a.Clock.Sub(epoch), w.passed
					}
				}
				if went, passed := a.Clock.Sub(epoch)-from, w.passed-since; a.Lost != 0 || !a.Born.Equal(epoch) || (went-passed).Abs() > 2*every+agreed {
					t.Fatalf("%s: %v went by in %v, %v lost, set anew %v times", w.history, went, passed, a.Lost, a.Born.Sub(epoch).Microseconds())
				}
			}
		}
	}
}
