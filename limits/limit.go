package limits

import (
	"slices"
	"sync"
)

// limit is a configured limit. Two of one name, before and after a change of its definition, share the state.
type limit struct {
	def Definition
	*state
}

func newLimit(d Definition, shared bool) *limit {
	return &limit{def: d, state: &state{shared: shared, released: newWindow(d.remembered())}}
}

// state is that of one limit in this process. Everything below mu is guarded by it; no store is called under it.
type state struct {
	// shared: the store decides what is left, for all gateways. released stays empty then.
	shared bool

	mu sync.Mutex
	// released is the truth about this process: when answers were released. What an earlier process left in the store is in
	// it at the times that count for it.
	released window
	leases   leases
	// others are a ratio's denominator without its numerators, in this process; where the store is shared that has them. outbox is for
	// the store.
	others tally
	outbox outbox
	latch  latch
}

// remaining answers how many more may be released at t, by the window alone, and forgets what has left it.
func (l *limit) remaining(t int64) int64 {
	l.released.expire(t - int64(l.def.Window))
	l.others.expire(t - int64(l.def.Window))
	return l.bound(t) - int64(l.released.n)
}

// full says whether the window has no room. That of a shared store is known only there.
func (l *limit) full(m moment) bool { return !l.shared && l.remaining(m.t) <= 0 }

// release counts one answer and answers the lease that its permit is of; 0: of none, which only a dry run may do.
func (l *limit) release(m moment) (lease int64) {
	if !l.shared {
		l.released.insert(m.t)
	}
	return l.leases.use(m, 1)
}

// recover takes over what the store knows: every lease counts at its Until. That is never earlier than the use of any of its
// permits, settled or not: so a window that holds no more than MaxCount of these holds no more of the real ones.
func (l *limit) recover(st State) {
	byUse := slices.SortedFunc(slices.Values(st.Leases), func(a, b Lease) int { return a.Until.Compare(b.Until) })
	for _, stored := range byUse {
		if l.shared {
			break // the store goes on counting them
		}
		l.leases.lastID = max(l.leases.lastID, stored.ID)
		for range min(stored.Count, l.def.remembered()) {
			l.released.insert(stored.Until.UnixNano())
		}
		if stored.Count > l.def.remembered() {
			l.released.lost = max(l.released.lost, stored.Until.UnixNano())
		}
	}
	l.recount(st)
	l.leases.used = st.Used
	l.latch.lastReset = st.LastReset
	if st.Tripped {
		l.latch.tripped, l.latch.durable, l.latch.trip = true, true, st.Trip
		l.latch.ask, l.latch.ack = st.Ask, st.Ack
	}
}
