package limits

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// field is something that a person's order must have.
type field struct{ name, value string }

// named refuses an order in which a field is blank.
func named(order string, fields ...field) error {
	for _, f := range fields {
		if strings.TrimSpace(f.value) == "" {
			return fmt.Errorf("limits: %s: %s is empty: a %s names who asks, why, and a request id", order, f.name, order)
		}
	}
	return nil
}

// known says whether there is a limit or a stop of this name, configured or in the store.
func (g *Gate) known(name string) bool {
	if g.roster.Load().find(name) != nil {
		return true
	}
	g.retiredMu.Lock()
	defer g.retiredMu.Unlock()
	_, ok := g.retired[name]
	return ok
}

// AskReset asks that a latch be released, for another person to confirm within the limit's time; Expires is set here. It is the way
// where People is 2, and refused where it isn't. Errors: ErrNotFound, ErrNotTripped, ErrPending, the store's. A second call with the
// same RequestID answers nil and changes nothing.
func (g *Gate) AskReset(ctx context.Context, a Ask) error {
	if err := named("reset", field{"limit", a.Limit}, field{"by", a.By}, field{"reason", a.Reason}, field{"request_id", a.RequestID}); err != nil {
		return err
	}
	after := g.aftermath(a.Limit)
	if after.People != 2 && g.known(a.Limit) {
		return fmt.Errorf("limits: reset of %s: one person is enough: use Reset", a.Limit)
	}
	a.At = floorTime(g.clock.peek(a.At))
	a.Expires = a.At.Add(after.Expires)
	return g.change(ctx, "reset", a.Limit, func() error { return g.store.AskReset(ctx, a) })
}

// ConfirmReset releases a latch that another person has asked to release; the limit's probation begins. By is who confirms, by an
// identity that is proved. Errors: ErrNotFound, ErrNotTripped, ErrNotAsked, ErrSamePerson, the store's. A second call with the same
// RequestID answers nil and changes nothing.
func (g *Gate) ConfirmReset(ctx context.Context, c Confirmation) error {
	if err := named("confirmation", field{"limit", c.Limit}, field{"by", c.By}, field{"asked", c.Asked}, field{"request_id", c.RequestID}); err != nil {
		return err
	}
	c.At = floorTime(g.clock.peek(c.At))
	c.Probation = g.aftermath(c.Limit).probation(c.At)
	return g.change(ctx, "confirmation", c.Limit, func() error { return g.store.ConfirmReset(ctx, c) })
}

// Acknowledge notes who looks after a trip. Errors: ErrNotFound, ErrNotTripped, the store's.
func (g *Gate) Acknowledge(ctx context.Context, a Acknowledgement) error {
	if strings.TrimSpace(a.By) == "" {
		return fmt.Errorf("limits: acknowledgement of %s: by is empty: it names who looks after the trip", a.Limit)
	}
	a.At = floorTime(g.clock.peek(a.At))
	return g.change(ctx, "acknowledgement", a.Limit, func() error { return g.store.AcknowledgeTrip(ctx, a) })
}

// change is a person's change of a stored latch, which is followed here at once.
func (g *Gate) change(ctx context.Context, order, name string, do func() error) error {
	if !g.known(name) {
		return fmt.Errorf("limits: %s of %s: %w", order, name, ErrNotFound)
	}
	if err := g.landTrip(ctx, name); err != nil {
		return fmt.Errorf("limits: %s of %s: its trip isn't stored yet: %w", order, name, err)
	}
	return g.atDesk(ctx, func() error {
		err := do()
		if err != nil && !errors.Is(err, ErrNotTripped) {
			return fmt.Errorf("limits: %s of %s: %w", order, name, err)
		}
		lost, ferr := g.follow(ctx)
		switch {
		case ferr != nil:
			return fmt.Errorf("limits: %s of %s: stored, but not followed here yet; repeat it with the same request id: %w", order, name, ferr)
		case lost[name] != nil:
			return fmt.Errorf("limits: %s of %s: %w", order, name, lost[name])
		case err != nil:
			return fmt.Errorf("limits: %s of %s: %w", order, name, err)
		}
		return nil
	})
}

// landTrip waits until the limit's trip, if it holds one, is stored: what isn't can't be changed there.
func (g *Gate) landTrip(ctx context.Context, name string) error {
	l := g.roster.Load().find(name)
	if l == nil {
		return nil
	}
	l.mu.Lock()
	var storing *flight
	if l.latch.tripped {
		storing = g.storeTrip(ctx, l)
	}
	l.mu.Unlock()
	if storing == nil {
		return nil
	}
	return storing.wait(ctx)
}
