package limits

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Follow takes over what others have done to the stored latches since: gateways that share the store, and people at them. Trips
// and stops of others hold here from then on, and what was reset there is released. Call it when the store's LatchesChanged says
// so, and twice a second or so besides: that is how late a stop is where a change goes unheard. On an error everything stays as it
// is; a latch that the store has lost stays too, and is such an error.
func (g *Gate) Follow(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, g.opts.StoreTimeout)
	defer cancel()
	came := false
	err := g.atDesk(ctx, func() error {
		came = true
		lost, err := g.follow(ctx)
		for name, one := range lost {
			err = errors.Join(err, fmt.Errorf("limits: %s: %w", name, one))
		}
		return err
	})
	if !came {
		g.hearing.heard(time.Time{}, err)
	}
	return err
}

// atDesk runs do as the only one that reads or changes stored latches.
func (g *Gate) atDesk(ctx context.Context, do func() error) error {
	select {
	case g.desk <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-g.desk }()
	return do()
}

// follow is Follow at the desk. lost are latches that stay, by limit, and why.
func (g *Gate) follow(ctx context.Context) (lost map[string]error, err error) {
	began := g.process()
	limits, t := g.roster.Load(), g.clock.ns.Load()
	// What is latched from here on may be missing in what is read. Of keys only those that are latched, here or there, are looked at.
	all := slices.Collect(limits.all())
	for l := range limits.all() {
		if l.keys != nil {
			all = append(all, l.keys.held.all()...)
		}
	}
	held := make([]string, len(all))
	for i, l := range all {
		l.mu.Lock()
		if l.latch.tripped && l.latch.durable {
			held[i] = l.latch.trip.ID
		}
		l.mu.Unlock()
	}
	stored, err := g.store.Latched(ctx)
	if err != nil {
		err = fmt.Errorf("limits: the stored latches can't be read: %w", err)
		g.hearing.heard(began, err)
		return nil, err
	}
	// What the store hands out may be its own.
	rest := maps.Clone(stored)
	lost = map[string]error{}
	for i, l := range all {
		name := l.def.Name
		var err error
		if l.ring != nil {
			err = l.ring.adopt(l.key(), stored[name], held[i], t)
		} else {
			err = l.adopt(stored[name], held[i])
		}
		if err != nil {
			lost[name] = err
		}
		delete(rest, name)
	}
	for name, st := range rest {
		l := limits.keyed(name)
		if l == nil {
			continue
		}
		_, key, _ := SplitName(name)
		_ = l.keys.adopt(key, st, "", t) // it isn't latched here
		if st.Tripped {
			delete(rest, name)
		}
	}
	g.retire(rest)
	g.hearing.heard(began, nil)
	return lost, nil
}

// adopt makes the latch what the store says. held is the trip that was stored before the store was read; empty: none.
func (l *limit) adopt(st State, held string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !st.LastReset.At.Before(l.latch.lastReset.At) {
		l.latch.lastReset = st.LastReset
	}
	if l.ring == nil { // of keys only the answers to leases tell it
		l.leases.used = st.Used
	}
	switch {
	case st.Tripped && !l.latch.tripped:
		if st.Trip.DryRun && !l.def.DryRun {
			// It held nothing where it was made, by a gateway with another configuration, and nothing here.
			return nil
		}
		l.hold(st.Trip)
		fallthrough
	case st.Tripped && l.latch.durable:
		l.latch.trip, l.latch.ask, l.latch.ack = st.Trip, st.Ask, st.Ack
	case !st.Tripped && l.latch.tripped && l.latch.durable && l.latch.trip.ID == held:
		// The store lost the latch, which must not release it.
		r := &st.LastReset
		if r.RequestID == "" || r.TripID != l.latch.trip.ID && r.At.Before(l.latch.trip.At) {
			return errTripUnknown
		}
		l.unhold()
		if l.shared {
			// Permits in hand were granted by the bound before: of probation only the store knows what is left.
			l.leases.close(1)
		}
	}
	return nil
}
