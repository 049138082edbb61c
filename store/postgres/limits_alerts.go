package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/candor-gateway/candor/limits"
)

// OpenAlerts answers trips that somebody may still have to be told of, oldest first; see limits.Latches.
func (s *Store) OpenAlerts(ctx context.Context) ([]limits.Alert, error) {
	var out limits.Alerts
	err := s.snapshot(ctx, func(read queryFunc) error {
		out = limits.Alerts{}
		err := read(`SELECT `+tripColumns+`, ack_author, ack_note, ack_us, EXISTS (SELECT FROM limit_latches WHERE trip_id = limit_trips.id)
			FROM limit_trips WHERE NOT closed ORDER BY position`, nil, func(row scanner) error {
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
			read(`SELECT `+resetColumns+` FROM limit_resets WHERE trip_id IN (SELECT id FROM limit_trips WHERE NOT closed)`, nil, func(row scanner) error {
				r, err := scanReset(row)
				out.Reset(r)
				return err
			}),
			read(`SELECT trip_id, receiver, resolved, attempts, due_us, delivered_us, error FROM limit_messages
				WHERE trip_id IN (SELECT id FROM limit_trips WHERE NOT closed) ORDER BY trip_id, receiver, resolved`, nil, func(row scanner) error {
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
		return nil, fmt.Errorf("postgres: read the alerts: %w", err)
	}
	return out.All(), nil
}

// claimAlert takes a message, unless it says that a limit holds that has been reset. What was tried of a trip and not taken is tried again
// all the same: its receiver may have got it. A reset that is being stored is waited for, and one that comes later waits: whoever sees it sees
// the claim, too.
const claimAlert = `
	WITH latched AS MATERIALIZED (SELECT trip_id FROM limit_latches WHERE trip_id = $1 FOR SHARE)
	INSERT INTO limit_messages AS m (trip_id, receiver, resolved, attempts, due_us)
	SELECT $1::text, $2::text, $3::boolean, 1, $4::bigint WHERE $3::boolean OR $6::bigint = 0
		OR EXISTS (SELECT FROM latched)
		OR EXISTS (SELECT FROM limit_resets WHERE trip_id = $1 AND at_us >= $6)
		OR EXISTS (SELECT FROM limit_messages WHERE trip_id = $1 AND receiver = $2 AND resolved = $3)
	ON CONFLICT (trip_id, receiver, resolved) DO UPDATE SET attempts = m.attempts + 1, due_us = excluded.due_us
	WHERE m.due_us <> 0 AND m.due_us <= $5 AND (m.resolved OR m.delivered_us = 0 OR EXISTS (SELECT FROM latched))
	RETURNING attempts`

// ClaimAlert takes a message for an attempt; see limits.Latches.
func (s *Store) ClaimAlert(ctx context.Context, c limits.AlertClaim) (attempt int, ok bool, err error) {
	const doing = "postgres: claim an alert"
	if err := c.Check(); err != nil {
		return 0, false, fmt.Errorf("%s: %w", doing, err)
	}
	err = s.directly(ctx, doing, func(d *direct) error {
		err := d.queryRow(claimAlert, []any{c.Trip, c.Receiver, c.Resolved, micros(c.Until), micros(c.Now), micros(c.From)}, &attempt)
		ok = err == nil
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		return err
	})
	if err != nil {
		return 0, false, err
	}
	return attempt, ok, nil
}

// FinishAlert stores what came of an attempt; see limits.Latches.
func (s *Store) FinishAlert(ctx context.Context, r limits.AlertResult) error {
	return s.directly(ctx, "postgres: store what came of an alert", func(d *direct) error {
		delivered := micros(r.Delivered())
		n, err := d.exec(`UPDATE limit_messages SET due_us = $1, error = $2, delivered_us = CASE delivered_us WHEN 0 THEN $3 ELSE delivered_us END
			WHERE trip_id = $4 AND receiver = $5 AND resolved = $6 AND attempts = $7`,
			micros(r.Next), r.Error, delivered, r.Trip, r.Receiver, r.Resolved, r.Attempt)
		if err != nil || n == 0 || r.Resolved || delivered == 0 {
			return err
		}
		// For a version that knows of one receiver only.
		_, err = d.exec(`UPDATE limit_trips SET delivered = true WHERE id = $1 AND NOT delivered`, r.Trip)
		return err
	})
}

// CloseAlert says that nobody has to be told of a trip any more; see limits.Latches.
func (s *Store) CloseAlert(ctx context.Context, trip string) error {
	return s.directly(ctx, "postgres: close an alert", func(d *direct) error {
		_, err := d.exec(`UPDATE limit_trips SET closed = true, delivered = true WHERE id = $1 AND NOT closed`, trip)
		return err
	})
}
