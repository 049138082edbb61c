package limits

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// spent is one release in the books: of an amount, or of 1 where answers are counted. permit is there as long as it can be taken back.
type spent struct {
	at, amount int64
	permit     Permit
}

// spentIn adds up what is in the window of this length that ends at end.
func spentIn(all []spent, end, window int64) (sum int64) {
	for _, one := range all {
		if one.at > end-window && one.at <= end {
			sum += one.amount
		}
	}
	return sum
}

// book is what was released by one limit, or by one value of its key: the oracle. others are a ratio's denominator without its numerators.
type book struct{ released, others []spent }

// kind is what random limits count, and the traffic that they meet.
type kind struct {
	// define makes a limit; shared: for gates that share a store, whose leases and reports take longer than some windows.
	define func(rnd *rand.Rand, shared bool) Definition
	// pace is about how many answers come in a window; 0: as many as fill it.
	pace int64
	// keys is how many values of its key come; 0: it has none. places is how many have a limit of their own.
	keys, places int
	// actions that answers mean; empty: the limit's.
	actions []string
}

func counts() kind {
	return kind{define: func(rnd *rand.Rand, shared bool) Definition {
		if shared {
			return declines(1+rnd.Int64N(60), time.Duration(1+rnd.IntN(8))*time.Second)
		}
		return declines(1+rnd.Int64N(40), time.Duration(1+rnd.Int64N(int64(5*time.Second))))
	}}
}

func sumsOfKeys(keys, places int) kind {
	return kind{pace: 8, keys: keys, places: places, define: func(rnd *rand.Rand, _ bool) Definition {
		return spends(1+rnd.Int64N(5000), time.Duration(1+rnd.Int64N(int64(4*time.Second))))
	}}
}

var everyAction = []string{"decline", "approve", "page", ""}

func ratios(actions ...string) kind {
	return kind{pace: 60, actions: actions, define: func(rnd *rand.Rand, shared bool) Definition {
		ppm, more, window := 1+rnd.Int64N(whole-1), int64(20), time.Duration(1+rnd.Int64N(int64(5*time.Second)))
		if shared || rnd.IntN(2) == 0 {
			ppm = 50_000 + rnd.Int64N(500_000)
		}
		if shared {
			more, window = 4, time.Duration(2+rnd.IntN(8))*time.Second
		}
		denominators := [][]string{nil, {"approve"}, {"decline", "approve"}, {"decline", "approve", "page"}}
		return declinesOf(ppm, (whole+ppm-1)/ppm+rnd.Int64N(more), window, denominators[rnd.IntN(4)]...)
	}}
}

// market plays random traffic against one limit of any kind, and keeps the books.
type market struct {
	t    testing.TB
	rnd  *rand.Rand
	seed uint64
	kind
	def   Definition
	opts  Options
	books map[string]*book // by key
	// exact while nothing has happened that entitles the gate to withhold earlier than the window says.
	exact bool
	// beyond counts the releases that a ratio's MinCount alone would not have allowed.
	released, withheld, beyond, resets int
}

func newMarket(t testing.TB, seed uint64, k kind, shared bool) *market {
	rnd := rand.New(rand.NewPCG(seed, 2))
	m := &market{t: t, rnd: rnd, seed: seed, kind: k, def: k.define(rnd, shared), books: map[string]*book{}}
	m.opts = Options{MaxLease: 1 + rnd.Int64N(10), LeaseFor: time.Duration(1 + rnd.Int64N(int64(time.Second)))}
	if shared {
		m.opts.LeaseFor, m.opts.StoreTimeout = time.Duration(20+rnd.IntN(500))*time.Millisecond, 10*time.Second
	}
	if k.keys > 0 {
		m.def.Key, m.def.MaxKeys = merchant, int64(k.places)
	}
	m.pace, m.actions = cmp.Or(k.pace, m.def.MaxCount), k.actions
	if k.actions == nil {
		m.actions = []string{m.def.Action}
	}
	return m
}

// order is an answer that wants to leave.
type order struct {
	Answer
	book   *book
	amount int64
}

// order makes one at t.
func (m *market) order(t int64) order {
	o := order{Answer: Answer{Action: m.actions[m.rnd.IntN(len(m.actions))]}, amount: 1}
	key := ""
	if m.keys > 0 {
		key = fmt.Sprint("k/", m.rnd.IntN(1+m.rnd.IntN(m.keys)))
	}
	if m.books[key] == nil {
		m.books[key] = &book{}
	}
	o.book = m.books[key]
	if m.def.Amount != "" {
		o.amount = m.amount(max(0, m.def.MaxCount-spentIn(o.book.released, t, int64(m.def.Window))))
	}
	if m.keys > 0 || m.def.Amount != "" {
		o.Inputs = []Input{{Source: notional, Amount: o.amount}, {Source: merchant, Key: key}}
	}
	return o
}

// amount is mostly a small part of the bound, now and then nothing, the rest, or more than all.
func (m *market) amount(left int64) int64 {
	switch m.rnd.IntN(20) {
	case 0:
		return 0
	case 1:
		return left
	case 2:
		return left + 1
	}
	return m.rnd.Int64N(1 + m.def.MaxCount/4)
}

// with answers what the window that ends at t holds with the order, and how much it may, where others leave it so much early.
func (m *market) with(o order, t int64, early time.Duration) (used, most int64) {
	window, r := int64(m.def.Window), m.def.Ratio
	used = spentIn(o.book.released, t, window) + o.amount
	if r == nil {
		return used, m.def.MaxCount
	}
	denominator := spentIn(o.book.others, t, window-int64(early))
	if m.def.own() {
		denominator += used
	}
	return used, r.SharePPM * max(denominator, r.MinCount) / whole
}

// enter writes down what became of an order at t.
func (m *market) enter(o order, v Verdict, t int64) {
	m.t.Helper()
	used, most := m.with(o, t, 0)
	switch {
	case v.Invalid:
		m.t.Fatalf("seed %d: %+v", m.seed, v)
	case o.Action != m.def.Action && !v.Released:
		m.t.Fatalf("seed %d: %q was withheld: %+v", m.seed, o.Action, v)
	case o.Action != m.def.Action:
		if m.def.Ratio.Denominator == nil || slices.Contains(m.def.Ratio.Denominator, o.Action) {
			o.book.others = append(o.book.others, spent{t, 1, v.Permit})
		}
	case v.Released:
		if used > most {
			m.t.Fatalf("seed %d: released as %d of at most %d in %v: %+v", m.seed, used, most, m.def.Window, m.def)
		}
		o.book.released = append(o.book.released, spent{t, o.amount, v.Permit})
		m.released++
		if r := m.def.Ratio; r != nil && used > r.SharePPM*r.MinCount/whole {
			m.beyond++
		}
	case v.Unavailable:
		if m.exact {
			m.t.Fatalf("seed %d: unavailable with a store that works: %v", m.seed, v.Err)
		}
	default:
		m.withheld++
		if used, most := m.with(o, t, (&limit{def: m.def}).tallyWidth()); m.exact && used <= most {
			m.t.Fatalf("seed %d: withheld as %d of at most %d in %v: %+v", m.seed, used, most, m.def.Window, m.def)
		}
	}
}

func (m *market) inOrder() (all []*book) {
	for _, key := range slices.Sorted(maps.Keys(m.books)) {
		all = append(all, m.books[key])
	}
	return all
}

// refund takes back something that this process released, twice: the second does nothing.
func (m *market) refund(g *Gate) {
	var from []*[]spent
	var at []int
	for _, b := range m.inOrder() {
		for _, all := range []*[]spent{&b.released, &b.others} {
			for i, one := range *all {
				if one.permit.p != nil {
					from, at = append(from, all), append(at, i)
				}
			}
		}
	}
	if len(from) == 0 {
		return
	}
	i := m.rnd.IntN(len(from))
	p := (*from[i])[at[i]].permit
	g.Refund(p)
	g.Refund(p)
	*from[i] = slices.Delete(*from[i], at[i], at[i]+1)
}

// crashed: what was released stays so, and nobody can take it back.
func (m *market) crashed() {
	for _, b := range m.books {
		for _, all := range [][]spent{b.released, b.others} {
			for i := range all {
				all[i].permit = Permit{}
			}
		}
	}
}

func (m *market) reset(g *Gate, limit string, now time.Time) error {
	m.resets++
	return g.Reset(context.Background(), Reset{Limit: limit, By: "ann", Reason: "test", RequestID: fmt.Sprint("r", m.resets), At: now})
}

// check tries every window of what was never taken back. A ratio may be passed later than at a release, so enter has looked at it.
func (m *market) check() {
	m.t.Helper()
	for key, b := range m.books {
		for _, end := range b.released {
			if sum := spentIn(b.released, end.at, int64(m.def.Window)); m.def.Ratio == nil && sum > m.def.MaxCount {
				m.t.Fatalf("seed %d: %q: the window of %v that ends at %v holds %d of at most %d", m.seed, key, m.def.Window,
					time.Unix(0, end.at).UTC(), sum, m.def.MaxCount)
			}
		}
	}
}

// flaky makes every call work, fail or be lost from now on.
func (m *market) flaky(st *memStore) {
	rnd := rand.New(rand.NewPCG(m.seed, m.rnd.Uint64()))
	st.setScript(func(int, string, string) outcome { return outcome(rnd.IntN(3)) })
}
