package limits

import (
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// wallGate asks about accounts, by a wall clock that is ahead of the true time.
type wallGate struct {
	ahead time.Duration
	// slow is how many millionths both of its clocks go slower than time, and slept how long the monotonic one stood still.
	slow  int64
	slept time.Duration
	// there and back are what its questions and their answers take.
	there, back time.Duration
	walls       *Walls
	seen        map[*wallAccount]Sighting
}

// wallAccount is a limit's.
type wallAccount struct {
	Account
	limit string
}

func newWallGate(ahead time.Duration) *wallGate {
	return &wallGate{ahead: ahead, walls: newWalls(), seen: map[*wallAccount]Sighting{}, back: time.Millisecond}
}

// asks about an account at a true time, that after epoch, when the server's clock is ahead by as much.
func (g *wallGate) asks(a *wallAccount, t, server time.Duration) time.Time {
	shows := t - time.Duration(g.slow*t.Microseconds()/1000)
	process := processEpoch.Add(shows - g.slept)
	at := Readings{
		Server: epoch.Add(t + server), Before: process.Add(-g.there), After: process.Add(g.back), Wall: epoch.Add(shows + g.back + g.ahead), Walls: g.walls, Limit: a.limit,
	}
	now := a.Tick(at, g.seen[a])
	g.seen[a] = g.seen[a].or(a.Sight(at, now))
	return now
}

var processEpoch = time.Now()

// TestWallsThatAreApart: gateways whose wall clocks are apart, from the begin or because one is set, find out by how much, and the limit's time
// goes on as time does; also for gateways that are started anew.
func TestWallsThatAreApart(t *testing.T) {
	for name, ahead := range map[string][]time.Duration{
		"a little": {0, 300 * time.Millisecond}, "seconds": {0, -3 * time.Second}, "an hour": {time.Hour, 0},
		"five of them": {0, time.Second, -time.Second, time.Hour, -24 * time.Hour}, "two of three alike": {0, time.Minute, 0},
	} {
		rnd := rand.New(rand.NewPCG(7, 7))
		a := &wallAccount{Account{Clock: epoch, Born: epoch}, "a"}
		var gates []*wallGate
		for _, one := range ahead {
			gates = append(gates, newWallGate(one))
		}
		var passed time.Duration
		last, at := a.Clock, passed
		round := func(what string, asks int, settled bool) {
			t.Helper()
			born, lost := a.Born, a.Lost
			from, since := a.Clock, at
			for i := range asks {
				passed += time.Duration(rnd.Int64N(int64(2 * time.Second)))
				g := gates[i%len(gates)]
				if i%3 == 2 {
					g = gates[rnd.IntN(len(gates))]
				}
				now := g.asks(a, passed, 0)
				if went, most := now.Sub(last), passed-at; went > most+2*time.Millisecond+most/driftShare {
					t.Fatalf("%s: %s: %v went by in %v", name, what, went, most)
				}
				last, at = now, passed
			}
			if !settled {
				return
			}
			if !a.Born.Equal(born) || a.Lost != lost {
				t.Errorf("%s: %s: the limit's time was set anew, and %v lost", name, what, a.Lost-lost)
			}
			if went := a.Clock.Sub(from); (went - (at - since)).Abs() > 2*time.Millisecond {
				t.Errorf("%s: %s: %v went by in %v", name, what, went, at-since)
			}
		}
		learning := 40 * len(gates) * len(gates)
		round("before they know each other", learning, false)
		round("when they do", 400, true)
		gates[0] = newWallGate(ahead[0])
		round("one is new", learning, false)
		round("when they know it", 400, true)
		gates[1].ahead += 7 * time.Second
		round("one is set", learning, false)
		round("when they know that", 400, true)
		// What they know holds for accounts that they haven't seen.
		a = &wallAccount{Account{Clock: epoch.Add(passed), Born: epoch}, "b"}
		last, at = a.Clock, passed
		round("of another limit", 400, true)
	}
}

// TestWhatIsKnownOfWallsTells: where the server's clock is set before a gateway asks for the first time after another, which
// has a wall clock that is known to be apart, no more passes for the limit than has.
func TestWhatIsKnownOfWallsTells(t *testing.T) {
	for _, set := range []time.Duration{time.Hour, 3 * time.Second, 500 * time.Millisecond, -500 * time.Millisecond, -3 * time.Second, -time.Hour} {
		for _, ahead := range []time.Duration{3 * time.Second, -3 * time.Second, time.Hour} {
			first, second := newWallGate(0), newWallGate(ahead)
			a := &wallAccount{Account{Clock: epoch, Born: epoch}, "a"}
			var passed time.Duration
			for range 50 {
				for _, g := range []*wallGate{first, second} {
					passed += time.Second
					g.asks(a, passed, 0)
				}
			}
			b := &wallAccount{Account{Clock: epoch.Add(passed), Born: epoch}, "b"}
			before := first.asks(b, passed, 0)
			if went := second.asks(b, passed+time.Minute, set).Sub(before); went > time.Minute+2*time.Millisecond {
				t.Errorf("ahead by %v, the server's set by %v: %v went by in a minute", ahead, set, went)
			}
		}
	}
}

// TestWallsAreBounded: of ever new processes only so many are remembered, and those that ask are.
func TestWallsAreBounded(t *testing.T) {
	old, g := newWallGate(time.Second), newWallGate(0)
	a := &wallAccount{Account{Clock: epoch, Born: epoch}, "a"}
	var passed time.Duration
	for range 3 * mostWalls {
		for _, each := range []*wallGate{old, g, newWallGate(0), g} {
			passed += time.Second
			each.asks(a, passed, 0)
		}
	}
	if n := len(g.walls.of); n != mostWalls {
		t.Errorf("%d are remembered of at most %d", n, mostWalls)
	}
	if by := g.walls.of[old.walls.id].by; (by + time.Second).Abs() > steady {
		t.Errorf("what was known of the one that goes on asking is %v", by)
	}
}

// TestNoTripByWalls: four gateways of which one has a wall clock an hour behind and another one three seconds ahead release nine of ten that are
// allowed, for minutes, and nothing trips once they know each other.
func TestNoTripByWalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const window, most, pace = 10 * time.Second, 100, 9
		st := newSharedStore(t)
		var all []*Gate
		var told sync.Map
		for _, ahead := range []time.Duration{0, 3 * time.Second, 0, -time.Hour} {
			all = append(all, newGate(t, st, time.Now(), Options{
				LeaseFor: 200 * time.Millisecond, MaxLease: 1, Clock: func() time.Time { return time.Now().Add(ahead) },
				OnWalls: func(behind time.Duration) { told.Store(behind.Round(time.Second), true) },
			}, declines(most, window)))
		}
		for i := range 360 * pace {
			time.Sleep(time.Second / pace)
			v := ask(all[i%len(all)])
			if v.Released || i < 60*pace {
				if !v.Released {
					_ = all[0].Reset(t.Context(), resetBy("r", time.Now()))
					follows(t, all)
				}
				continue
			}
			t.Fatalf("answer %d of %d a second: %+v", i, pace, v)
		}
		// Each asks after the one before it.
		for _, behind := range []time.Duration{3 * time.Second, -3 * time.Second, -time.Hour, time.Hour} {
			if _, ok := told.Load(behind); !ok {
				t.Errorf("nobody was told of a clock that is behind by %v", behind)
			}
		}
	})
}

// TestWhoHasSeenTheTimeLearnsByIt: and not by a server's clock that is set before each question of one and back before each of the other's.
func TestWhoHasSeenTheTimeLearnsByIt(t *testing.T) {
	first, second := newWallGate(0), newWallGate(0)
	a := &wallAccount{Account{Clock: epoch, Born: epoch}, "a"}
	var passed time.Duration
	for i := range 20 {
		passed += time.Second
		first.asks(a, passed, 0)
		passed += time.Second
		second.asks(a, passed, min(time.Duration(i), 1)*time.Hour) // nobody knows the time at first
	}
	for _, by := range []time.Duration{first.walls.of[second.walls.id].by, second.walls.of[first.walls.id].by} {
		if by.Abs() > steady {
			t.Errorf("%v apart", by)
		}
	}
}
