package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/candor-gateway/candor/limits"
)

// OpenAlerts answers trips that somebody may still have to be told of, oldest first; see limits.Latches.
func (s *Store) OpenAlerts(ctx context.Context) ([]limits.Alert, error) {
	var out limits.Alerts
	err := s.snapshot(ctx, func(read queryFunc) error {
		out = limits.Alerts{}
		err := read(`SELECT `+tripColumns+`, ack_author, ack_note, ack_us, EXISTS (SELECT 1 FROM limit_latches WHERE trip_id = limit_trips.id)
			FROM limit_trips WHERE closed = 0 ORDER BY position`, nil, func(row scanner) error {
			var ack limits.Acknowledgement
			var acked int64
			var latched bool
			trip, err := scanTrip(row, &ack.By, &ack.Note, &acked, &latched)
			ack.At = instant(acked)
			out.Trip(trip, ack, latched)
			return err
		})
		if err != nil || len(out.All()) == 0 {
			return err
		}
		return errors.Join(
			read(`SELECT `+resetColumns+` FROM limit_resets WHERE trip_id IN (SELECT id FROM limit_trips WHERE closed = 0)`, nil, func(row scanner) error {
				r, err := scanReset(row)
				out.Reset(r)
				return err
			}),
			read(`SELECT trip_id, receiver, resolved, attempts, due_us, delivered_us, error FROM limit_messages
				WHERE trip_id IN (SELECT id FROM limit_trips WHERE closed = 0) ORDER BY trip_id, receiver, resolved`, nil, func(row scanner) error {
				var trip string
				var m limits.AlertMessage
				var due, delivered int64
				err := row.Scan(&trip, &m.Receiver, &m.Resolved, &m.Attempts, &due, &delivered, &m.Error)
				m.Due, m.Delivered = instant(due), instant(delivered)
				out.Message(trip, m)
				return err
			}),
		)
	})
	if err != nil {
		return nil, fmt.Errorf("sqlite: read the alerts: %w", err)
	}
	return out.All(), nil
}

// claimAlert takes a message, unless it says that a limit holds that has been reset. What was tried of a trip and not taken is tried again
// all the same: its receiver may have got it.
const claimAlert = `INSERT INTO limit_messages AS m (trip_id, receiver, resolved, attempts, due_us)
	SELECT ?1, ?2, ?3, 1, ?4 WHERE ?3 OR ?6 = 0
		OR EXISTS (SELECT 1 FROM limit_latches WHERE trip_id = ?1)
		OR EXISTS (SELECT 1 FROM limit_resets WHERE trip_id = ?1 AND at_us >= ?6)
		OR EXISTS (SELECT 1 FROM limit_messages WHERE trip_id = ?1 AND receiver = ?2 AND resolved = ?3)
	ON CONFLICT (trip_id, receiver, resolved) DO UPDATE SET attempts = m.attempts + 1, due_us = excluded.due_us
	WHERE m.due_us <> 0 AND m.due_us <= ?5
		AND (m.resolved OR m.delivered_us = 0 OR EXISTS (SELECT 1 FROM limit_latches WHERE trip_id = m.trip_id))
	RETURNING attempts`

// ClaimAlert takes a message for an attempt; see limits.Latches.
func (s *Store) ClaimAlert(ctx context.Context, c limits.AlertClaim) (attempt int, ok bool, err error) {
	const doing = "sqlite: claim an alert"
	if err := c.Check(); err != nil {
		return 0, false, fmt.Errorf("%s: %w", doing, err)
	}
	err = s.write(ctx, doing, func(t *tx) error {
		err := t.queryRow(claimAlert, []any{c.Trip, c.Receiver, c.Resolved, micros(c.Until), micros(c.Now), micros(c.From)}, &attempt)
		ok = err == nil
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		t.dirty = t.dirty || ok
		return err
	})
	if err != nil {
		return 0, false, err
	}
	return attempt, ok, nil
}

// FinishAlert stores what came of an attempt; see limits.Latches.
func (s *Store) FinishAlert(ctx context.Context, r limits.AlertResult) error {
	return s.write(ctx, "sqlite: store what came of an alert", func(t *tx) error {
		delivered := micros(r.Delivered())
		n, err := t.exec(`UPDATE limit_messages SET due_us = ?, error = ?, delivered_us = CASE delivered_us WHEN 0 THEN ? ELSE delivered_us END
			WHERE trip_id = ? AND receiver = ? AND resolved = ? AND attempts = ?`,
			micros(r.Next), r.Error, delivered, r.Trip, r.Receiver, r.Resolved, r.Attempt)
		if err != nil || n == 0 || r.Resolved || delivered == 0 {
			return err
		}
		// For a version that knows of one receiver only.
		_, err = t.exec(`UPDATE limit_trips SET delivered = 1 WHERE id = ? AND delivered = 0`, r.Trip)
		return err
	})
}

// CloseAlert says that nobody has to be told of a trip any more; see limits.Latches.
func (s *Store) CloseAlert(ctx context.Context, trip string) error {
	return s.write(ctx, "sqlite: close an alert", func(t *tx) error {
		_, err := t.exec(`UPDATE limit_trips SET closed = 1, delivered = 1 WHERE id = ? AND closed = 0`, trip)
		return err
	})
}
