package limits

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// sim plays random traffic against one limit and keeps the list of what really was released: the oracle.
type sim struct {
	t        *testing.T
	rnd      *rand.Rand
	store    *memStore
	def      Definition
	opts     Options
	gate     *Gate
	now      time.Time
	released []int64
	permits  []Permit // of the gate's own process
	// exact while nothing has happened that entitles the gate to withhold earlier than the window says.
	exact  bool
	resets int
}

func newSim(t *testing.T, seed uint64) *sim {
	rnd := rand.New(rand.NewPCG(seed, 2))
	s := &sim{
		t:     t,
		rnd:   rnd,
		store: newMemStore(t),
		def:   declines(1+rnd.Int64N(40), time.Duration(1+rnd.Int64N(int64(5*time.Second)))),
		opts:  Options{MaxLease: 1 + rnd.Int64N(8), LeaseFor: time.Duration(1 + rnd.Int64N(int64(time.Second)))},
		now:   epoch,
		exact: true,
	}
	s.start()
	return s
}

func (s *sim) start() {
	s.store.setScript(nil)
	s.gate = newGate(s.t, s.store, s.now, s.opts, s.def)
	s.permits = nil
}

// wait moves the clock: mostly a little, at times to the nanosecond at which a release leaves the window, at times past it.
func (s *sim) wait() {
	switch s.rnd.IntN(10) {
	case 0:
		if n := len(s.released); n > 0 {
			edge := time.Unix(0, s.released[s.rnd.IntN(n)]).Add(s.def.Window - time.Duration(s.rnd.IntN(2)))
			if edge.After(s.now) {
				s.now = edge
			}
		}
	case 1:
		s.now = s.now.Add(time.Duration(s.rnd.Int64N(2 * int64(s.def.Window))))
	default:
		s.now = s.now.Add(time.Duration(s.rnd.Int64N(1 + int64(s.def.Window)/s.def.MaxCount)))
	}
}

func (s *sim) used() (n int64) {
	for _, r := range s.released {
		if r > s.now.UnixNano()-int64(s.def.Window) {
			n++
		}
	}
	return n
}

func (s *sim) acquire() {
	told := s.now.Add(-time.Duration(s.rnd.IntN(3))) // callers come late
	s.now = time.Unix(0, s.gate.clock.peek(told))
	before := s.used()
	v := s.gate.Acquire(context.Background(), told, Answer{Action: "decline"})
	switch {
	case v.Released:
		s.released = append(s.released, v.Permit.p.at)
		s.permits = append(s.permits, v.Permit)
	case v.Unavailable:
		if s.exact {
			s.t.Fatalf("unavailable with a store that works: %v", v.Err)
		}
	default:
		if s.exact && before < s.def.MaxCount {
			s.t.Fatalf("withheld with %d of %d released in the window", before, s.def.MaxCount)
		}
		s.reset()
	}
}

func (s *sim) reset() {
	s.resets++
	s.store.setScript(nil)
	r := Reset{Limit: s.def.Name, By: "ann", Reason: "test", RequestID: fmt.Sprint("r", s.resets), At: s.now}
	if err := s.gate.Reset(context.Background(), r); err != nil {
		s.t.Fatalf("Reset: %v", err)
	}
}

func (s *sim) refund() {
	if len(s.permits) == 0 {
		return
	}
	i := s.rnd.IntN(len(s.permits))
	p := s.permits[i]
	s.permits = slices.Delete(s.permits, i, i+1)
	s.gate.Refund(p)
	s.gate.Refund(p) // the second does nothing
	at := slices.Index(s.released, p.p.at)
	s.released = slices.Delete(s.released, at, at+1)
}

func (s *sim) check(seed uint64) {
	s.t.Helper()
	if end, n, bad := excess(s.released, s.def.Window, s.def.MaxCount); bad {
		s.t.Fatalf("seed %d: limit %d per %v: the window that ends at %v holds %d", seed, s.def.MaxCount, s.def.Window,
			time.Unix(0, end).UTC(), n)
	}
}

// TestExactAgainstOracle: in a process that doesn't crash, over a store that works, an answer is withheld if and only if the
// window holds MaxCount releases.
func TestExactAgainstOracle(t *testing.T) {
	for seed := range uint64(150) {
		s := newSim(t, seed)
		for range 300 {
			s.wait()
			switch s.rnd.IntN(12) {
			case 0:
				s.refund()
			case 1:
				if err := s.gate.Settle(context.Background(), s.now); err != nil {
					t.Fatalf("seed %d: Settle: %v", seed, err)
				}
			default:
				s.acquire()
			}
		}
		s.check(seed)
		if len(s.released) < int(s.def.MaxCount) {
			t.Errorf("seed %d: only %d released: the test tries nothing", seed, len(s.released))
		}
	}
}

// TestNoExcessOverCrashesAndFailures: the store fails before and after its effect, the process crashes and restarts, and no
// window is ever exceeded.
func TestNoExcessOverCrashesAndFailures(t *testing.T) {
	var released, crashes int
	for seed := range uint64(250) {
		s := newSim(t, seed)
		s.exact = false
		for range 250 {
			s.wait()
			switch s.rnd.IntN(24) {
			case 0:
				s.refund()
			case 1: // the process dies
				crashes++
				s.start()
			case 2: // it ends well
				_ = s.gate.Close(context.Background(), s.now)
				s.start()
			case 3:
				flaky := rand.New(rand.NewPCG(seed, s.rnd.Uint64()))
				s.store.setScript(func(int, string, string) outcome { return outcome(flaky.IntN(3)) })
			case 4:
				s.store.setScript(nil)
			case 5:
				_ = s.gate.Settle(context.Background(), s.now)
			default:
				s.acquire()
			}
		}
		s.check(seed)
		released += len(s.released)
	}
	if released < 10_000 || crashes < 1000 {
		t.Errorf("%d released over %d crashes: the test tries too little", released, crashes)
	}
}
