package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/candor-gateway/candor/limits"
)

// Reset releases a latch; see limits.Store.
func (s *Store) Reset(ctx context.Context, r limits.Reset) error {
	return s.write(ctx, "postgres: reset a limit", needs{}, func(b *batch) error { return r.Apply(latchRows{b}) })
}

// AskReset stores that somebody wants a latch released; see limits.Latches.
func (s *Store) AskReset(ctx context.Context, a limits.Ask) error {
	return s.write(ctx, "postgres: ask for a reset", needs{}, func(b *batch) error { return a.Apply(latchRows{b}) })
}

// ConfirmReset releases a latch that another person asked to release; see limits.Latches.
func (s *Store) ConfirmReset(ctx context.Context, c limits.Confirmation) error {
	return s.write(ctx, "postgres: confirm a reset", needs{}, func(b *batch) error { return c.Apply(latchRows{b}) })
}

// AcknowledgeTrip notes who looks after a trip; see limits.Latches.
func (s *Store) AcknowledgeTrip(ctx context.Context, a limits.Acknowledgement) error {
	return s.write(ctx, "postgres: acknowledge a trip", needs{}, func(b *batch) error { return a.Apply(latchRows{b}) })
}

// latchRows are the stored latches in the writer's transaction.
type latchRows struct{ b *batch }

// Latched: whoever waits for the lock sees afterwards what the one before did.
func (r latchRows) Latched(limit string) (trip string, err error) {
	err = r.b.queryRow(`SELECT trip_id FROM limit_latches WHERE limit_name = $1 FOR UPDATE`, []any{limit}, &trip)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", nil
	}
	return trip, err
}

func (r latchRows) ResetKnown(limit, request string) (known bool, err error) {
	err = r.b.queryRow(`SELECT EXISTS (SELECT FROM limit_resets WHERE limit_name = $1 AND request_id = $2)`, []any{limit, request}, &known)
	return known, err
}

func (r latchRows) AskKnown(limit, request string) (known bool, err error) {
	err = r.b.queryRow(`SELECT EXISTS (SELECT FROM limit_asks WHERE limit_name = $1 AND request_id = $2)`, []any{limit, request}, &known)
	return known, err
}

func (r latchRows) PendingAsk(limit, trip, request string, now time.Time) (a limits.Ask, err error) {
	err = r.b.queryRow(`SELECT author, reason FROM limit_asks WHERE limit_name = $1 AND trip_id = $2 AND ($3 = '' OR request_id = $3) AND expires_us >= $4 LIMIT 1`,
		[]any{limit, trip, request, micros(now)}, &a.By, &a.Reason)
	if errors.Is(err, pgx.ErrNoRows) {
		return limits.Ask{}, nil
	}
	return a, err
}

func (r latchRows) Release(reset limits.Reset) error {
	r.b.later(`DELETE FROM limit_latches WHERE limit_name = $1`, reset.Limit)
	r.b.later(`INSERT INTO limit_resets (`+resetColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`, reset.Limit, reset.RequestID, reset.By, reset.Reason,
		micros(reset.At), reset.AskedBy, int64(reset.Probation.SharePPM), micros(reset.Probation.Until), reset.TripID)
	return nil
}

func (r latchRows) StoreAsk(a limits.Ask, trip string) error {
	r.b.later(`INSERT INTO limit_asks (limit_name, request_id, trip_id, author, reason, at_us, expires_us) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		a.Limit, a.RequestID, trip, a.By, a.Reason, micros(a.At), micros(a.Expires))
	return nil
}

func (r latchRows) StoreAck(a limits.Acknowledgement, trip string) (first bool, err error) {
	n, err := r.b.count(`UPDATE limit_trips SET ack_author = $1, ack_note = $2, ack_us = $3 WHERE id = $4 AND ack_us = 0 RETURNING true`,
		a.By, a.Note, micros(a.At), trip)
	return n > 0, err
}

func (r latchRows) Append(limit string, e limits.Event) error { return r.b.limitEvent(limit, e) }
