package limits

import (
	"context"
	"crypto/rand"
	"fmt"
)

// latch is a limit's tripped state.
type latch struct {
	tripped bool
	// durable: the store has it. A latch that isn't holds all the same, and every answer that meets it tries to store it.
	durable bool
	// doubtful: a failed attempt may have stored it, so "not the first" says nothing about who did.
	doubtful bool
	trip     Trip
	// withheld counts since the trip, or since the start of this process, if that was later.
	withheld  int64
	lastReset Reset
	ask       Ask
	ack       Acknowledgement
	call      *flight
}

// hold latches the limit by a trip that is stored already. l.mu is held, and the limit isn't tripped.
func (l *limit) hold(t Trip) { l.set(t, true) }

func (l *limit) set(t Trip, durable bool) {
	s := &l.latch
	s.tripped, s.durable, s.doubtful, s.trip, s.withheld, s.ask, s.ack = true, durable, false, t, 0, Ask{}, Acknowledgement{}
	if l.ring != nil {
		l.ring.held.add(l)
	}
}

// unhold releases the latch. l.mu is held.
func (l *limit) unhold() {
	s := &l.latch
	s.tripped, s.durable, s.doubtful, s.trip, s.withheld, s.ask, s.ack = false, false, false, Trip{}, 0, Ask{}, Acknowledgement{}
	if l.ring != nil {
		l.ring.held.remove(l)
	}
}

// trip latches the limit by the answer a at t, of which n didn't fit. l.mu is held, and the limit isn't tripped.
func (l *limit) trip(a Answer, t, n int64) {
	trip := Trip{
		ID:           rand.Text(),
		Limit:        l.def.Name,
		Action:       a.Action,
		Model:        a.Model,
		Consumer:     a.Consumer,
		PredictionID: a.PredictionID,
		At:           floorTime(t),
		Count:        l.released.sum,
		MaxCount:     l.bound(t),
		Unit:         l.def.Unit,
		Denominator:  l.denominator(t, l.released.sum),
		Window:       l.def.Window,
		DryRun:       l.def.DryRun,
	}
	if l.def.Amount != "" {
		trip.Amount = n
	}
	l.set(trip, false)
}

// storeTrip joins or starts the call that makes the latch durable; nil: it is. l.mu is held.
func (g *Gate) storeTrip(ctx context.Context, l *limit) *flight {
	s := &l.latch
	if s.durable || s.call != nil {
		return s.call
	}
	trip := s.trip
	s.call = fly(ctx, g.opts.StoreTimeout, func(ctx context.Context) error {
		var first bool
		err := guarded(func() (err error) {
			first, err = g.store.Trip(ctx, trip)
			return err
		})
		l.mu.Lock()
		s.call = nil
		s.durable = err == nil
		tell := err == nil && (first || s.doubtful)
		s.doubtful = s.doubtful || err != nil
		l.mu.Unlock()
		if err != nil {
			return fmt.Errorf("limits: %s: trip: %w", trip.Limit, err)
		}
		if tell && g.opts.OnTrip != nil {
			g.opts.OnTrip(trip)
		}
		return nil
	})
	return s.call
}
