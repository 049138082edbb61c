package limits

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// ErrNotFound: Reset of a limit that is neither configured nor known to the store.
var ErrNotFound = errors.New("limits: no such limit")

// errTripUnknown: what is latched here isn't in the store, and no reset there explains why.
var errTripUnknown = errors.New("the store doesn't know the trip; it may be another store than the one that latched: " +
	"the limit stays tripped")

// Reset releases a latch. The window goes on counting what was released, so if it is still full the next answer trips
// the limit again.
//
// Limit, By, Reason and RequestID must not be empty; At is the store's clock. A retry with the same RequestID answers nil
// and releases nothing a second time, even if the limit has tripped again since. On an error the limit stays latched;
// where the store's answer got lost, a retry with the same RequestID brings it to an end. Errors: ErrNotFound,
// ErrNotTripped, the store's.
func (g *Gate) Reset(ctx context.Context, r Reset) error {
	for _, f := range [...]struct{ name, value string }{
		{"limit", r.Limit}, {"by", r.By}, {"reason", r.Reason}, {"request_id", r.RequestID},
	} {
		if strings.TrimSpace(f.value) == "" {
			return fmt.Errorf("limits: reset: %s is empty: a reset names the limit, who asks, why, and a request id", f.name)
		}
	}
	r.At = floorTime(g.clock.peek(r.At))
	l := g.roster.Load().find(r.Limit)
	if l == nil {
		return g.resetRetired(ctx, r)
	}

	// A trip that isn't stored yet can't be reset there.
	l.mu.Lock()
	var storing *flight
	if l.latch.tripped {
		storing = g.storeTrip(ctx, l)
	}
	l.mu.Unlock()
	if storing != nil {
		if err := storing.wait(ctx); err != nil {
			return fmt.Errorf("limits: reset of %s: its trip isn't stored yet: %w", r.Limit, err)
		}
	}
	l.mu.Lock()
	held := l.latch.trip.ID
	l.mu.Unlock()

	resetErr := g.store.Reset(ctx, r)
	if resetErr != nil && !errors.Is(resetErr, ErrNotTripped) {
		return fmt.Errorf("limits: reset of %s: %w", r.Limit, resetErr)
	}
	// Nil may mean "released" or "that was done long ago": only the stored latch tells them apart.
	stored, err := g.store.Load(ctx)
	if err != nil {
		return fmt.Errorf("limits: reset of %s: stored, but not confirmed; repeat it with the same request id: %w", r.Limit, err)
	}
	if err := l.follow(stored[r.Limit], held, resetErr); err != nil {
		return fmt.Errorf("limits: reset of %s: %w", r.Limit, err)
	}
	return nil
}

// follow releases the latch of the trip held if the stored state says that it has been reset; resetErr is what the store
// answered to this reset: nil or ErrNotTripped. A trip that came after held isn't touched.
func (l *limit) follow(st State, held string, resetErr error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if st.LastReset.RequestID != "" {
		l.latch.lastReset = st.LastReset
	}
	if st.Tripped || !l.latch.tripped || l.latch.trip.ID != held {
		return resetErr
	}
	// "Not tripped", and no reset since the trip: the store lost the latch, which must not release it.
	if resetErr != nil && (st.LastReset.RequestID == "" || st.LastReset.At.Before(l.latch.trip.At)) {
		return errTripUnknown
	}
	l.latch.tripped, l.latch.durable, l.latch.trip, l.latch.withheld = false, false, Trip{}, 0
	return resetErr
}

// resetRetired resets a limit that is no longer configured: nothing here holds it.
func (g *Gate) resetRetired(ctx context.Context, r Reset) error {
	g.retiredMu.Lock()
	_, known := g.retired[r.Limit]
	g.retiredMu.Unlock()
	if !known {
		return fmt.Errorf("limits: reset of %s: %w", r.Limit, ErrNotFound)
	}
	if err := g.store.Reset(ctx, r); err != nil {
		return fmt.Errorf("limits: reset of %s: %w", r.Limit, err)
	}
	stored, err := g.store.Load(ctx)
	if err != nil {
		return fmt.Errorf("limits: reset of %s: stored, but not confirmed; repeat it with the same request id: %w", r.Limit, err)
	}
	g.retiredMu.Lock()
	g.retired[r.Limit] = stored[r.Limit]
	g.retiredMu.Unlock()
	return nil
}
