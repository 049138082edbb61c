// Package limits is the last gate before an answer leaves: it bounds how often an action may happen, or what its amounts come to, and
// once a bound is met it holds back every further answer with that action until a person looks. A limit may hold for each value of a
// key by itself.
//
// Use Gate.Acquire before an answer is released, Gate.Refund if it then wasn't,
// Route to learn where a withheld row goes, Gate.Reset to release a latch.
//
// Two promises. A limit is never exceeded: in no span of its window are more than MaxCount answers, or units, released, under any
// concurrency, over crashes, and by all gateways that share a Store, because permits are deducted there before they're used. And a trip latches: neither
// time nor a restart releases it, only Reset does. The price of the first is that a crash forfeits permits that were leased
// and not used, at most Options.MaxLease for each limit, until they leave the window; and after any restart a release may
// count for up to Options.LeaseFor longer than it has to, because the store knows only the last use of each lease.
//
// Every time comes from the caller, who takes it from the store's clock: one that never goes back, not over a restart either.
// A release happens at the now of its Acquire. Where gateways share the Store, that has the limits' times, and the package reads
// only the process's clock, for how long a lease has been in hand. docs/limits.md has the protocol, and why it is exact.
package limits

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// ErrClosed is why a closed Gate withholds.
var ErrClosed = errors.New("limits: the gate is closed")

// errNotBegun is why one of Open withholds.
var errNotBegun = errors.New("limits: what they count isn't noted in the store yet: call Begin")

// Defaults of Options.
const (
	defaultMaxLease     = 4096
	defaultLeaseFor     = time.Second
	defaultStoreTimeout = 5 * time.Second
)

// Options of a Gate; the zero value works. The callbacks are called outside of all locks, possibly at the same time, and
// must return soon: the answer waits for them.
type Options struct {
	// OnTrip is told once of every trip, after it is durable and before the answer that caused it is withheld. Dry runs too.
	OnTrip func(Trip)
	// OnDenied is told of every answer that a limit withheld because it was reached, the first and the later ones.
	OnDenied func(limit string, a Answer)
	// OnOverflow is told, once a minute at most for each limit, that keys share one limit because as many as MaxKeys are in use, and
	// of how many answers since it was told last.
	OnOverflow func(limit string, answers int64)
	// OnStoreError is told of every answer that could not wait for a limit's store any longer, because that failed or
	// because the caller's context ended; also where nothing was withheld because the limit is a dry run.
	OnStoreError func(limit string, err error)
	// OnWalls is told that the wall clock of another gateway is apart from this one's by more than 0.1 s, by another amount than before, or no more,
	// with by how much it is behind; see Walls. It is called after a question to a shared store.
	OnWalls func(behind time.Duration)
	// OnVoided is told, once a minute at most for each limit, that a question to a shared store has made void what gateways knew of the limit's time,
	// and how often it has happened here since it was told last: clocks that should say the same don't. Of a limit with a key all values count
	// together. Until each gateway has asked again, releases may count longer.
	OnVoided func(limit string, times int64)
	// MaxLease is for how many answers permits are deducted at once, and so forfeited by a crash, for each limit. Leases begin small,
	// and grow to this only while they are used up fast. Default 4096.
	MaxLease int64
	// LeaseFor is how long they may be used. Default 1s.
	LeaseFor time.Duration
	// Clock is the process's clock, with its monotonic reading: time.Now. A store that isn't shared needs none.
	Clock func() time.Time
	// StoreTimeout is the longest wait for the store. A caller's shorter deadline ends its own wait earlier. Default 5s.
	StoreTimeout time.Duration
}

func (o Options) withDefaults() Options {
	if o.MaxLease <= 0 {
		o.MaxLease = defaultMaxLease
	}
	if o.LeaseFor <= 0 {
		o.LeaseFor = defaultLeaseFor
	}
	if o.StoreTimeout <= 0 {
		o.StoreTimeout = defaultStoreTimeout
	}
	return o
}

// Gate grants or withholds answers. Safe for concurrent use. One Gate at a time uses a Store that isn't shared.
type Gate struct {
	store  Store
	opts   Options
	clock  clock
	roster atomic.Pointer[roster]
	// begun: the store has what the limits count.
	begun, closed atomic.Bool
	// shared says what the store's Shared does.
	shared bool
	walls  *Walls

	// desk is held by whoever looks at stored latches and follows them, or changes them as a person, or the definitions: a reset must not
	// be undone by what was read before it.
	desk  chan struct{}
	stops atomic.Pointer[stops]
	// hearing is of a shared store.
	hearing *hearing

	retiredMu sync.Mutex
	// retired is stored state of limits that are no longer configured, and of stops.
	retired map[string]State
}

// New makes a Gate over what the store holds: counts go on, and a stored latch stays latched. State of limits that aren't
// configured any more is left in the store; States reports it. A dry-run trip of a limit that is no longer a dry run held
// nothing and is reset, on record, by "configuration".
//
// now is the store's clock. Errors name the definition and the remedy, or are the store's; a *CountsError where a limit counts something
// else than before. With an error no name is taken for what its limit counts, unless the store did so and then failed.
func New(ctx context.Context, defs []Definition, st Store, now time.Time, opts Options) (*Gate, error) {
	g, err := Open(ctx, defs, st, now, opts)
	if err != nil {
		return nil, err
	}
	if err := g.Begin(ctx); err != nil {
		return nil, err
	}
	return g, nil
}

// Open is New without its last step, Begin, for whoever may still find a reason not to begin: no name is taken for what its limit counts.
// Until then all that the limits bound is withheld.
func Open(ctx context.Context, defs []Definition, st Store, now time.Time, opts Options) (*Gate, error) {
	g := &Gate{store: st, opts: opts.withDefaults(), desk: make(chan struct{}, 1), shared: st.Shared(), walls: newWalls()}
	if g.shared && g.opts.Clock == nil {
		return nil, errors.New("limits: a shared store without Options.Clock: how long a lease has been in hand can't be told; set time.Now")
	}
	limits := newRoster()
	defs, err := inOrder(defs)
	if err != nil {
		return nil, err
	}
	for _, d := range defs {
		limits.add(newLimit(d, g.shared))
	}

	g.hearing = newHearing(g.process())
	if err := g.recognize(ctx, defs); err != nil {
		return nil, err
	}
	stored, err := st.Load(ctx)
	if err != nil {
		return nil, fmt.Errorf("limits: the stored state can't be loaded: %w", err)
	}
	stored = maps.Clone(stored)
	g.clock.advance(now)
	for _, state := range stored {
		g.witness(state)
	}
	for _, l := range limits.limits {
		state := stored[l.def.Name]
		delete(stored, l.def.Name)
		if state.Tripped && state.Trip.DryRun && !l.def.DryRun {
			if state, err = g.endDryRun(ctx, state); err != nil {
				return nil, err
			}
		}
		l.recover(state)
		if l.keys == nil {
			if g.shared {
				if err := g.greet(ctx, l); err != nil {
					return nil, err
				}
			}
			continue
		}
		l.keys.recover(l.def.Name, stored, g.clock.ns.Load())
		for _, one := range l.keys.held.all() {
			if err := g.endDryRunOf(ctx, one); err != nil {
				return nil, err
			}
		}
	}
	g.retire(stored)
	g.roster.Store(limits)
	return g, nil
}

// Begin notes in the store what the limits count, and lets answers be released by them. A second call does nothing. Errors are the store's; a
// *CountsError where another Gate was first with something else.
func (g *Gate) Begin(ctx context.Context) error {
	return g.atDesk(ctx, func() error {
		if g.begun.Load() {
			return nil
		}
		var defs []Definition
		for _, l := range g.roster.Load().limits {
			defs = append(defs, l.def)
		}
		if err := g.declare(ctx, defs); err != nil {
			return err
		}
		g.begun.Store(true)
		return nil
	})
}

// shut answers why nothing is released; nil: it is.
func (g *Gate) shut() error {
	switch {
	case g.closed.Load():
		return ErrClosed
	case !g.begun.Load():
		return errNotBegun
	}
	return nil
}

// witness moves the clock to times that the store proves to have been: a clock that starts behind them would count what is
// released now as older than what was released before.
func (g *Gate) witness(st State) {
	for _, l := range st.Leases {
		g.clock.advance(l.From)
	}
	if st.Tripped {
		g.clock.advance(st.Trip.At)
	}
}

// endDryRun clears a trip that held nothing, so that the first one that does is latched and told of.
func (g *Gate) endDryRun(ctx context.Context, state State) (State, error) {
	r := Reset{
		Limit:     state.Trip.Limit,
		By:        "configuration",
		Reason:    "the limit is no longer a dry run; its dry-run trip held nothing",
		RequestID: "dry-run-ended/" + state.Trip.ID,
		At:        floorTime(g.clock.ns.Load()),
	}
	if err := g.store.Reset(ctx, r); err != nil && !errors.Is(err, ErrNotTripped) {
		return state, fmt.Errorf("limits: %s: the end of its dry run can't be stored: %w", r.Limit, err)
	}
	r.TripID = state.Trip.ID
	state.Tripped, state.Trip, state.LastReset = false, Trip{}, r
	return state, nil
}

// Covers says whether any limit, dry runs included, or a stop bounds such an answer, or counts it in a ratio's denominator: Acquire is then
// to be asked.
func (g *Gate) Covers(action, model, consumer string) bool {
	return g.stops.Load().find(action, model) != nil ||
		slices.ContainsFunc(g.roster.Load().meets.of(action), func(l *limit) bool { return l.def.covers(model, consumer) })
}
