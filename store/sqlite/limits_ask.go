package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/candor-gateway/candor/limits"
)

// AskReset stores that somebody wants a latch released; see limits.Latches.
func (s *Store) AskReset(ctx context.Context, a limits.Ask) error {
	const doing = "sqlite: ask for a reset"
	if a.Limit == "" || a.By == "" || a.Reason == "" || a.RequestID == "" {
		return fmt.Errorf("%s: it has a limit, an author, a reason and a request id", doing)
	}
	return s.write(ctx, doing, func(t *tx) error {
		var known int64
		if err := t.queryRow(`SELECT count(*) FROM limit_asks WHERE limit_name = ? AND request_id = ?`,
			[]any{a.Limit, a.RequestID}, &known); err != nil || known > 0 {
			return err
		}
		trip, err := t.latched(a.Limit)
		if err != nil {
			return err
		}
		if err := t.queryRow(`SELECT count(*) FROM limit_asks WHERE limit_name = ? AND trip_id = ? AND expires_us >= ?`,
			[]any{a.Limit, trip, micros(a.At)}, &known); err != nil {
			return err
		}
		if known > 0 {
			return limits.ErrPending
		}
		if _, err := t.exec(`INSERT INTO limit_asks (limit_name, request_id, trip_id, author, reason, at_us, expires_us) VALUES (?, ?, ?, ?, ?, ?, ?)`,
			a.Limit, a.RequestID, trip, a.By, a.Reason, micros(a.At), micros(a.Expires)); err != nil {
			return fmt.Errorf("store who asked: %w", err)
		}
		return t.limitEvent(a.Limit, limits.AskEvent(a, trip))
	})
}

// ConfirmReset releases a latch that another person asked to release; see limits.Latches.
func (s *Store) ConfirmReset(ctx context.Context, c limits.Confirmation) error {
	const doing = "sqlite: confirm a reset"
	if c.Limit == "" || c.By == "" || c.Asked == "" || c.RequestID == "" {
		return fmt.Errorf("%s: it has a limit, an author, what was asked and a request id", doing)
	}
	return s.write(ctx, doing, func(t *tx) error {
		var known int64
		if err := t.queryRow(`SELECT count(*) FROM limit_resets WHERE limit_name = ? AND request_id = ?`,
			[]any{c.Limit, c.RequestID}, &known); err != nil || known > 0 {
			return err
		}
		trip, err := t.latched(c.Limit)
		if err != nil {
			return err
		}
		var by, reason string
		err = t.queryRow(`SELECT author, reason FROM limit_asks WHERE limit_name = ? AND request_id = ? AND trip_id = ? AND expires_us >= ?`,
			[]any{c.Limit, c.Asked, trip, micros(c.At)}, &by, &reason)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return limits.ErrNotAsked
		case err != nil:
			return fmt.Errorf("find who asked: %w", err)
		case by == c.By:
			return limits.ErrSamePerson
		}
		return t.release(c.Reset(by, reason))
	})
}

// AcknowledgeTrip notes who looks after a trip; see limits.Latches.
func (s *Store) AcknowledgeTrip(ctx context.Context, a limits.Acknowledgement) error {
	const doing = "sqlite: acknowledge a trip"
	if a.Limit == "" || a.By == "" || a.At.IsZero() {
		return fmt.Errorf("%s: it has a limit, an author and a time", doing)
	}
	return s.write(ctx, doing, func(t *tx) error {
		trip, err := t.latched(a.Limit)
		if err != nil {
			return err
		}
		n, err := t.exec(`UPDATE limit_trips SET ack_author = ?, ack_note = ?, ack_us = ? WHERE id = ? AND ack_us = 0`,
			a.By, a.Note, micros(a.At), trip)
		if err != nil || n == 0 {
			return err
		}
		return t.limitEvent(a.Limit, limits.AckEvent(a, trip))
	})
}
