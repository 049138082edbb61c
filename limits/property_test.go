package limits

import (
	"context"
	"testing"
	"time"
)

// sim is a market with one gate, over a store of its own, in a process that can crash.
type sim struct {
	*market
	store *memStore
	gate  *Gate
	now   time.Time
}

func newSim(t *testing.T, seed uint64, k kind) *sim {
	s := &sim{market: newMarket(t, seed, k, false), store: newMemStore(t), now: epoch}
	s.start()
	return s
}

func (s *sim) start() {
	s.store.setScript(nil)
	s.gate = newGate(s.t, s.store, s.now, s.opts, s.def)
	s.crashed()
}

// wait moves the clock: mostly a little, at times to the nanosecond at which a release leaves the window, at times past it.
func (s *sim) wait() {
	switch s.rnd.IntN(10) {
	case 0:
		if len(s.books) == 0 {
			return
		}
		all := s.inOrder()
		b := all[s.rnd.IntN(len(all))]
		of := b.released
		if len(b.others) > 0 && s.rnd.IntN(2) == 0 {
			of = b.others
		}
		if len(of) > 0 {
			edge := time.Unix(0, of[s.rnd.IntN(len(of))].at).Add(s.def.Window - time.Duration(s.rnd.IntN(2)))
			if edge.After(s.now) {
				s.now = edge
			}
		}
	case 1:
		s.now = s.now.Add(time.Duration(s.rnd.Int64N(2 * int64(s.def.Window))))
	default:
		s.now = s.now.Add(time.Duration(s.rnd.Int64N(1 + int64(s.def.Window)/s.pace)))
	}
}

func (s *sim) answer() {
	told := s.now.Add(-time.Duration(s.rnd.IntN(3))) // callers come late
	s.now = time.Unix(0, s.gate.clock.peek(told))
	o := s.order(s.now.UnixNano())
	v := s.gate.Acquire(context.Background(), told, o.Answer)
	if s.enter(o, v, s.now.UnixNano()); v.Released || v.Unavailable {
		return
	}
	s.store.setScript(nil)
	if err := s.reset(s.gate, v.Limit, s.now); err != nil {
		s.t.Fatalf("Reset: %v", err)
	}
}

// settle and close come a little later: also what they ask for a key that is forgotten has an ID by the time, above those of the leases of the
// same key that came again.
func (s *sim) settle() error {
	s.now = s.now.Add(time.Millisecond)
	return s.gate.Settle(context.Background(), s.now)
}

func (s *sim) close() error {
	s.now = s.now.Add(time.Millisecond)
	return s.gate.Close(context.Background(), s.now)
}

func (s *sim) report() error { return s.gate.report(context.Background(), s.gate.moment(s.now)) }

// playExactly plays against a gate that doesn't crash, over a store that works: an answer is withheld if and only if there is no room for
// it.
func playExactly(t *testing.T, k kind, seeds, least, leastWithheld int) {
	var released, withheld int
	for seed := range uint64(seeds) {
		s := newSim(t, seed, k)
		s.exact = true
		for range 300 {
			s.wait()
			switch s.rnd.IntN(15) {
			case 0:
				s.refund(s.gate)
			case 1:
				if err := s.settle(); err != nil {
					t.Fatalf("seed %d: Settle: %v", seed, err)
				}
			case 2:
				if err := s.report(); err != nil {
					t.Fatalf("seed %d: report: %v", seed, err)
				}
			default:
				s.answer()
			}
		}
		s.check()
		var all int64
		for _, b := range s.books {
			all += spentIn(b.released, s.now.UnixNano(), s.now.UnixNano())
		}
		if all < s.def.MaxCount {
			t.Errorf("seed %d: only %d released: the test tries nothing", seed, all)
		}
		released, withheld = released+s.released, withheld+s.withheld
	}
	t.Logf("%d released, %d withheld", released, withheld)
	if released < least || withheld < leastWithheld {
		t.Errorf("%d released, %d withheld: the test tries too little", released, withheld)
	}
}

// playCrashes plays over a store that fails before and after its effect, and a process that crashes and restarts: no window is ever
// exceeded.
func playCrashes(t *testing.T, k kind, seeds, least int) {
	var released, crashes, kept int
	for seed := range uint64(seeds) {
		s := newSim(t, seed, k)
		for range 250 {
			s.wait()
			switch s.rnd.IntN(24) {
			case 0:
				s.refund(s.gate)
			case 1: // the process dies
				crashes++
				s.start()
				if s.def.Ratio != nil && statusOf(t, s.gate, s.now, s.def.Name).Denominator > 0 {
					kept++
				}
			case 2: // it ends well
				_ = s.close()
				s.start()
			case 3:
				s.flaky(s.store)
			case 4:
				s.store.setScript(nil)
			case 5:
				_ = s.settle()
			case 6:
				_ = s.report()
			default:
				s.answer()
			}
		}
		s.check()
		released += s.released
	}
	t.Logf("%d released over %d crashes, after %d of which there was a denominator", released, crashes, kept)
	if released < least || crashes < 1000 || k.actions != nil && kept < 100 {
		t.Errorf("%d released over %d crashes, after %d of which there was a denominator: the test tries too little", released, crashes, kept)
	}
}

func TestExactAgainstOracle(t *testing.T) { playExactly(t, counts(), 180, 10_000, 1000) }

func TestExactSumsOfKeys(t *testing.T) { playExactly(t, sumsOfKeys(4, 10), 170, 10_000, 1000) }

// TestRatioAgainstOracle: but for the part of the denominator that leaves the window a little earlier than it has to.
func TestRatioAgainstOracle(t *testing.T) { playExactly(t, ratios(everyAction...), 170, 3000, 1000) }

func TestNoExcessOverCrashesAndFailures(t *testing.T) { playCrashes(t, counts(), 250, 10_000) }

// TestNoExcessOfKeysOverCrashes: and more keys come than there are places.
func TestNoExcessOfKeysOverCrashes(t *testing.T) { playCrashes(t, sumsOfKeys(8, 3), 200, 10_000) }

func TestRatioOverCrashesAndFailures(t *testing.T) { playCrashes(t, ratios(everyAction...), 220, 3000) }
