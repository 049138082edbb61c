package limits

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// ratioSim plays random traffic against one ratio and keeps what was really released: the oracle.
type ratioSim struct {
	*sim
	others  []int64
	counted []Permit
}

var ratioActions = []string{"decline", "approve", "page", ""}

func newRatioSim(t *testing.T, seed uint64) *ratioSim {
	rnd := rand.New(rand.NewPCG(seed, 3))
	ppm := 1 + rnd.Int64N(whole-1)
	if rnd.IntN(2) == 0 {
		ppm = 50_000 + rnd.Int64N(500_000)
	}
	least := (whole + ppm - 1) / ppm
	def := declinesOf(ppm, least+rnd.Int64N(20), time.Duration(1+rnd.Int64N(int64(5*time.Second))),
		[][]string{nil, {"approve"}, {"decline", "approve"}, {"decline", "approve", "page"}}[rnd.IntN(4)]...)
	s := &ratioSim{sim: &sim{
		t: t, rnd: rnd, store: newMemStore(t), def: def, now: epoch, exact: true,
		opts: Options{MaxLease: 1 + rnd.Int64N(8), LeaseFor: time.Duration(1 + rnd.Int64N(int64(time.Second)))},
	}}
	s.def.MaxCount = 60 // for wait: so many answers in a window
	s.start()
	return s
}

func (s *ratioSim) start() {
	def := s.def
	def.MaxCount = 0
	s.store.setScript(nil)
	s.gate = newGate(s.t, s.store, s.now, s.opts, def)
	s.permits, s.counted = nil, nil
}

func in(times []int64, end, window int64) (n int64) {
	for _, at := range times {
		if at > end-window && at <= end {
			n++
		}
	}
	return n
}

// allowed answers how many numerators may be in the window that ends at t and spans so long, if n of the denominator's answers are
// themselves numerators, one of them at t.
func (s *ratioSim) allowed(t, window, n int64) int64 {
	den := in(s.others, t, window)
	if s.def.own() {
		den += n
	}
	return s.def.Ratio.SharePPM * max(den, s.def.Ratio.MinCount) / whole
}

func (s *ratioSim) answer() {
	told := s.now.Add(-time.Duration(s.rnd.IntN(3)))
	s.now = time.Unix(0, s.gate.clock.peek(told))
	t, window := s.now.UnixNano(), int64(s.def.Window)
	action := ratioActions[s.rnd.IntN(len(ratioActions))]
	v := s.gate.Acquire(context.Background(), told, Answer{Action: action})
	if action != "decline" {
		if !v.Released {
			s.t.Fatalf("%q was withheld: %+v", action, v)
		}
		if s.def.Ratio.Denominator == nil || slices.Contains(s.def.Ratio.Denominator, action) {
			s.others = append(s.others, t)
			s.counted = append(s.counted, v.Permit)
		}
		return
	}
	n := in(s.released, t, window) + 1
	switch {
	case v.Released:
		if most := s.allowed(t, window, n); n > most {
			s.t.Fatalf("released as %d of at most %d: %+v, %+v", n, most, s.def, *s.def.Ratio)
		}
		s.released = append(s.released, v.Permit.p.at)
		s.permits = append(s.permits, v.Permit)
	case v.Unavailable:
		if s.exact {
			s.t.Fatalf("unavailable with a store that works: %v", v.Err)
		}
	default:
		if most := s.allowed(t, window-int64((&limit{def: s.def}).tallyWidth()), n); s.exact && n <= most {
			s.t.Fatalf("withheld as %d of at most %d: %+v, %+v", n, most, s.def, *s.def.Ratio)
		}
		s.reset()
	}
}

// refund takes back a numerator or an answer of the denominator.
func (s *ratioSim) refund() {
	if s.rnd.IntN(2) == 0 {
		s.sim.refund()
		return
	}
	if len(s.counted) == 0 {
		return
	}
	i := s.rnd.IntN(len(s.counted))
	p := s.counted[i]
	s.counted = slices.Delete(s.counted, i, i+1)
	s.gate.Refund(p)
	s.gate.Refund(p)
	at := slices.Index(s.others, p.p.at)
	s.others = slices.Delete(s.others, at, at+1)
}

// TestRatioAgainstOracle: over a store that works, a numerator is released if and only if it is within the share of the window's
// denominator, but for the part of it that leaves the window a little earlier than it has to.
func TestRatioAgainstOracle(t *testing.T) {
	var released, trips int
	for seed := range uint64(150) {
		s := newRatioSim(t, seed)
		for range 300 {
			s.wait()
			switch s.rnd.IntN(15) {
			case 0:
				s.refund()
			case 1:
				if err := s.gate.Settle(context.Background(), s.now); err != nil {
					t.Fatalf("seed %d: Settle: %v", seed, err)
				}
			case 2:
				if err := s.gate.report(context.Background(), s.gate.moment(s.now)); err != nil {
					t.Fatalf("seed %d: Report: %v", seed, err)
				}
			default:
				s.answer()
			}
		}
		released, trips = released+len(s.released), trips+s.resets
	}
	t.Logf("%d released, %d withheld", released, trips)
	if released < 3000 || trips < 1000 {
		t.Errorf("%d released, %d withheld: the test tries too little", released, trips)
	}
}

// TestRatioOverCrashesAndFailures: the store fails before and after its effect, the process crashes and restarts, and no numerator is
// ever one too many.
func TestRatioOverCrashesAndFailures(t *testing.T) {
	var released, crashes, kept int
	for seed := range uint64(200) {
		s := newRatioSim(t, seed)
		s.exact = false
		for range 250 {
			s.wait()
			switch s.rnd.IntN(24) {
			case 0:
				s.refund()
			case 1: // the process dies
				crashes++
				s.start()
				if statusOf(t, s.gate, s.now, "declines").Denominator > 0 {
					kept++
				}
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
			case 6:
				_ = s.gate.report(context.Background(), s.gate.moment(s.now))
			default:
				s.answer()
			}
		}
		released += len(s.released)
	}
	t.Logf("%d released over %d crashes, after %d of which there was a denominator", released, crashes, kept)
	if released < 3000 || crashes < 1000 || kept < 100 {
		t.Error("the test tries too little")
	}
}

// TestRatioUnderConcurrency: of many who answer at once at one moment, as many declines leave as half of all answers, or one less than that.
func TestRatioUnderConcurrency(t *testing.T) {
	for range 20 {
		g := newGate(t, newMemStore(t), epoch, Options{}, declinesOf(500_000, 2, time.Minute, "decline", "approve"))
		var approved, declined atomic.Int64
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				for range 100 {
					if i%2 == 0 {
						approved.Add(1) // before it is: declines are counted after they are
						meets(g, epoch, "approve")
						continue
					}
					before := declined.Load()
					if meets(g, epoch, "decline").Released {
						if n := declined.Add(1); n > max(1, approved.Load()) {
							t.Errorf("%d declines beside %d approvals (%d before)", n, approved.Load(), before)
						}
						continue
					}
					_ = g.Reset(context.Background(), resetBy(fmt.Sprint(i, before, time.Now()), epoch))
				}
			})
		}
		wg.Wait()
		s := statusOf(t, g, epoch, "declines")
		if s.Used-s.Leased != declined.Load() || s.Denominator != declined.Load()+400 || declined.Load() < 2 {
			t.Errorf("%d declines, 400 approvals; the gate has %+v", declined.Load(), s)
		}
	}
}
