package postgres

import (
	"context"
	"fmt"
	"math"

	"github.com/candor-gateway/candor/review"
)

// passedOn: $1 since, $2 until, $3 queue, $4 model, $5 reviewer (empty: all). An escalation's own queue is the one that the item
// came to; where it was before, the entry before says.
const passedOn = `SELECT actor, queue, count(*) FILTER (WHERE kind = 5), count(*) FILTER (WHERE kind = 6) FROM (
		SELECT e.actor, e.kind, coalesce((SELECT b.queue FROM review_events b
			WHERE b.item_id = e.item_id AND b.position < e.position ORDER BY b.position DESC LIMIT 1), e.queue) AS queue
		FROM review_events e
		WHERE e.kind IN (5, 6) AND e.at_us >= $1 AND e.at_us < $2 AND ($5::text = '' OR e.actor = $5)
			AND ($4::text = '' OR EXISTS (SELECT 1 FROM review_items i WHERE i.id = e.item_id AND i.model = $4))
	) AS passed WHERE $3::text = '' OR queue = $3 GROUP BY actor, queue ORDER BY actor, queue`

// Passed counts what reviewers gave on; see review.Reports.
func (s *Store) Passed(ctx context.Context, f review.GivenFilter) ([]review.Passed, error) {
	until := int64(math.MaxInt64)
	if !f.Until.IsZero() {
		until = micros(f.Until)
	}
	var out []review.Passed
	err := s.reader(ctx)(passedOn, []any{micros(f.Since), until, f.Queue, f.Model, f.Reviewer}, func(row scanner) error {
		var p review.Passed
		err := row.Scan(&p.Reviewer, &p.Queue, &p.Skipped, &p.Escalated)
		out = append(out, p)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("postgres: count what reviewers gave on: %w", err)
	}
	return out, nil
}
