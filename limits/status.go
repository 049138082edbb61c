package limits

import (
	"cmp"
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
	// Stop: this is a person's stop, and Trip says whose.
	Stop bool
}

// States answers every limit, in order of name.
func (g *Gate) States(now time.Time) []Status {
	t := g.clock.peek(now)
	m := moment{t: t, process: g.process()}
	limits := g.roster.Load()
	states := make([]Status, 0, len(limits.limits))
	for _, l := range limits.limits {
		states = append(states, l.status(m))
	}
	for _, l := range limits.parked {
		states = append(states, l.parkedStatus(m))
	}
	g.retiredMu.Lock()
	for name, st := range g.retired {
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
			s.Definition.Action, _ = strings.CutPrefix(name, stopActionPrefix)
			s.Definition.Model, _ = strings.CutPrefix(name, stopModelPrefix)
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

func (l *limit) status(m moment) Status {
	l.mu.Lock()
	defer l.mu.Unlock()
	used, bound := int64(l.released.after(m.t-int64(l.def.Window))), l.bound(m.t)
	leased := l.leases.unused(m)
	if l.shared {
		used = max(0, min(l.leases.used, max(l.def.MaxCount, bound))-leased)
	}
	leased = max(0, min(leased, bound-used))
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
	}
	if p := l.latch.lastReset.Probation; p.SharePPM > 0 && m.t < p.Until.UnixNano() {
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
