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
	var out []limits.Alert
	at := map[string]int{}
	err := s.snapshot(ctx, func(read queryFunc) error {
		out = nil
		clear(at)
		err := read(`SELECT `+tripColumns+`, ack_author, ack_note, ack_us, EXISTS (SELECT FROM limit_latches WHERE trip_id = limit_trips.id)
			FROM limit_trips WHERE NOT closed ORDER BY position`, nil, func(row scanner) error {
			var a limits.Alert
			var acked int64
			var err error
			a.Trip, err = scanTrip(row, &a.Ack.By, &a.Ack.Note, &acked, &a.Latched)
			if acked != 0 {
				a.Ack.Limit, a.Ack.At = a.Trip.Limit, instant(acked)
			}
			at[a.Trip.ID] = len(out)
			out = append(out, a)
			return err
		})
		if err != nil || len(out) == 0 {
			return err
		}
		return errors.Join(
			read(`SELECT `+resetColumns+` FROM limit_resets WHERE trip_id IN (SELECT id FROM limit_trips WHERE NOT closed)`, nil, func(row scanner) error {
				r, err := scanReset(row)
				if i, ok := at[r.TripID]; ok {
					out[i].Reset = r
				}
				return err
			}),
			read(`SELECT trip_id, receiver, resolved, attempts, due_us, delivered_us, error FROM limit_messages
				WHERE trip_id IN (SELECT id FROM limit_trips WHERE NOT closed) ORDER BY trip_id, receiver, resolved`, nil, func(row scanner) error {
				var trip string
				var m limits.AlertMessage
				var due, delivered int64
				err := row.Scan(&trip, &m.Receiver, &m.Resolved, &m.Attempts, &due, &delivered, &m.Error)
				m.Due, m.Delivered = instant(due), instant(delivered)
				if i, ok := at[trip]; ok {
					out[i].Messages = append(out[i].Messages, m)
				}
				return err
			}),
		)
	})
	if err != nil {
		return nil, fmt.Errorf("postgres: read the alerts: %w", err)
	}
	return out, nil
}

// ClaimAlert takes a message for an attempt; see limits.Latches.
func (s *Store) ClaimAlert(ctx context.Context, c limits.AlertClaim) (attempt int, ok bool, err error) {
	const doing = "postgres: claim an alert"
	if c.Trip == "" || c.Receiver == "" {
		return 0, false, fmt.Errorf("%s: it is of a trip, for a receiver", doing)
	}
	err = s.directly(ctx, doing, func(d *direct) error {
		err := d.queryRow(`INSERT INTO limit_messages AS m (trip_id, receiver, resolved, attempts, due_us) VALUES ($1, $2, $3, 1, $4)
			ON CONFLICT (trip_id, receiver, resolved) DO UPDATE SET attempts = m.attempts + 1, due_us = excluded.due_us
			WHERE m.due_us <> 0 AND m.due_us <= $5 RETURNING attempts`,
			[]any{c.Trip, c.Receiver, c.Resolved, micros(c.Until), micros(c.Now)}, &attempt)
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
		delivered := int64(0)
		if r.Error == "" {
			delivered = micros(r.Now)
		}
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
