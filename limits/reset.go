package limits

import (
	"context"
	"errors"
	"fmt"
)

// ErrNotFound: a name that is neither configured nor known to the store.
var ErrNotFound = errors.New("limits: no such limit")

// ErrSecondPerson: Reset of a limit that takes two people; see AskReset.
var ErrSecondPerson = errors.New("limits: a reset of the limit takes two people")

// errTripUnknown: what is latched here isn't in the store, and no reset there explains why.
var errTripUnknown = errors.New("the store doesn't know the trip; it may be another store than the one that latched: " +
	"the limit stays tripped")

// Reset releases a latch, and begins the limit's probation. The window goes on counting what was released, so if it is still full
// the next answer trips the limit again.
//
// Limit, By, Reason and RequestID must not be empty; At is the store's clock; Probation is set here. A retry with the same RequestID
// answers nil and releases nothing a second time, even if the limit has tripped again since. On an error the limit stays latched;
// where the store's answer got lost, a retry with the same RequestID brings it to an end. Errors: ErrNotFound, ErrNotTripped,
// ErrSecondPerson, the store's.
func (g *Gate) Reset(ctx context.Context, r Reset) error {
	if err := named("reset", field{"limit", r.Limit}, field{"by", r.By}, field{"reason", r.Reason}, field{"request_id", r.RequestID}); err != nil {
		return err
	}
	after := g.aftermath(r.Limit)
	if after.People == 2 {
		return fmt.Errorf("limits: reset of %s: %w", r.Limit, ErrSecondPerson)
	}
	r.At = floorTime(g.clock.peek(r.At))
	r.Probation = after.probation(r.At)
	return g.change(ctx, "reset", r.Limit, func() error { return g.store.Reset(ctx, r) })
}
