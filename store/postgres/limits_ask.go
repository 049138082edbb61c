package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/candor-gateway/candor/limits"
)

// AskReset stores that somebody wants a latch released; see limits.Latches.
func (s *Store) AskReset(ctx context.Context, a limits.Ask) error {
	const doing = "postgres: ask for a reset"
	if a.Limit == "" || a.By == "" || a.Reason == "" || a.RequestID == "" {
		return fmt.Errorf("%s: it has a limit, an author, a reason and a request id", doing)
	}
	return s.write(ctx, doing, needs{}, func(b *batch) error {
		trip, lerr := b.latched(a.Limit)
		if lerr != nil && !errors.Is(lerr, limits.ErrNotTripped) {
			return lerr
		}
		var known, pending bool
		if err := b.queryRow(`SELECT EXISTS (SELECT FROM limit_asks WHERE limit_name = $1 AND request_id = $2),
			EXISTS (SELECT FROM limit_asks WHERE limit_name = $1 AND trip_id = $3 AND expires_us >= $4)`,
			[]any{a.Limit, a.RequestID, trip, micros(a.At)}, &known, &pending); err != nil {
			return err
		}
		switch {
		case known:
			return nil
		case lerr != nil:
			return lerr
		case pending:
			return limits.ErrPending
		}
		b.later(`INSERT INTO limit_asks (limit_name, request_id, trip_id, author, reason, at_us, expires_us) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
			a.Limit, a.RequestID, trip, a.By, a.Reason, micros(a.At), micros(a.Expires))
		return b.limitEvent(a.Limit, limits.AskEvent(a, trip))
	})
}

// ConfirmReset releases a latch that another person asked to release; see limits.Latches.
func (s *Store) ConfirmReset(ctx context.Context, c limits.Confirmation) error {
	const doing = "postgres: confirm a reset"
	if c.Limit == "" || c.By == "" || c.Asked == "" || c.RequestID == "" {
		return fmt.Errorf("%s: it has a limit, an author, what was asked and a request id", doing)
	}
	return s.write(ctx, doing, needs{}, func(b *batch) error {
		trip, lerr := b.latched(c.Limit)
		if lerr != nil && !errors.Is(lerr, limits.ErrNotTripped) {
			return lerr
		}
		if known, err := b.resetKnown(c.Limit, c.RequestID); err != nil || known {
			return err
		}
		if lerr != nil {
			return lerr
		}
		var by, reason string
		err := b.queryRow(`SELECT author, reason FROM limit_asks WHERE limit_name = $1 AND request_id = $2 AND trip_id = $3 AND expires_us >= $4`,
			[]any{c.Limit, c.Asked, trip, micros(c.At)}, &by, &reason)
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			return limits.ErrNotAsked
		case err != nil:
			return fmt.Errorf("find who asked: %w", err)
		case by == c.By:
			return limits.ErrSamePerson
		}
		return b.release(c.Reset(by, reason), trip)
	})
}

// AcknowledgeTrip notes who looks after a trip; see limits.Latches.
func (s *Store) AcknowledgeTrip(ctx context.Context, a limits.Acknowledgement) error {
	const doing = "postgres: acknowledge a trip"
	if a.Limit == "" || a.By == "" || a.At.IsZero() {
		return fmt.Errorf("%s: it has a limit, an author and a time", doing)
	}
	return s.write(ctx, doing, needs{}, func(b *batch) error {
		trip, err := b.latched(a.Limit)
		if err != nil {
			return err
		}
		n, err := b.count(`UPDATE limit_trips SET ack_author = $1, ack_note = $2, ack_us = $3 WHERE id = $4 AND ack_us = 0 RETURNING true`,
			a.By, a.Note, micros(a.At), trip)
		if err != nil || n == 0 {
			return err
		}
		return b.limitEvent(a.Limit, limits.AckEvent(a, trip))
	})
}
