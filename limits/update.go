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
	// limits by name; the order in which several are locked.
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

// find answers the limit of this name, parked ones and those of keys among them; nil: there is none.
func (r *roster) find(name string) *limit {
	if l := r.keyed(name); l != nil {
		_, key, _ := SplitName(name)
		return l.keys.find(key)
	}
	return r.configured(name)
}

// keyed answers the limit that has a key of which the name is one; nil: there is none.
func (r *roster) keyed(name string) *limit {
	root, _, keyed := SplitName(name)
	if !keyed || IsStop(name) {
		return nil
	}
	if l := r.configured(root); l != nil && l.keys != nil {
		return l
	}
	return nil
}

// configured answers the limit of this name that is or was configured.
func (r *roster) configured(name string) *limit {
	i, ok := slices.BinarySearchFunc(r.limits, name, func(l *limit, name string) int { return strings.Compare(l.def.Name, name) })
	if !ok {
		return r.parked[name]
	}
	return r.limits[i]
}

// all yields every limit, parked ones among them, and none of a key.
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
// On an error nothing has changed, except that dry runs may have been reset. The store holds new names to what they count only once nothing else
// can refuse them; where a dry run trips just then and can't be reset, or the store fails after it did, they are taken although there is an error.
// Errors name the definition and the remedy, or are the store's.
func (g *Gate) Update(ctx context.Context, defs []Definition, now time.Time) error {
	defs, err := inOrder(defs)
	if err != nil {
		return err
	}
	return g.atDesk(ctx, func() error { return g.update(ctx, defs, now) })
}

// Check answers the error of an Update whose definitions can't be, with what is configured and stored. It changes nothing, and notes nothing.
func (g *Gate) Check(ctx context.Context, defs []Definition) error {
	defs, err := inOrder(defs)
	if err != nil {
		return err
	}
	return g.possible(ctx, g.roster.Load(), defs)
}

// possible says whether limits go on counting what they do, in this process and in the store.
func (g *Gate) possible(ctx context.Context, old *roster, defs []Definition) error {
	for _, d := range defs {
		if had := old.configured(d.Name); had != nil {
			if before, now := had.def.countsByKey(), d.countsByKey(); before != now {
				return &CountsError{Limit: d.Name, Stored: before, Now: now}
			}
		}
	}
	return g.recognize(ctx, defs)
}

// update needs the desk: what Follow reads must not be taken for the state of other limits than there are.
func (g *Gate) update(ctx context.Context, defs []Definition, now time.Time) error {
	next, err := g.prepare(ctx, defs, g.clock.advance(now))
	if err != nil {
		return err
	}
	if err := g.endDryRuns(ctx, next); err != nil {
		return err
	}
	if err := g.declare(ctx, defs); err != nil {
		return err
	}
	for range updateTries {
		if err := g.endDryRuns(ctx, next); err != nil {
			return err
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
	if err := g.possible(ctx, old, defs); err != nil {
		return nil, err
	}
	var stored map[string]State
	for _, d := range defs {
		if had := old.configured(d.Name); had != nil {
			next.add(&limit{def: d, keys: had.keys, state: had.state})
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
		switch {
		case l.keys != nil:
			for name, st := range stored {
				if limit, _, keyed := SplitName(name); keyed && limit == d.Name {
					g.witness(st)
				}
			}
			l.keys.recover(d.Name, maps.Clone(stored), g.clock.ns.Load())
		case g.shared:
			if err := g.greet(ctx, l); err != nil {
				return nil, err
			}
		}
		next.add(l)
	}
	for l := range old.all() {
		if next.configured(l.def.Name) == nil {
			next.parked[l.def.Name] = l
		}
	}
	return next, nil
}

// install makes the roster the one that answers are decided by. It doesn't while a limit that holds has the trip of a dry run.
func (g *Gate) install(next *roster, t int64) bool {
	// In the order in which answers lock them, new limits too: nobody else knows those.
	locked := slices.SortedFunc(next.all(), inLockOrder)
	for _, l := range locked {
		if l.keys != nil {
			l.keys.mu.Lock()
			defer l.keys.mu.Unlock()
			locked = append(locked, l.keys.lockedAll()...)
		}
	}
	slices.SortFunc(locked, inLockOrder)
	for _, l := range locked {
		l.mu.Lock()
		defer l.mu.Unlock()
	}
	for _, l := range next.limits {
		if l.holdsDryTrip() || l.keys != nil && l.keys.holdsDryTrip(l.def) {
			return false
		}
	}
	for _, l := range next.limits {
		edge := t - int64(l.def.Window)
		l.released.raise(l.def, edge)
		if l.keys != nil {
			l.keys.redefine(l.def)
			for _, one := range l.keys.lockedAll() {
				one.released.raise(one.def, edge)
			}
		}
	}
	g.roster.Store(next)
	g.retiredMu.Lock()
	defer g.retiredMu.Unlock()
	// A copy: States may be reading it.
	g.retired = maps.Clone(g.retired)
	maps.DeleteFunc(g.retired, func(name string, _ State) bool { return next.configured(name) != nil })
	return true
}

// holdsDryTrip needs mu. It says that the limit holds, and its latch is that of a dry run, which held nothing.
func (l *limit) holdsDryTrip() bool { return !l.def.DryRun && l.latch.tripped && l.latch.trip.DryRun }

// endDryRuns resets the trips of dry runs of a new roster's limits that are none any more.
func (g *Gate) endDryRuns(ctx context.Context, next *roster) error {
	for _, l := range next.limits {
		ends := []*limit{l}
		if l.keys != nil && !l.def.DryRun {
			for _, one := range l.keys.held.all() {
				// It is still that of the old definition.
				one = &limit{def: one.def, ring: one.ring, state: one.state}
				one.def.DryRun = false
				ends = append(ends, one)
			}
		}
		for _, one := range ends {
			if err := g.endDryRunOf(ctx, one); err != nil {
				return err
			}
		}
	}
	return nil
}

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
