package sqlite

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/candor-gateway/candor/limits"
)

// Trip latches a limit; see limits.Store. A trip that is known by its id already, latched or reset since, changes nothing.
func (s *Store) Trip(ctx context.Context, trip limits.Trip) (first bool, err error) {
	const doing = "sqlite: trip a limit"
	if trip.Limit == "" || trip.ID == "" {
		return false, fmt.Errorf("%s: a trip has a limit and an id", doing)
	}
	err = s.write(ctx, doing, func(t *tx) error {
		first = false
		var known int64
		if err := t.queryRow(`SELECT (SELECT count(*) FROM limit_latches WHERE limit_name = ?) + (SELECT count(*) FROM limit_trips
			WHERE id = ?)`, []any{trip.Limit, trip.ID}, &known); err != nil || known > 0 {
			return err
		}
		if _, err := t.exec(`INSERT INTO limit_trips (`+tripColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			trip.ID, trip.Limit, trip.Action, trip.Model, trip.Consumer, trip.PredictionID, micros(trip.At), trip.Count, trip.MaxCount,
			int64(trip.Window), trip.DryRun, trip.By, trip.Reason, trip.OnTrip, trip.Amount, trip.Unit, trip.Denominator); err != nil {
			return fmt.Errorf("store the alert: %w", err)
		}
		if _, err := t.exec(`INSERT INTO limit_latches (limit_name, trip_id) VALUES (?, ?)`, trip.Limit, trip.ID); err != nil {
			return fmt.Errorf("latch %s: %w", trip.Limit, err)
		}
		first = true
		return t.limitEvent(trip.Limit, limits.TripEvent(trip))
	})
	return first && err == nil, err
}

// Latched answers every limit's latch and last reset; see limits.Latches.
func (s *Store) Latched(ctx context.Context) (map[string]limits.State, error) {
	out := map[string]limits.State{}
	err := s.snapshot(ctx, func(read queryFunc) error { return readLatches(read, out) })
	if err != nil {
		return nil, fmt.Errorf("sqlite: read the latches: %w", err)
	}
	return out, nil
}

// readLatches adds what is latched, and the last reset of each limit.
func readLatches(read queryFunc, out limits.States) error {
	return errors.Join(
		read(`SELECT `+tripColumns+`, ack_author, ack_note, ack_us FROM limit_trips WHERE id IN (SELECT trip_id FROM limit_latches)`, nil, func(row scanner) error {
			var ack limits.Acknowledgement
			var at int64
			t, err := scanTrip(row, &ack.By, &ack.Note, &at)
			ack.At = instant(at)
			out.Trip(t, ack)
			return err
		}),
		read(`SELECT limit_name, author, reason, request_id, at_us, expires_us FROM limit_asks WHERE position IN (
			SELECT max(position) FROM limit_asks WHERE trip_id IN (SELECT trip_id FROM limit_latches) GROUP BY limit_name)`, nil, func(row scanner) error {
			var a limits.Ask
			var at, expires int64
			err := row.Scan(&a.Limit, &a.By, &a.Reason, &a.RequestID, &at, &expires)
			a.At, a.Expires = instant(at), instant(expires)
			out.Ask(a)
			return err
		}),
		read(`SELECT `+resetColumns+` FROM limit_resets WHERE position IN (SELECT max(position) FROM limit_resets GROUP BY limit_name)`, nil, func(row scanner) error {
			r, err := scanReset(row)
			out.Reset(r)
			return err
		}),
	)
}

// tripColumns in the order of scanTrip.
const tripColumns = `id, limit_name, action, model, consumer, prediction_id, at_us, permits, max_count, window_ns, dry_run, author, reason, on_trip, amount,
	unit, denominator`

// scanTrip reads a trip, and what is selected after it into more.
func scanTrip(row scanner, more ...any) (limits.Trip, error) {
	var t limits.Trip
	var at, window int64
	err := row.Scan(append([]any{
		&t.ID, &t.Limit, &t.Action, &t.Model, &t.Consumer, &t.PredictionID, &at, &t.Count, &t.MaxCount, &window, &t.DryRun, &t.By, &t.Reason, &t.OnTrip, &t.Amount,
		&t.Unit, &t.Denominator,
	}, more...)...)
	t.At, t.Window = instant(at), time.Duration(window)
	return t, err
}

// resetColumns in the order of scanReset.
const resetColumns = `limit_name, request_id, author, reason, at_us, asked_by, share_ppm, until_us, trip_id`

func scanReset(row scanner) (limits.Reset, error) {
	var r limits.Reset
	var at, until int64
	err := row.Scan(&r.Limit, &r.RequestID, &r.By, &r.Reason, &at, &r.AskedBy, &r.Probation.SharePPM, &until, &r.TripID)
	r.At, r.Probation.Until = instant(at), instant(until)
	return r, err
}
