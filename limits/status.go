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
}

// States answers every limit, in order of name.
func (g *Gate) States(now time.Time) []Status {
	t := g.clock.peek(now)
	limits := g.roster.Load()
	states := make([]Status, 0, len(limits.limits))
	for _, l := range limits.limits {
		states = append(states, l.status(t))
	}
	for _, l := range limits.parked {
		states = append(states, l.parkedStatus(t))
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

func (l *limit) status(t int64) Status {
	l.mu.Lock()
	defer l.mu.Unlock()
	used := int64(l.released.after(t - int64(l.def.Window)))
	leased := max(0, min(l.leases.unused(t), l.def.MaxCount-used))
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
