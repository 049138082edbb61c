package postgres

import (
	"context"
	"fmt"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/limits"
)

// eventColumns in the order of scanEvent, without the position.
const eventColumns = `limit_name, event, at_us, author, reason, trip_id, permits, max_count, prediction_id, asked_by, share_ppm, until_us, expires_us, amount,
	unit, denominator`

// limitEvent adds an entry to a limit's history, and to the log.
func (b *batch) limitEvent(limit string, e limits.Event) error {
	b.later(`INSERT INTO limit_events (`+eventColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)`,
		limit, int64(e.Event), micros(e.At), e.By, e.Reason, e.TripID, e.Count, e.MaxCount, e.PredictionID, e.AskedBy,
		int64(e.Probation.SharePPM), micros(e.Probation.Until), micros(e.Expires), e.Amount, e.Unit, e.Denominator)
	b.ofLimits = true
	_, err := b.appendRecord(e.Record(limit))
	return err
}

// LimitEvents answers a limit's history, the newest first; see limits.Latches.
func (s *Store) LimitEvents(ctx context.Context, limit string, before int64, n int) ([]limits.Event, error) {
	var out []limits.Event
	err := s.reader(ctx)(`SELECT position, `+eventColumns+` FROM limit_events WHERE limit_name = $1 AND ($2 = 0 OR position < $2) ORDER BY position DESC LIMIT $3`,
		[]any{limit, before, n}, func(row scanner) error {
			var e limits.Event
			var event, at, share, until, expires int64
			err := row.Scan(&e.Position, new(string), &event, &at, &e.By, &e.Reason, &e.TripID, &e.Count, &e.MaxCount, &e.PredictionID, &e.AskedBy,
				&share, &until, &expires, &e.Amount, &e.Unit, &e.Denominator)
			e.Event, e.At, e.Expires = candorv1.LimitEvent(event), instant(at), instant(expires)
			e.Probation = limits.Probation{SharePPM: uint32(share), Until: instant(until)}
			out = append(out, e)
			return err
		})
	if err != nil {
		return nil, fmt.Errorf("postgres: read the history of %s: %w", limit, err)
	}
	return out, nil
}
