package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

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
	SELECT trip_id, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15 FROM latched RETURNING true`

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
			int64(trip.Window), trip.DryRun, trip.By, trip.Reason, int64(trip.OnTrip), trip.Amount,
		}, func(row scanner) error { return row.Scan(&first) })
		if err != nil || !first {
			return err
		}
		return b.limitEvent(trip.Limit, limits.TripEvent(trip))
	})
	return first && err == nil, err
}

// Reset releases a latch; see limits.Store.
func (s *Store) Reset(ctx context.Context, r limits.Reset) error {
	const doing = "postgres: reset a limit"
	if r.Limit == "" || r.By == "" || r.Reason == "" || r.RequestID == "" {
		return fmt.Errorf("%s: a reset has a limit, an author, a reason and a request id", doing)
	}
	return s.write(ctx, doing, needs{}, func(b *batch) error {
		trip, lerr := b.latched(r.Limit)
		if lerr != nil && !errors.Is(lerr, limits.ErrNotTripped) {
			return lerr
		}
		if known, err := b.resetKnown(r.Limit, r.RequestID); err != nil || known {
			return err
		}
		if lerr != nil {
			return lerr
		}
		return b.release(r, trip)
	})
}

// latched locks the latch, and answers the trip that holds: whoever waits for the lock sees afterwards what the one before did.
// Errors: limits.ErrNotTripped.
func (b *batch) latched(limit string) (trip string, err error) {
	err = b.queryRow(`SELECT trip_id FROM limit_latches WHERE limit_name = $1 FOR UPDATE`, []any{limit}, &trip)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", limits.ErrNotTripped
	}
	if err != nil {
		return "", fmt.Errorf("find the latch of %s: %w", limit, err)
	}
	return trip, nil
}

// resetKnown says whether there was a reset by this request.
func (b *batch) resetKnown(limit, request string) (known bool, err error) {
	err = b.queryRow(`SELECT EXISTS (SELECT FROM limit_resets WHERE limit_name = $1 AND request_id = $2)`, []any{limit, request}, &known)
	return known, err
}

// release ends the latch of a trip, which is locked.
func (b *batch) release(r limits.Reset, trip string) error {
	b.later(`DELETE FROM limit_latches WHERE limit_name = $1`, r.Limit)
	b.later(`INSERT INTO limit_resets (`+resetColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`, r.Limit, r.RequestID, r.By, r.Reason,
		micros(r.At), r.AskedBy, int64(r.Probation.SharePPM), micros(r.Probation.Until), trip)
	r.TripID = trip
	return b.limitEvent(r.Limit, limits.ResetEvent(r))
}

// readLatches adds what is latched, and the last reset of each limit.
func readLatches(read queryFunc, out map[string]limits.State) error {
	return errors.Join(
		read(`SELECT `+tripColumns+`, ack_author, ack_note, ack_us FROM limit_trips WHERE id IN (SELECT trip_id FROM limit_latches)`, nil, func(row scanner) error {
			var ack limits.Acknowledgement
			var at int64
			t, err := scanTrip(row, &ack.By, &ack.Note, &at)
			st := out[t.Limit]
			st.Tripped, st.Trip = true, t
			if at != 0 {
				ack.Limit, ack.At = t.Limit, instant(at)
				st.Ack = ack
			}
			out[t.Limit] = st
			return err
		}),
		read(`SELECT limit_name, author, reason, request_id, at_us, expires_us FROM limit_asks WHERE position IN (
			SELECT max(position) FROM limit_asks WHERE trip_id IN (SELECT trip_id FROM limit_latches) GROUP BY limit_name)`, nil, func(row scanner) error {
			var a limits.Ask
			var at, expires int64
			err := row.Scan(&a.Limit, &a.By, &a.Reason, &a.RequestID, &at, &expires)
			a.At, a.Expires = instant(at), instant(expires)
			st := out[a.Limit]
			st.Ask = a
			out[a.Limit] = st
			return err
		}),
		read(`SELECT `+resetColumns+` FROM limit_resets WHERE position IN (SELECT max(position) FROM limit_resets GROUP BY limit_name)`, nil, func(row scanner) error {
			r, err := scanReset(row)
			st := out[r.Limit]
			st.LastReset = r
			out[r.Limit] = st
			return err
		}),
	)
}

// tripColumns in the order of scanTrip.
const tripColumns = `id, limit_name, action, model, consumer, prediction_id, at_us, permits, max_count, window_ns, dry_run, author, reason, on_trip, amount`

// scanTrip reads a trip, and what is selected after it into more.
func scanTrip(row scanner, more ...any) (limits.Trip, error) {
	var t limits.Trip
	var at, window, onTrip int64
	err := row.Scan(append([]any{
		&t.ID, &t.Limit, &t.Action, &t.Model, &t.Consumer, &t.PredictionID, &at, &t.Count, &t.MaxCount, &window, &t.DryRun, &t.By, &t.Reason, &onTrip, &t.Amount,
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
