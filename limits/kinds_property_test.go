package limits

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// spent is one release of an amount, in the books of a test.
type spent struct {
	at, amount int64
	permit     Permit
}

// overspent tries every window, and answers the end and the sum of one that holds more than max.
func overspent(all []spent, window time.Duration, max int64) (end, sum int64, ok bool) {
	for _, last := range all {
		sum = 0
		for _, one := range all {
			if one.at > last.at-int64(window) && one.at <= last.at {
				sum += one.amount
			}
		}
		if sum > max {
			return last.at, sum, true
		}
	}
	return 0, 0, false
}

// market plays random amounts of random keys against one limit, and keeps the books.
type market struct {
	t     *testing.T
	rnd   *rand.Rand
	def   Definition
	keys  int
	books map[string][]spent // by key
}

func newMarket(t *testing.T, seed uint64, keys, places int) *market {
	rnd := rand.New(rand.NewPCG(seed, 11))
	def := spends(1+rnd.Int64N(5000), time.Duration(1+rnd.Int64N(int64(4*time.Second))))
	def.Key, def.MaxKeys = merchant, int64(places)
	return &market{t, rnd, def, keys, map[string][]spent{}}
}

func (m *market) key() string { return fmt.Sprint("k/", m.rnd.IntN(1+m.rnd.IntN(m.keys))) }

// amount is mostly a small part of the bound, now and then nothing, the rest, or more than all.
func (m *market) amount(left int64) int64 {
	switch m.rnd.IntN(20) {
	case 0:
		return 0
	case 1:
		return max(0, left)
	case 2:
		return max(0, left) + 1
	}
	return m.rnd.Int64N(1 + m.def.MaxCount/4)
}

func (m *market) left(key string, now int64) int64 {
	left := m.def.MaxCount
	for _, one := range m.books[key] {
		if one.at > now-int64(m.def.Window) {
			left -= one.amount
		}
	}
	return left
}

func (m *market) check(what string) (released int) {
	m.t.Helper()
	for key, all := range m.books {
		released += len(all)
		if end, sum, bad := overspent(all, m.def.Window, m.def.MaxCount); bad {
			m.t.Fatalf("%s: %s: %d in %v: the window that ends at %v holds %d", what, key, m.def.MaxCount, m.def.Window, time.Unix(0, end).UTC(), sum)
		}
	}
	return released
}

func (m *market) answer(key string, amount int64) Answer {
	return Answer{Action: "buy", Inputs: []Input{{Source: notional, Amount: amount}, {Source: merchant, Key: key}}}
}

func (m *market) reset(g *Gate, limit string, now time.Time) {
	_ = g.Reset(context.Background(), Reset{Limit: limit, By: "ann", Reason: "test", RequestID: fmt.Sprint(limit, m.rnd.Uint64()), At: now})
}

// TestExactSumsOfKeys: over a store that works, an amount is withheld if and only if its key's window has no room for it.
func TestExactSumsOfKeys(t *testing.T) {
	var total, withheld int
	for seed := range uint64(120) {
		m := newMarket(t, seed, 4, 10)
		opts := Options{MaxLease: 1 + m.rnd.Int64N(8), LeaseFor: time.Duration(1 + m.rnd.Int64N(int64(time.Second)))}
		g := newGate(t, newMemStore(t), epoch, opts, m.def)
		now := epoch
		for range 300 {
			now = now.Add(time.Duration(m.rnd.Int64N(1 + int64(m.def.Window)/8)))
			key := m.key()
			left := m.left(key, now.UnixNano())
			amount := m.amount(left)
			switch m.rnd.IntN(15) {
			case 0:
				if err := g.Settle(context.Background(), now); err != nil {
					t.Fatal(err)
				}
			case 1:
				if all := m.books[key]; len(all) > 0 {
					i := m.rnd.IntN(len(all))
					g.Refund(all[i].permit)
					m.books[key] = slices.Delete(all, i, i+1)
				}
			default:
				v := g.Acquire(context.Background(), now, m.answer(key, amount))
				switch {
				case v.Unavailable || v.Invalid:
					t.Fatalf("seed %d: %+v", seed, v)
				case v.Released:
					m.books[key] = append(m.books[key], spent{v.Permit.p.at, amount, v.Permit})
				case amount <= left:
					t.Fatalf("seed %d: %d withheld where %d are left", seed, amount, left)
				default:
					withheld++
					m.reset(g, v.Limit, now)
				}
			}
		}
		total += m.check(fmt.Sprint("seed ", seed))
	}
	if total < 10_000 || withheld < 1000 {
		t.Errorf("%d released, %d withheld: the test tries too little", total, withheld)
	}
}

// TestNoExcessOfKeysOverCrashes: the store fails before and after its effect, processes crash, and more keys come than there are places.
func TestNoExcessOfKeysOverCrashes(t *testing.T) {
	var total, crashes int
	for seed := range uint64(200) {
		m := newMarket(t, seed, 8, 3)
		st := newMemStore(t)
		opts := Options{MaxLease: 1 + m.rnd.Int64N(8), LeaseFor: time.Duration(1 + m.rnd.Int64N(int64(time.Second)))}
		g := newGate(t, st, epoch, opts, m.def)
		now := epoch
		permits := map[string]bool{}
		for range 250 {
			now = now.Add(time.Duration(m.rnd.Int64N(1 + int64(m.def.Window)/10)))
			if m.rnd.IntN(20) == 0 {
				now = now.Add(m.def.Window)
			}
			switch m.rnd.IntN(24) {
			case 0, 1: // the process dies, or ends well
				crashes++
				if m.rnd.IntN(3) == 0 {
					_ = g.Close(context.Background(), now)
				}
				st.setScript(nil)
				g, permits = newGate(t, st, now, opts, m.def), map[string]bool{}
			case 2:
				flaky := rand.New(rand.NewPCG(seed, m.rnd.Uint64()))
				st.setScript(func(int, string, string) outcome { return outcome(flaky.IntN(3)) })
			case 3:
				st.setScript(nil)
			case 4:
				_ = g.Settle(context.Background(), now)
			case 5:
				key := m.key()
				if all := m.books[key]; len(all) > 0 && permits[key] {
					last := all[len(all)-1]
					g.Refund(last.permit)
					m.books[key], permits[key] = all[:len(all)-1], false
				}
			default:
				key := m.key()
				amount := m.amount(m.left(key, now.UnixNano()))
				v := g.Acquire(context.Background(), now, m.answer(key, amount))
				if v.Released {
					m.books[key], permits[key] = append(m.books[key], spent{v.Permit.p.at, amount, v.Permit}), true
				} else if !v.Unavailable {
					st.setScript(nil)
					m.reset(g, v.Limit, now)
				}
			}
		}
		total += m.check(fmt.Sprint("seed ", seed))
	}
	if total < 10_000 || crashes < 1000 {
		t.Errorf("%d released over %d crashes: the test tries too little", total, crashes)
	}
}

// TestNoExcessOfKeysAtManyGates: gates that share a store crash and lose answers, while keys are forgotten and come again.
func TestNoExcessOfKeysAtManyGates(t *testing.T) {
	var total, accounts int
	for seed := range uint64(80) {
		synctest.Test(t, func(t *testing.T) {
			m := newMarket(t, seed, 5, 100)
			st := newSharedStore(t)
			opts := Options{MaxLease: 1 + m.rnd.Int64N(8), LeaseFor: time.Duration(20+m.rnd.IntN(300)) * time.Millisecond, StoreTimeout: 10 * time.Second}
			all := gates(t, st, 3, opts, m.def)
			for range 300 {
				i := m.rnd.IntN(len(all))
				switch m.rnd.IntN(24) {
				case 0:
					st.setScript(nil)
					all[i] = newGate(t, st, time.Now(), opts, m.def)
				case 1, 2:
					_ = all[i].Settle(context.Background(), time.Now())
				case 3:
					time.Sleep(time.Duration(m.rnd.Int64N(int64(m.def.Window + 2*time.Second))))
				case 4:
					flaky := rand.New(rand.NewPCG(seed, m.rnd.Uint64()))
					st.setScript(func(int, string, string) outcome { return outcome(flaky.IntN(3)) })
				case 5:
					st.setScript(nil)
				case 6:
					_ = all[i].Follow(context.Background())
				default:
					time.Sleep(time.Duration(m.rnd.Int64N(int64(20 * time.Millisecond))))
					key := m.key()
					amount := m.amount(m.left(key, time.Now().UnixNano()))
					short, cancel := context.WithTimeout(context.Background(), time.Second)
					v := all[i].Acquire(short, time.Now(), m.answer(key, amount))
					cancel()
					if v.Released {
						m.books[key] = append(m.books[key], spent{at: time.Now().UnixNano(), amount: amount})
					} else if !v.Unavailable {
						m.reset(all[i], v.Limit, time.Now())
					}
				}
			}
			total += m.check(fmt.Sprint("seed ", seed))
			st.mu.Lock()
			accounts += st.born
			st.mu.Unlock()
		})
	}
	if total < 4_000 || accounts < 80*6 {
		t.Errorf("%d released by %d accounts: the test tries too little", total, accounts)
	}
}
