package limits

import (
	"cmp"
	"slices"
	"time"
)

// Status is one limit as an operator sees it.
type Status struct {
	// Definition has only a Name when the limit isn't Configured.
	Definition Definition
	// Configured is false for state that the store keeps of a limit that is no longer in the configuration; such a limit
	// withholds nothing.
	Configured bool
	// Used counts what was released in the window that ends now, and Leased, at most MaxCount.
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
}

// States answers every limit, in order of name.
func (g *Gate) States(now time.Time) []Status {
	states := make([]Status, 0, len(g.limits))
	for _, l := range g.limits {
		states = append(states, l.status(moment{t: g.clock.peek(now), process: g.process()}))
	}
	g.retiredMu.Lock()
	for name, st := range g.retired {
		states = append(states, Status{
			Definition: Definition{Name: name},
			Tripped:    st.Tripped,
			Trip:       st.Trip,
			Durable:    true,
			LastReset:  st.LastReset,
		})
	}
	g.retiredMu.Unlock()
	slices.SortFunc(states, func(a, b Status) int { return cmp.Compare(a.Definition.Name, b.Definition.Name) })
	return states
}

func (l *limit) status(m moment) Status {
	l.mu.Lock()
	defer l.mu.Unlock()
	used := int64(l.released.after(m.t - int64(l.def.Window)))
	leased := l.leases.unused(m)
	if l.shared {
		used = max(0, min(l.leases.used, l.def.MaxCount)-leased)
	}
	leased = min(leased, l.def.MaxCount-used)
	return Status{
		Definition: l.def,
		Configured: true,
		Used:       used + leased,
		Leased:     leased,
		Tripped:    l.latch.tripped,
		Trip:       l.latch.trip,
		Durable:    !l.latch.tripped || l.latch.durable,
		Withheld:   l.latch.withheld,
		LastReset:  l.latch.lastReset,
	}
}
