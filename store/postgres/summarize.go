package postgres

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/candor-gateway/candor/audit"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// Summarize counts the rows of predictions made within the query's span and within the one before it. Groups come largest
// first. Queued records are committed first and counted.
func (s *Store) Summarize(ctx context.Context, q audit.Query) (audit.Summary, error) {
	const doing = "postgres: count decisions"
	c, err := audit.NewCounter(q)
	if err != nil {
		return audit.Summary{}, fmt.Errorf("%s: %w", doing, err)
	}
	if err := s.flush(ctx); err != nil {
		return audit.Summary{}, fmt.Errorf("%s: %w", doing, err)
	}
	// Each kind's decisions are a range in order of time: nothing is sorted, and kinds that don't match cost nothing.
	err = s.reader(ctx)(`
		SELECT model, consumer, action, route, version, stage, reasons,
			coalesce((SELECT sum(row_count) FROM decisions d WHERE d.kind = k.id AND d.time_us >= $2 AND d.time_us < $3), 0)::bigint,
			coalesce((SELECT sum(row_count) FROM decisions d WHERE d.kind = k.id AND d.time_us >= $1 AND d.time_us < $2), 0)::bigint,
			(SELECT prediction_id FROM decisions d WHERE d.kind = k.id AND d.time_us >= $2 AND d.time_us < $3
				ORDER BY d.time_us DESC LIMIT 1)
		FROM decision_kinds k
		WHERE ($4::text = '' OR model = $4) AND ($5::text = '' OR consumer = $5) AND ($6::text = '' OR action = $6) AND ($7::integer = 0 OR route = $7)`,
		[]any{
			c.Before().UnixMicro(), q.Since.UnixMicro(), q.Until.UnixMicro(), q.Model, q.Consumer, q.Action, int32(q.Route),
		}, func(row scanner) error { return countKind(row, c) })
	if err != nil {
		return audit.Summary{}, fmt.Errorf("%s: %w", doing, err)
	}
	return c.Summary(), nil
}

func countKind(row scanner, c *audit.Counter) error {
	var k audit.Kind
	var route, count, before int64
	var id nullUUID
	if err := row.Scan(&k.Model, &k.Consumer, &k.Action, &route, &k.Version, &k.Stage, &k.Reasons, &count, &before, &id); err != nil {
		return err
	}
	k.Route = candorv1.Route(route)
	example := ""
	if id.Valid {
		example = uuid.UUID(id.Bytes).String()
	}
	c.Add(k, count, before, example)
	return nil
}
