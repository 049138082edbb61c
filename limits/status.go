package limits

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Status is one limit as an operator sees it.
type Status struct {
	// Definition has only a Name, and what a reset takes, when the limit isn't Configured.
	Definition Definition
	// Configured is false for state that the store keeps of a limit that is no longer in the configuration; such a limit
	// withholds nothing.
	Configured bool
	// Used counts what was released in the window that ends now, and Leased: at most MaxCount, or, where that was lowered meanwhile,
	// what was released before.
	Used int64
	// Leased of it are permits that are deducted and not used; they come back when the lease ends.
	Leased int64
	// Tripped: every answer is withheld until a Reset (in a dry run: would be). Trip is zero when it isn't.
	Tripped bool
	Trip    Trip
	// Durable is false while the trip isn't stored yet.
	Durable bool
	// Withheld counts answers since the trip, the one that tripped included, or since the start of this process, if that was
	// later. In a dry run: those that would have been.
	Withheld int64
	// LastReset is zero when there was none.
	LastReset Reset
	// Bound is what holds: MaxCount, or a part of it while in probation until ProbationEnd (zero: it isn't).
	Bound        int64
	ProbationEnd time.Time
	// Denominator of a ratio: the answers in the window that Used-Leased are a share of, its own among them where they are in it. Where the
	// store is shared, as it said last.
	Denominator int64
	// Room is when the window has room for another release; zero: it has.
	Room time.Time
	// Ask is a reset that waits to be confirmed, and Ack who looks after the trip; zero: none, nobody.
	Ask Ask
	Ack Acknowledgement
	// Voided counts how often a question of this process about the limit, or about any value of its key, has made void what gateways knew of its
	// time; see Options.OnVoided.
	Voided int64
	// Stop: this is a person's stop, and Trip says whose.
	Stop bool
	// Key of the limit of one value of a limit's key, escaped as in KeyName; empty: it isn't one.
	Key string
	// Keys of a limit that has a key; nil: it has none. Used, Leased, Bound, Denominator and Room are then those of the most used one, and Tripped is about
	// all of them: by a latch from when the limit had no key.
	Keys *Keys
}

// Keys sums up the values of a limit's key.
type Keys struct {
	// Live is how many have a limit of their own, and Tripped how many of those are.
	Live, Tripped int
	// Overflowed counts the answers since the start of this process whose key shared the limit of OtherKeys.
	Overflowed int64
	// Largest is the key that has used most, escaped; empty: none has used any.
	Largest string
}

// listedKeys is how many of the most used keys States has beside those that are tripped.
const listedKeys = 10

// States answers every limit, in order of name. Of a limit's keys it has those that are tripped and the most used; State has any.
func (g *Gate) States(now time.Time) []Status {
	t := g.clock.peek(now)
	m := moment{t: t, process: g.process()}
	limits := g.roster.Load()
	states := make([]Status, 0, len(limits.limits))
	for _, l := range limits.limits {
		states = append(states, l.statuses(m, Status.itself)...)
	}
	for _, l := range limits.parked {
		states = append(states, l.statuses(m, Status.parked)...)
	}
	g.retiredMu.Lock()
	for name, st := range g.retired {
		if _, _, keyed := SplitName(name); keyed && !st.Tripped {
			continue // only that it was used or reset is known
		}
		s := Status{
			Definition: Definition{Name: name},
			Tripped:    st.Tripped,
			Trip:       st.Trip,
			Durable:    true,
			LastReset:  st.LastReset,
			Ask:        pending(st.Ask, t),
			Ack:        st.Ack,
		}
		if IsStop(name) {
			s.Stop = true
			if action, ok := strings.CutPrefix(name, stopActionPrefix); ok {
				s.Definition.Action = action
			} else {
				s.Definition.Model = strings.TrimPrefix(name, stopModelPrefix)
			}
			s.Definition.After = g.aftermath(name)
		}
		if now := g.stops.Load(); now != nil && now.byName[name] != nil {
			s.Withheld = now.byName[name].withheld.Load()
		}
		states = append(states, s)
	}
	g.retiredMu.Unlock()
	slices.SortFunc(states, func(a, b Status) int { return cmp.Compare(a.Definition.Name, b.Definition.Name) })
	return states
}

// State answers one limit, one of a key among them. Errors: ErrNotFound.
func (g *Gate) State(now time.Time, name string) (Status, error) {
	if limits := g.roster.Load(); limits.keyed(name) != nil {
		if l := limits.find(name); l != nil {
			s := l.status(moment{t: g.clock.peek(now), process: g.process()})
			if limits.parked[l.root()] != nil {
				s = s.parked()
			}
			return s, nil
		}
	}
	for _, s := range g.States(now) {
		if s.Definition.Name == name {
			return s, nil
		}
	}
	return Status{}, fmt.Errorf("limits: %s: %w", name, ErrNotFound)
}

// used answers what counts in the window, and what is leased beside it. l.mu is held.
func (l *limit) used(m moment) (used, leased int64) {
	leased = l.leases.unused(m)
	switch {
	case !l.shared:
		used = l.released.after(m.t - int64(l.def.Window))
	case l.ring == nil || m.process.Sub(l.leases.seen.Answered) < l.def.Window: // of a key nobody else tells what has left since
		used = max(0, min(l.leases.used, l.def.most())-leased)
	}
	return used, max(0, min(leased, l.bound(m.t)-used))
}

func (l *limit) status(m moment) Status {
	l.mu.Lock()
	defer l.mu.Unlock()
	used, leased := l.used(m)
	bound := l.bound(m.t)
	s := Status{
		Definition:  l.def,
		Configured:  true,
		Used:        used + leased,
		Leased:      leased,
		Tripped:     l.latch.tripped,
		Trip:        l.latch.trip,
		Durable:     !l.latch.tripped || l.latch.durable,
		Withheld:    l.latch.withheld,
		LastReset:   l.latch.lastReset,
		Bound:       bound,
		Denominator: l.denominator(m.t, used),
		Room:        l.room(m.t),
		Ask:         pending(l.latch.ask, m.t),
		Ack:         l.latch.ack,
		Voided:      l.voids.sum(),
		Key:         l.key(),
	}
	if p := l.latch.lastReset.Probation; p.holds(m.t) {
		s.ProbationEnd = p.Until
	}
	return s
}

// pending answers the ask if it can still be confirmed at t.
func pending(a Ask, t int64) Ask {
	if !a.Pending(time.Unix(0, t)) {
		return Ask{}
	}
	return a
}
