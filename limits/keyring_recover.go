package limits

import (
	"cmp"
	"slices"
)

// storedKey is the stored state of a key.
type storedKey struct {
	key, name string
	st        State
	// held: it is latched or in probation. until is the end of its latest lease, or when an answer was counted in its denominator.
	held  bool
	until int64
}

// recover takes over what the store knows of the limit's keys at t, and takes out of stored those that are live then. Where there are too
// many, those without a place count for the other.
func (r *keyring) recover(limit string, stored map[string]State, t int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	edge := t - int64(r.def.Window)
	var all []storedKey
	for name, st := range stored {
		root, key, keyed := SplitName(name)
		if !keyed || root != limit {
			continue
		}
		one := storedKey{key: key, name: name, st: st, held: st.Tripped || st.LastReset.Probation.holds(t)}
		for _, l := range st.Leases {
			one.until = max(one.until, l.Until.UnixNano())
		}
		for _, a := range st.Tallies {
			one.until = max(one.until, a.From.UnixNano())
		}
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b storedKey) int { return cmp.Or(-boolCompare(a.held, b.held), cmp.Compare(b.until, a.until)) })
	var live []storedKey
	for _, one := range all {
		counts := !r.shared && one.until > edge
		switch {
		case one.key == otherKey:
			if one.until > edge || one.st.Used > 0 {
				// Which keys shared it isn't known.
				r.strangers.everyone = max(t, one.until) + r.stay()
			}
			r.theOther().recover(one.st)
			delete(stored, one.name)
		case one.held || counts && len(live) < r.def.maxKeys():
			live = append(live, one)
		case counts:
			r.theOther().count(one.st.Leases)
			r.strangers.add(one.key, max(t, one.until), r.stay(), r.def.maxKeys())
		case one.until <= edge-r.slack() && len(one.st.Leases)+len(one.st.Tallies) > 0 && len(r.leaving) < largestMaxKeys:
			gone := r.make(one.key)
			gone.gone = true
			r.leaving = append(r.leaving, gone)
		}
	}
	slices.SortFunc(live, func(a, b storedKey) int { return cmp.Compare(a.until, b.until) })
	for _, one := range live {
		r.add(one.key, one.until).recover(one.st)
		delete(stored, one.name)
	}
}

// slack is how long nothing of a key has counted that a start takes out of the store: of a shared one, others are about to do so themselves, and
// the limit's time may be behind.
func (r *keyring) slack() int64 {
	if r.shared {
		return int64(r.def.Window + strangerSlack)
	}
	return 0
}

func boolCompare(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// holdsDryTrip says whether a key's latch is that of a dry run, which the limit isn't by d. All states are locked.
func (r *keyring) holdsDryTrip(d Definition) bool {
	return !d.DryRun && slices.ContainsFunc(r.held.all(), func(l *limit) bool { return l.latch.trip.DryRun })
}
