package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
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
	SELECT trip_id, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11 FROM latched RETURNING true`

// Trip latches a limit; see limits.Store. A trip that is known by its id already, latched or reset since, changes nothing.
func (s *Store) Trip(ctx context.Context, trip limits.Trip) (first bool, err error) {
	const doing = "postgres: trip a limit"
	if trip.Limit == "" || trip.ID == "" {
		return false, fmt.Errorf("%s: a trip has a limit and an id", doing)
	}
	event := candorv1.LimitEvent_LIMIT_EVENT_TRIPPED
	if trip.DryRun {
		event = candorv1.LimitEvent_LIMIT_EVENT_DRY_RUN
	}
	rec := &candorv1.LimitRecord{Limit: trip.Limit, Event: event, Count: trip.Count, MaxCount: trip.MaxCount}
	if id, err := uuid.Parse(trip.PredictionID); err == nil {
		rec.PredictionId = id[:]
	}
	err = s.write(ctx, doing, needs{}, func(b *batch) error {
		first = false
		err := b.change(latch, []any{
			trip.ID, trip.Limit, trip.Action, trip.Model, trip.Consumer, trip.PredictionID, micros(trip.At), trip.Count, trip.MaxCount,
			int64(trip.Window), trip.DryRun,
		}, func(row scanner) error { return row.Scan(&first) })
		if err != nil || !first {
			return err
		}
		_, err = b.appendRecord(limitRecord(trip.At, rec))
		return err
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
		// Whoever waits for the lock sees afterwards what the one before did.
		var trip string
		err := b.queryRow(`SELECT trip_id FROM limit_latches WHERE limit_name = $1 FOR UPDATE`, []any{r.Limit}, &trip)
		latched := err == nil
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return fmt.Errorf("find the latch of %s: %w", r.Limit, err)
		}
		var known bool
		if err := b.queryRow(`SELECT EXISTS (SELECT FROM limit_resets WHERE limit_name = $1 AND request_id = $2)`,
			[]any{r.Limit, r.RequestID}, &known); err != nil || known {
			return err
		}
		if !latched {
			return limits.ErrNotTripped
		}
		b.later(`DELETE FROM limit_latches WHERE limit_name = $1`, r.Limit)
		b.later(`INSERT INTO limit_resets (limit_name, request_id, author, reason, at_us) VALUES ($1, $2, $3, $4, $5)`,
			r.Limit, r.RequestID, r.By, r.Reason, micros(r.At))
		_, err = b.appendRecord(limitRecord(r.At, &candorv1.LimitRecord{
			Limit: r.Limit, Event: candorv1.LimitEvent_LIMIT_EVENT_RESET, By: r.By, Reason: r.Reason,
		}))
		return err
	})
}

func limitRecord(at time.Time, l *candorv1.LimitRecord) *candorv1.Record {
	return &candorv1.Record{TimeUs: micros(at), Entry: &candorv1.Record_Limit{Limit: l}}
}

// Alerts answers trips whose alert hasn't been delivered, oldest first.
func (s *Store) Alerts(ctx context.Context) ([]limits.Trip, error) {
	var out []limits.Trip
	err := s.reader(ctx)(`SELECT `+tripColumns+` FROM limit_trips WHERE NOT delivered ORDER BY position`, nil, func(row scanner) error {
		t, err := scanTrip(row)
		out = append(out, t)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("postgres: read the alerts: %w", err)
	}
	return out, nil
}

// AlertDelivered marks one as delivered; again, or of an id that nobody knows, it changes nothing.
func (s *Store) AlertDelivered(ctx context.Context, id string) error {
	return s.directly(ctx, "postgres: mark an alert as delivered", func(d *direct) error {
		_, err := d.exec(`UPDATE limit_trips SET delivered = true WHERE id = $1 AND NOT delivered`, id)
		return err
	})
}

// tripColumns in the order of scanTrip.
const tripColumns = `id, limit_name, action, model, consumer, prediction_id, at_us, permits, max_count, window_ns, dry_run`

func scanTrip(row scanner) (limits.Trip, error) {
	var t limits.Trip
	var at, window int64
	err := row.Scan(&t.ID, &t.Limit, &t.Action, &t.Model, &t.Consumer, &t.PredictionID, &at, &t.Count, &t.MaxCount, &window, &t.DryRun)
	t.At, t.Window = instant(at), time.Duration(window)
	return t, err
}
