package sqlite

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/limits"
)

// Trip latches a limit; see limits.Store. A trip that is known by its id already, latched or reset since, changes nothing.
func (s *Store) Trip(ctx context.Context, trip limits.Trip) (first bool, err error) {
	const doing = "sqlite: trip a limit"
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
	err = s.write(ctx, doing, func(t *tx) error {
		first = false
		var known int64
		if err := t.queryRow(`SELECT (SELECT count(*) FROM limit_latches WHERE limit_name = ?) + (SELECT count(*) FROM limit_trips
			WHERE id = ?)`, []any{trip.Limit, trip.ID}, &known); err != nil || known > 0 {
			return err
		}
		if _, err := t.exec(`INSERT INTO limit_trips (`+tripColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			trip.ID, trip.Limit, trip.Action, trip.Model, trip.Consumer, trip.PredictionID, micros(trip.At), trip.Count, trip.MaxCount,
			int64(trip.Window), trip.DryRun); err != nil {
			return fmt.Errorf("store the alert: %w", err)
		}
		if _, err := t.exec(`INSERT INTO limit_latches (limit_name, trip_id) VALUES (?, ?)`, trip.Limit, trip.ID); err != nil {
			return fmt.Errorf("latch %s: %w", trip.Limit, err)
		}
		if _, err := t.appendRecord(limitRecord(trip.At, rec)); err != nil {
			return err
		}
		first = true
		return nil
	})
	return first && err == nil, err
}

// Reset releases a latch; see limits.Store.
func (s *Store) Reset(ctx context.Context, r limits.Reset) error {
	const doing = "sqlite: reset a limit"
	if r.Limit == "" || r.By == "" || r.Reason == "" || r.RequestID == "" {
		return fmt.Errorf("%s: a reset has a limit, an author, a reason and a request id", doing)
	}
	return s.write(ctx, doing, func(t *tx) error {
		var known int64
		if err := t.queryRow(`SELECT count(*) FROM limit_resets WHERE limit_name = ? AND request_id = ?`,
			[]any{r.Limit, r.RequestID}, &known); err != nil || known > 0 {
			return err
		}
		n, err := t.exec(`DELETE FROM limit_latches WHERE limit_name = ?`, r.Limit)
		if err != nil {
			return fmt.Errorf("release the latch of %s: %w", r.Limit, err)
		}
		if n == 0 {
			return limits.ErrNotTripped
		}
		if _, err := t.exec(`INSERT INTO limit_resets (limit_name, request_id, author, reason, at_us) VALUES (?, ?, ?, ?, ?)`,
			r.Limit, r.RequestID, r.By, r.Reason, micros(r.At)); err != nil {
			return fmt.Errorf("store the reset: %w", err)
		}
		_, err = t.appendRecord(limitRecord(r.At, &candorv1.LimitRecord{
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
	err := s.reader(ctx)(`SELECT `+tripColumns+` FROM limit_trips WHERE delivered = 0 ORDER BY position`, nil, func(row scanner) error {
		t, err := scanTrip(row)
		out = append(out, t)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("sqlite: read the alerts: %w", err)
	}
	return out, nil
}

// AlertDelivered marks one as delivered; again, or of an id that nobody knows, it changes nothing.
func (s *Store) AlertDelivered(ctx context.Context, id string) error {
	return s.write(ctx, "sqlite: mark an alert as delivered", func(t *tx) error {
		_, err := t.exec(`UPDATE limit_trips SET delivered = 1 WHERE id = ? AND delivered = 0`, id)
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
