package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/limits"
)

// latch stores a trip and its latch, both or neither: of two gateways that come at the same time the second waits for the first,
// and then finds the latch. It answers a row if it did.
const latch = `
	WITH latched AS (
		INSERT INTO limit_latches (limit_name, trip_id) SELECT $2, $1 WHERE NOT EXISTS (SELECT FROM limit_trips WHERE id = $1)
		ON CONFLICT (limit_name) DO NOTHING RETURNING trip_id
	)
	INSERT INTO limit_trips (` + tripColumns + `)
	SELECT trip_id, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17 FROM latched RETURNING true`

// Trip latches a limit; see limits.Store. A trip that is known by its id already, latched or reset since, changes nothing.
func (s *Store) Trip(ctx context.Context, trip limits.Trip) (first bool, err error) {
	const doing = "postgres: trip a limit"
	if trip.Limit == "" || trip.ID == "" {
		return false, fmt.Errorf("%s: a trip has a limit and an id", doing)
	}
	err = s.write(ctx, doing, needs{}, func(b *batch) error {
		first = false
		err := b.change(latch, []any{
			trip.ID, trip.Limit, trip.Action, trip.Model, trip.Consumer, trip.PredictionID, micros(trip.At), trip.Count, trip.MaxCount,
			int64(trip.Window), trip.DryRun, trip.By, trip.Reason, int64(trip.OnTrip), trip.Amount, trip.Unit, trip.Denominator,
		}, func(row scanner) error { return row.Scan(&first) })
		if err != nil || !first {
			return err
		}
		return b.limitEvent(trip.Limit, limits.TripEvent(trip))
	})
	return first && err == nil, err
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
	var at, window, onTrip int64
	err := row.Scan(append([]any{
		&t.ID, &t.Limit, &t.Action, &t.Model, &t.Consumer, &t.PredictionID, &at, &t.Count, &t.MaxCount, &window, &t.DryRun, &t.By, &t.Reason, &onTrip, &t.Amount,
		&t.Unit, &t.Denominator,
	}, more...)...)
	t.At, t.Window, t.OnTrip = instant(at), time.Duration(window), candorv1.OnTrip(onTrip)
	return t, err
}

// resetColumns in the order of scanReset.
const resetColumns = `limit_name, request_id, author, reason, at_us, asked_by, share_ppm, until_us, trip_id`

func scanReset(row scanner) (limits.Reset, error) {
	var r limits.Reset
	var at, until, share int64
	err := row.Scan(&r.Limit, &r.RequestID, &r.By, &r.Reason, &at, &r.AskedBy, &share, &until, &r.TripID)
	r.At, r.Probation = instant(at), limits.Probation{SharePPM: uint32(share), Until: instant(until)}
	return r, err
}
