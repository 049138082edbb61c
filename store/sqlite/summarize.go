package sqlite

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
	const doing = "sqlite: count decisions"
	c, err := audit.NewCounter(q)
	if err != nil {
		return audit.Summary{}, fmt.Errorf("%s: %w", doing, err)
	}
	if err := s.flush(ctx); err != nil {
		return audit.Summary{}, fmt.Errorf("%s: %w", doing, err)
	}
	err = s.snapshot(ctx, func(query queryFunc) error {
		if err := countRanges(query, q, c); err != nil {
			return err
		}
		return countCut(query, q, c)
	})
	if err != nil {
		return audit.Summary{}, fmt.Errorf("%s: %w", doing, err)
	}
	return c.Summary(), nil
}

// kindRanges counts each kind's decisions within two spans, ?1 to ?2 and ?2 to ?3, where they have rows of their own, and those of runs
// that lie within a span whole. Both are ranges in order of time: nothing is sorted, and kinds that don't match cost nothing.
const kindRanges = `
	SELECT model, consumer, action, route, version, stage, reasons,
		coalesce((SELECT sum(row_count) FROM decisions d WHERE d.kind = k.id AND d.time_us >= ?2 AND d.time_us < ?3), 0) +
		coalesce((SELECT sum(row_count) FROM run_decisions d WHERE d.kind = k.id AND d.to_us >= ?2 AND d.to_us < ?3 AND d.from_us >= ?2), 0),
		coalesce((SELECT sum(row_count) FROM decisions d WHERE d.kind = k.id AND d.time_us >= ?1 AND d.time_us < ?2), 0) +
		coalesce((SELECT sum(row_count) FROM run_decisions d WHERE d.kind = k.id AND d.to_us >= ?1 AND d.to_us < ?2 AND d.from_us >= ?1), 0),
		coalesce((SELECT prediction_id FROM decisions d WHERE d.kind = k.id AND d.time_us >= ?2 AND d.time_us < ?3
			ORDER BY d.time_us DESC LIMIT 1),
			(SELECT example FROM run_decisions d WHERE d.kind = k.id AND d.to_us >= ?2 AND d.to_us < ?3 AND d.from_us >= ?2
			ORDER BY d.to_us DESC LIMIT 1))
	FROM decision_kinds k
	WHERE (?4 = '' OR model = ?4) AND (?5 = '' OR consumer = ?5) AND (?6 = '' OR action = ?6) AND (?7 = 0 OR route = ?7)`

func countRanges(query queryFunc, q audit.Query, c *audit.Counter) error {
	return query(kindRanges, []any{
		c.Before().UnixMicro(), q.Since.UnixMicro(), q.Until.UnixMicro(), q.Model, q.Consumer, q.Action, int64(q.Route),
	}, func(row scanner) error { return countKind(row, c) })
}

// runsCut are the runs that a moment cuts in two: they end at it or later, and no later than a run that begins before it can.
const runsCut = `SELECT writer, last_seq, records FROM log_runs WHERE to_us >= ?1 AND to_us < ?2 AND from_us < ?1`

// countCut counts the records of runs that begin before an edge of the query's spans and end after it, each by its own time.
func countCut(query queryFunc, q audit.Query, c *audit.Counter) error {
	before, since, until := c.Before().UnixMicro(), q.Since.UnixMicro(), q.Until.UnixMicro()
	type place struct{ writer, last int64 }
	seen := map[place]bool{}
	for _, edge := range []int64{before, since, until} {
		err := query(runsCut, []any{edge, edge + maxRunSpan.Microseconds()}, func(row scanner) (err error) {
			var at place
			var records []byte
			if err := row.Scan(&at.writer, &at.last, &records); err != nil || seen[at] {
				return err
			}
			seen[at] = true
			unpack(records, func(data, _ []byte) {
				rec, bad := audit.Decode(data)
				if bad != nil {
					err = fmt.Errorf("%w; run candor audit verify", bad)
					return
				}
				p := rec.GetPrediction()
				for _, k := range audit.KindsOf(p, nil) {
					switch t := rec.GetTimeUs(); {
					case !wanted(q, k.Kind):
					case t >= since && t < until:
						c.Add(k.Kind, k.Rows, 0, exampleOf(p.GetPredictionId()))
					case t >= before && t < since:
						c.Add(k.Kind, 0, k.Rows, "")
					}
				}
			})
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// wanted says whether a query is about a kind, as kindRanges does.
func wanted(q audit.Query, k audit.Kind) bool {
	return (q.Model == "" || q.Model == k.Model) && (q.Consumer == "" || q.Consumer == k.Consumer) &&
		(q.Action == "" || q.Action == k.Action) && (q.Route == 0 || q.Route == k.Route)
}

func countKind(row scanner, c *audit.Counter) error {
	var k audit.Kind
	var route, count, before int64
	var id []byte
	if err := row.Scan(&k.Model, &k.Consumer, &k.Action, &route, &k.Version, &k.Stage, &k.Reasons, &count, &before, &id); err != nil {
		return err
	}
	k.Route = candorv1.Route(route)
	c.Add(k, count, before, exampleOf(id))
	return nil
}

// exampleOf writes a prediction's id; empty: none.
func exampleOf(id []byte) string {
	if len(id) != len(uuid.UUID{}) {
		return ""
	}
	return uuid.UUID(id).String()
}
