package sqlite

import (
	"context"
	"fmt"

	"github.com/candor-gateway/candor/limits"
)

// eventColumns in the order of scanEvent, without the position.
const eventColumns = `limit_name, event, at_us, author, reason, trip_id, permits, max_count, prediction_id, asked_by, share_ppm, until_us, expires_us, amount,
	unit, denominator`

// limitEvent adds an entry to a limit's history, and to the log.
func (t *tx) limitEvent(limit string, e limits.Event) error {
	if _, err := t.exec(`INSERT INTO limit_events (`+eventColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		limit, int32(e.Event), micros(e.At), e.By, e.Reason, e.TripID, e.Count, e.MaxCount, e.PredictionID, e.AskedBy,
		int64(e.Probation.SharePPM), micros(e.Probation.Until), micros(e.Expires), e.Amount, e.Unit, e.Denominator); err != nil {
		return fmt.Errorf("store the history of %s: %w", limit, err)
	}
	t.ofLimits = true
	_, err := t.appendRecord(e.Record(limit))
	return err
}

// LimitEvents answers a limit's history, the newest first; see limits.Latches.
func (s *Store) LimitEvents(ctx context.Context, limit string, before int64, n int) ([]limits.Event, error) {
	var out []limits.Event
	err := s.reader(ctx)(`SELECT position, `+eventColumns+` FROM limit_events WHERE limit_name = ? AND (? = 0 OR position < ?) ORDER BY position DESC LIMIT ?`,
		[]any{limit, before, before, n}, func(row scanner) error {
			var e limits.Event
			var at, until, expires int64
			err := row.Scan(&e.Position, new(string), &e.Event, &at, &e.By, &e.Reason, &e.TripID, &e.Count, &e.MaxCount, &e.PredictionID, &e.AskedBy,
				&e.Probation.SharePPM, &until, &expires, &e.Amount, &e.Unit, &e.Denominator)
			e.At, e.Probation.Until, e.Expires = instant(at), instant(until), instant(expires)
			out = append(out, e)
			return err
		})
	if err != nil {
		return nil, fmt.Errorf("sqlite: read the history of %s: %w", limit, err)
	}
	return out, nil
}
