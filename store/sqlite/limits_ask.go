package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/candor-gateway/candor/limits"
)

// Reset releases a latch; see limits.Store.
func (s *Store) Reset(ctx context.Context, r limits.Reset) error {
	return s.write(ctx, "sqlite: reset a limit", func(t *tx) error { return r.Apply(latchRows{t}) })
}

// AskReset stores that somebody wants a latch released; see limits.Latches.
func (s *Store) AskReset(ctx context.Context, a limits.Ask) error {
	return s.write(ctx, "sqlite: ask for a reset", func(t *tx) error { return a.Apply(latchRows{t}) })
}

// ConfirmReset releases a latch that another person asked to release; see limits.Latches.
func (s *Store) ConfirmReset(ctx context.Context, c limits.Confirmation) error {
	return s.write(ctx, "sqlite: confirm a reset", func(t *tx) error { return c.Apply(latchRows{t}) })
}

// AcknowledgeTrip notes who looks after a trip; see limits.Latches.
func (s *Store) AcknowledgeTrip(ctx context.Context, a limits.Acknowledgement) error {
	return s.write(ctx, "sqlite: acknowledge a trip", func(t *tx) error { return a.Apply(latchRows{t}) })
}

// latchRows are the stored latches in the writer's transaction.
type latchRows struct{ t *tx }

// Latched locks nothing: the store has one writer.
func (r latchRows) Latched(limit string) (trip string, err error) {
	err = r.t.queryRow(`SELECT trip_id FROM limit_latches WHERE limit_name = ?`, []any{limit}, &trip)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return trip, err
}

func (r latchRows) ResetKnown(limit, request string) (known bool, err error) {
	err = r.t.queryRow(`SELECT EXISTS (SELECT 1 FROM limit_resets WHERE limit_name = ? AND request_id = ?)`, []any{limit, request}, &known)
	return known, err
}

func (r latchRows) AskKnown(limit, request string) (known bool, err error) {
	err = r.t.queryRow(`SELECT EXISTS (SELECT 1 FROM limit_asks WHERE limit_name = ? AND request_id = ?)`, []any{limit, request}, &known)
	return known, err
}

func (r latchRows) PendingAsk(limit, trip, request string, now time.Time) (a limits.Ask, err error) {
	err = r.t.queryRow(`SELECT author, reason FROM limit_asks WHERE limit_name = ? AND trip_id = ? AND (? = '' OR request_id = ?) AND expires_us >= ? LIMIT 1`,
		[]any{limit, trip, request, request, micros(now)}, &a.By, &a.Reason)
	if errors.Is(err, sql.ErrNoRows) {
		return limits.Ask{}, nil
	}
	return a, err
}

func (r latchRows) Release(reset limits.Reset) error {
	if _, err := r.t.exec(`DELETE FROM limit_latches WHERE limit_name = ?`, reset.Limit); err != nil {
		return err
	}
	_, err := r.t.exec(`INSERT INTO limit_resets (`+resetColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`, reset.Limit, reset.RequestID, reset.By, reset.Reason,
		micros(reset.At), reset.AskedBy, int64(reset.Probation.SharePPM), micros(reset.Probation.Until), reset.TripID)
	return err
}

func (r latchRows) StoreAsk(a limits.Ask, trip string) error {
	_, err := r.t.exec(`INSERT INTO limit_asks (limit_name, request_id, trip_id, author, reason, at_us, expires_us) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		a.Limit, a.RequestID, trip, a.By, a.Reason, micros(a.At), micros(a.Expires))
	return err
}

func (r latchRows) StoreAck(a limits.Acknowledgement, trip string) (first bool, err error) {
	n, err := r.t.exec(`UPDATE limit_trips SET ack_author = ?, ack_note = ?, ack_us = ? WHERE id = ? AND ack_us = 0`,
		a.By, a.Note, micros(a.At), trip)
	return n > 0, err
}

func (r latchRows) Append(limit string, e limits.Event) error { return r.t.limitEvent(limit, e) }
