package limits

import (
	"cmp"
	"slices"
	"strings"
	"sync"
)

// limit is a configured limit, or that of one value of a limit's key. Two of one name, before and after a change of its definition,
// share the state.
type limit struct {
	def Definition
	// keys are the values of a limit that has a key. What is latched under its own name, from when it had none, holds for all of them.
	keys *keyring
	// ring is what the limit of one value is in.
	ring *keyring
	*state
}

func newLimit(d Definition, shared bool) *limit {
	l := &limit{def: d, state: &state{shared: shared, voids: &voids{}, released: newWindow(d), leases: leases{sums: d.Amount != ""}}}
	if d.Key != "" {
		l.keys = newKeyring(d, shared)
		l.keys.voids = l.voids
	}
	return l
}

// inLockOrder is the order in which several are locked: limits by name, and after each the values of its key.
func inLockOrder(a, b *limit) int {
	return cmp.Or(strings.Compare(a.root(), b.root()), strings.Compare(a.def.Name, b.def.Name))
}

// root is the name that is configured.
func (l *limit) root() string {
	if l.ring == nil {
		return l.def.Name
	}
	name, _, _ := SplitName(l.def.Name)
	return name
}

// state is that of one limit in this process. Everything below mu is guarded by it; no store is called under it.
type state struct {
	// shared: the store decides what is left, for all gateways. released stays empty then.
	shared bool
	// voids are the limit's, and of all values of its key.
	voids *voids

	mu sync.Mutex
	// released is the truth about this process: what answers released, and when. What an earlier process left in the store is in
	// it at the times that count for it.
	released window
	leases   leases
	// others are a ratio's denominator without its numerators, in this process; where the store is shared that has them. outbox is for
	// the store.
	others tally
	outbox outbox
	latch  latch
	// gone: it was that of a key that is forgotten. Whoever has locked it looks for the key again.
	gone bool
}

// remaining answers how much more may be released at t, by the window alone, and forgets what has left it.
func (l *limit) remaining(t int64) int64 {
	l.released.expire(t - int64(l.def.Window))
	l.others.expire(t - int64(l.def.Window))
	return l.bound(t) - l.released.sum
}

// full says whether the window has no room for n. That of a shared store is known only there.
func (l *limit) full(m moment, n int64) bool { return !l.shared && l.remaining(m.t) < n }

// release counts n and answers the lease that its permits are of; 0: of none, which only a dry run may do.
func (l *limit) release(m moment, n int64) (lease int64) {
	if !l.shared {
		l.released.insert(m.t, n)
	}
	return l.leases.use(m, n)
}

// recover takes over what the store knows: every lease counts at its Until. That is never earlier than the use of any of its
// permits, settled or not: so a window that holds no more than MaxCount of these holds no more of the real ones.
func (l *limit) recover(st State) {
	if !l.shared { // a shared store goes on counting them
		l.count(st.Leases)
	}
	l.recount(st)
	l.leases.used = st.Used
	l.latch.lastReset = st.LastReset
	if st.Tripped {
		l.hold(st.Trip)
		l.latch.ask, l.latch.ack = st.Ask, st.Ack
	}
}

// count takes over what stored leases say was released.
func (l *limit) count(leases []Lease) {
	for _, stored := range slices.SortedFunc(slices.Values(leases), func(a, b Lease) int { return a.Until.Compare(b.Until) }) {
		l.leases.lastID = max(l.leases.lastID, stored.ID)
		l.released.insert(stored.Until.UnixNano(), stored.Count)
	}
}
