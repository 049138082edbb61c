package limits

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"
)

// roster is which limits there are. Read-only after it is made; the limits' states are not.
type roster struct {
	// limits by name; the order in which several are locked. byAction has those that bound an action.
	limits   []*limit
	byAction map[string][]*limit
	meets    meeting
	// parked are limits that were taken out of the configuration while the process ran: they bound nothing, keep their counts and
	// latches, and go on with them when they are back.
	parked map[string]*limit
}

func newRoster() *roster {
	return &roster{byAction: map[string][]*limit{}, meets: meeting{byAction: map[string][]*limit{}}, parked: map[string]*limit{}}
}

func (r *roster) add(l *limit) {
	r.limits = append(r.limits, l)
	r.byAction[l.def.Action] = append(r.byAction[l.def.Action], l)
	r.meets.add(l)
}

// find answers the limit of this name, parked ones among them; nil: there is none.
func (r *roster) find(name string) *limit {
	i, ok := slices.BinarySearchFunc(r.limits, name, func(l *limit, name string) int { return strings.Compare(l.def.Name, name) })
	if !ok {
		return r.parked[name]
	}
	return r.limits[i]
}

// all yields every limit, parked ones among them.
func (r *roster) all() iter.Seq[*limit] {
	return func(yield func(*limit) bool) {
		for _, l := range r.limits {
			if !yield(l) {
				return
			}
		}
		for _, l := range r.parked {
			if !yield(l) {
				return
			}
		}
	}
}

// inOrder answers valid definitions in the order of their names.
func inOrder(defs []Definition) ([]Definition, error) {
	defs = slices.SortedFunc(slices.Values(defs), func(a, b Definition) int { return strings.Compare(a.Name, b.Name) })
	for i, d := range defs {
		if err := d.validate(); err != nil {
			return nil, err
		}
		if i > 0 && defs[i-1].Name == d.Name {
			return nil, fmt.Errorf("limits: %s: defined twice: rename one", d.Name)
		}
	}
	return defs, nil
}

// updateTries is how often the end of a dry run is stored before Update gives up: each time another answer may have tripped it.
const updateTries = 5

var errTripping = errors.New("its dry run trips again and again; try again")

// Update replaces the definitions. A limit that keeps its name keeps its count and its latch, whatever else about it changes; one that
// is taken out keeps them for when it is back, and its latch is released by Reset alone. A dry-run trip of a limit that is no
// longer a dry run is reset, as by New. Answers are decided by the old definitions or by the new ones, never by some of each, and
// nothing that was released before goes uncounted under a higher MaxCount.
//
// On an error nothing has changed, except that dry runs may have been reset. Errors name the definition and the remedy, or are the store's.
func (g *Gate) Update(ctx context.Context, defs []Definition, now time.Time) error {
	defs, err := inOrder(defs)
	if err != nil {
		return err
	}
	return g.atDesk(ctx, func() error { return g.update(ctx, defs, now) })
}

// update needs the desk: what Follow reads must not be taken for the state of other limits than there are.
func (g *Gate) update(ctx context.Context, defs []Definition, now time.Time) error {
	next, err := g.prepare(ctx, defs, g.clock.advance(now))
	if err != nil {
		return err
	}
	for range updateTries {
		for _, l := range next.limits {
			if err := g.endDryRunOf(ctx, l); err != nil {
				return err
			}
		}
		if g.install(next, g.clock.advance(now)) {
			return nil
		}
	}
	return fmt.Errorf("limits: %w", errTripping)
}

// prepare makes the roster of new definitions over the states that there are.
func (g *Gate) prepare(ctx context.Context, defs []Definition, t int64) (*roster, error) {
	old, next := g.roster.Load(), newRoster()
	var stored map[string]State
	for _, d := range defs {
		if had := old.find(d.Name); had != nil {
			next.add(&limit{def: d, state: had.state})
			continue
		}
		if stored == nil {
			var err error
			if stored, err = g.store.Load(ctx); err != nil {
				return nil, fmt.Errorf("limits: the stored state can't be loaded: %w", err)
			}
		}
		l := newLimit(d, g.shared)
		g.witness(stored[d.Name])
		l.recover(stored[d.Name])
		if g.shared {
			if err := g.greet(ctx, l); err != nil {
				return nil, err
			}
		}
		next.add(l)
	}
	for l := range old.all() {
		if next.find(l.def.Name) == nil {
			next.parked[l.def.Name] = l
		}
	}
	return next, nil
}

// install makes the roster the one that answers are decided by. It doesn't while a limit that holds has the trip of a dry run.
func (g *Gate) install(next *roster, t int64) bool {
	// In the order in which answers lock them, new limits too: nobody else knows those.
	locked := slices.SortedFunc(next.all(), func(a, b *limit) int { return strings.Compare(a.def.Name, b.def.Name) })
	for _, l := range locked {
		l.mu.Lock()
		defer l.mu.Unlock()
	}
	for _, l := range next.limits {
		if l.holdsDryTrip() {
			return false
		}
	}
	for _, l := range next.limits {
		l.released.raise(l.def.remembered(), t-int64(l.def.Window))
	}
	g.roster.Store(next)
	g.retiredMu.Lock()
	defer g.retiredMu.Unlock()
	// A copy: States may be reading it.
	g.retired = maps.Clone(g.retired)
	maps.DeleteFunc(g.retired, func(name string, _ State) bool { return next.find(name) != nil })
	return true
}

// holdsDryTrip needs mu. It says that the limit holds, and its latch is that of a dry run, which held nothing.
func (l *limit) holdsDryTrip() bool { return !l.def.DryRun && l.latch.tripped && l.latch.trip.DryRun }

// endDryRunOf resets the trip of a dry run, on record, where the limit is none any more.
func (g *Gate) endDryRunOf(ctx context.Context, l *limit) error {
	l.mu.Lock()
	var storing *flight
	ends := l.holdsDryTrip()
	if ends {
		storing = g.storeTrip(ctx, l)
	}
	trip := l.latch.trip
	l.mu.Unlock()
	if !ends {
		return nil
	}
	if storing != nil {
		if err := storing.wait(ctx); err != nil {
			return fmt.Errorf("limits: %s: the trip of its dry run isn't stored yet: %w", l.def.Name, err)
		}
	}
	ended, err := g.endDryRun(ctx, State{Tripped: true, Trip: trip})
	if err != nil {
		return err
	}
	// The same as after an operator's reset: a later trip isn't touched.
	return l.adopt(ended, trip.ID)
}

// parkedStatus is that of a limit which isn't in the configuration any more.
func (l *limit) parkedStatus(m moment) Status {
	st := l.status(m)
	st.Definition, st.Configured = Definition{Name: l.def.Name, After: l.def.After}, false
	return st
}
