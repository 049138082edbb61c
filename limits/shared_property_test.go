package limits

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// played is what a test of many gates came to.
type played struct{ released, beyond, steps, accounts int }

// playGates plays at four gates that share a store. They crash, are paused, lose answers of the store, and the server's clock is set by up to
// five minutes, forward and back. By the true clock no window is ever exceeded. Keys are forgotten and come again.
func playGates(t *testing.T, k kind, seeds int) (sum played) {
	for seed := range uint64(seeds) {
		synctest.Test(t, func(t *testing.T) {
			m, st := newMarket(t, seed, k, true), newSharedStore(t)
			all := gates(t, st, 4, m.opts, m.def)
			tripped, longest := m.def.Name, 2*time.Second
			if k.keys > 0 {
				longest += m.def.Window
			}
			for range 600 {
				i := m.rnd.IntN(len(all))
				switch what := m.rnd.IntN(40); what {
				case 0: // the process dies
					st.setScript(nil)
					all[i] = newGate(t, st, time.Now(), m.opts, m.def)
				case 1, 2:
					_ = all[i].Settle(context.Background(), time.Now())
				case 3, 4: // everybody is stopped for a while
					if what == 3 {
						sum.steps++
						st.mu.Lock() // a call that nobody waits for any more may be under way
						st.serverClock += time.Duration(m.rnd.Int64N(int64(10*time.Minute))) - 5*time.Minute
						st.mu.Unlock()
						if m.rnd.IntN(2) == 0 { // the next to ask may know nothing of what has passed
							st.setScript(nil)
							all[i] = newGate(t, st, time.Now(), m.opts, m.def)
						}
					}
					time.Sleep(time.Duration(m.rnd.Int64N(int64(longest))))
				case 5:
					m.flaky(st)
				case 6:
					st.setScript(nil)
				case 7, 8:
					_ = m.reset(all[i], tripped, time.Now())
					_ = all[i].Follow(context.Background())
				case 9, 10, 11:
					_ = all[i].report(context.Background(), all[i].moment(time.Now()))
				default:
					time.Sleep(time.Duration(m.rnd.Int64N(int64(20 * time.Millisecond))))
					o := m.order(time.Now().UnixNano())
					short, cancel := context.WithTimeout(context.Background(), time.Second)
					v := all[i].Acquire(short, time.Now(), o.Answer)
					cancel()
					m.enter(o, v, time.Now().UnixNano())
					if v.Released || v.Unavailable {
						continue
					}
					if tripped = v.Limit; k.keys > 0 {
						_ = m.reset(all[i], tripped, time.Now())
					}
				}
			}
			m.check()
			st.mu.Lock()
			defer st.mu.Unlock()
			sum.released, sum.beyond, sum.accounts = sum.released+m.released, sum.beyond+m.beyond, sum.accounts+st.born
		})
	}
	t.Logf("%+v", sum)
	return sum
}

func TestNoExcessOfManyGates(t *testing.T) {
	if p := playGates(t, counts(), 120); p.released < 5000 || p.steps < 500 {
		t.Errorf("%+v: the test tries too little", p)
	}
}

func TestNoExcessOfKeysAtManyGates(t *testing.T) {
	if p := playGates(t, sumsOfKeys(5, 100), 80); p.released < 4000 || p.accounts < 80*6 || p.steps < 400 {
		t.Errorf("%+v: the test tries too little", p)
	}
}

func TestRatioAcrossGates(t *testing.T) {
	if p := playGates(t, ratios("decline", "approve", "approve", "approve"), 120); p.released < 3000 || p.beyond < 500 {
		t.Errorf("%+v: the test tries too little", p)
	}
}
