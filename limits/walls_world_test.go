package limits

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// wallWorld is some gateways that ask about some limits. What is asked may be rolled back.
type wallWorld struct {
	t       *testing.T
	rnd     *rand.Rand
	gates   []*wallGate
	limits  []*wallAccount
	asked   [][]wallAsked
	passed  time.Duration
	server  time.Duration
	history string
}

// wallAsked is a committed question: when it was, and the limit's time.
type wallAsked struct{ at, now time.Duration }

func newWallWorld(t *testing.T, seed uint64, limits int, ahead ...time.Duration) *wallWorld {
	w := &wallWorld{t: t, rnd: rand.New(rand.NewPCG(seed, 11)), asked: make([][]wallAsked, limits)}
	for _, one := range ahead {
		w.gates = append(w.gates, newWallGate(one))
	}
	for i := range limits {
		w.limits = append(w.limits, &wallAccount{Account{Clock: epoch, Born: epoch}, string(rune('a' + i))})
	}
	return w
}

// asks wants no more to pass for a limit, between any two questions, than has.
func (w *wallWorld) asks(gate, limit int, rolledBack bool) {
	w.t.Helper()
	a, g := w.limits[limit], w.gates[gate]
	before, seen := a.Account, g.seen[a]
	now := g.asks(a, w.passed, w.server).Sub(epoch)
	if rolledBack {
		a.Account, g.seen[a] = before, seen
		return
	}
	for _, old := range w.asked[limit] {
		if went, most := now-old.now, w.passed-old.at; went > most+agreed {
			w.t.Fatalf("%s: limit %s: %v went by in %v", w.history, a.limit, went, most)
		}
	}
	w.asked[limit] = append(w.asked[limit], wallAsked{w.passed, now})
}

// random is some questions, of which some are rolled back.
func (w *wallWorld) random(asks int) {
	w.t.Helper()
	for range asks {
		w.passed += time.Duration(w.rnd.Int64N(int64(2 * time.Second)))
		w.asks(w.rnd.IntN(len(w.gates)), w.rnd.IntN(len(w.limits)), w.rnd.IntN(5) == 0)
	}
}

// TestStepsAreNotWalls: a server's clock that is set again and again, by the same or not, teaches nothing of wall clocks that are together,
// whatever is asked about several limits and rolled back, and lets no limit's time go faster.
func TestStepsAreNotWalls(t *testing.T) {
	for seed := range uint64(300) {
		w := newWallWorld(t, seed, 1+int(seed%6), 0, 0, 0)
		w.history = fmt.Sprint("seed ", seed)
		for range 60 {
			w.random(w.rnd.IntN(10))
			w.server += []time.Duration{time.Hour, -time.Hour, time.Second, -time.Second, 5 * time.Second}[w.rnd.IntN(5)]
			if w.rnd.IntN(5) == 0 {
				w.gates[w.rnd.IntN(len(w.gates))] = newWallGate(0)
			}
		}
		for _, g := range w.gates {
			for other, a := range g.walls.of {
				if by := a.by; a.known && by.Abs() > agreed {
					t.Errorf("seed %d: %s apart by %v", seed, other, by)
				}
			}
		}
	}
}

// TestOneStepOfManyLimits: a gateway asks for the first time about many limits that another has asked about before the server's clock was set,
// or about one again and again, because its questions are rolled back. That is one span, and not as many.
func TestOneStepOfManyLimits(t *testing.T) {
	for _, set := range []time.Duration{5 * time.Second, time.Hour, -5 * time.Second, -time.Hour} {
		for _, rolledBack := range []bool{false, true} {
			const limits = 8
			w := newWallWorld(t, 1, limits, 0, 0)
			w.history = fmt.Sprintf("set by %v, rolled back: %t", set, rolledBack)
			for i := range limits {
				w.passed += time.Millisecond
				w.asks(0, i, false)
			}
			w.passed += 2 * time.Second
			w.server += set
			for i := range limits {
				w.passed += 10 * time.Millisecond
				if rolledBack {
					w.asks(1, 0, i < limits-1)
				} else {
					w.asks(1, i, false)
				}
			}
			for i := range limits {
				w.passed += time.Second
				w.asks(0, i, false) // who knows goes on
			}
		}
	}
}

// TestWallsThatAreSet: what is known of a wall clock doesn't outlive it.
func TestWallsThatAreSet(t *testing.T) {
	for _, ahead := range []time.Duration{time.Hour, 5 * time.Second, -5 * time.Second} {
		for setGate := range 2 { // the other's clock is put right, or the own one
			for asker := range 2 {
				w := newWallWorld(t, 1, 2, 0, ahead)
				w.history = fmt.Sprintf("ahead by %v, %d is set, and %d asks", ahead, setGate, asker)
				for range 20 {
					w.passed += time.Second
					w.asks(0, 0, false)
					w.passed += time.Second
					w.asks(1, 0, false)
				}
				if by := w.gates[0].walls.apart(processEpoch.Add(w.passed)); (by - ahead.Abs()).Abs() > steady {
					t.Fatalf("%s: %v apart", w.history, by)
				}
				w.gates[setGate].ahead = w.gates[1-setGate].ahead
				w.passed += time.Second
				w.asks(1-asker, 1, false)
				w.server += ahead
				w.passed += time.Second
				w.asks(asker, 1, false)
			}
		}
	}
}
