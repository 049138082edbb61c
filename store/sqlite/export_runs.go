package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"iter"

	"github.com/candor-gateway/candor/audit"
)

// Elsewhere a record of a run is a record like every other: the export hands out runs as the rows of log and decisions that they stand for.

// unpacked are the tables that runs are handed out in, with how many rows runs add to them.
var unpacked = map[string]string{
	"log":       `SELECT coalesce(sum(last_seq - first_seq + 1), 0) FROM log_runs`,
	"decisions": `SELECT coalesce(sum(prediction_count), 0) FROM run_decisions`,
}

// packed are the tables that runs lie in.
var packed = []string{"log_runs", "run_decisions"}

// withRuns are a table's rows, and behind them those of runs.
func withRuns(ctx context.Context, tx *sql.Tx, table string, rows iter.Seq2[[]any, error]) iter.Seq2[[]any, error] {
	return func(yield func([]any, error) bool) {
		for row, err := range rows {
			if !yield(row, err) || err != nil {
				return
			}
		}
		of := logRows
		if table == "decisions" {
			kinds, err := numbersOfKinds(ctx, tx)
			if err != nil {
				yield(nil, err)
				return
			}
			of = kinds.decisionRows
		}
		found, err := tx.QueryContext(ctx, `SELECT writer, first_seq, least_id, most_id, records FROM log_runs ORDER BY writer, last_seq`)
		if err != nil {
			yield(nil, err)
			return
		}
		defer found.Close()
		for found.Next() {
			var r storedRun
			if err := found.Scan(&r.writer, &r.first, &r.least, &r.most, &r.records); err != nil {
				yield(nil, err)
				return
			}
			var records []stored
			r.each(func(s stored) { records = append(records, s) })
			for _, s := range records {
				out, err := of(s)
				if err != nil {
					yield(nil, fmt.Errorf("record %d of writer number %d: %w; run candor audit verify", s.seq, s.writer, err))
					return
				}
				for _, row := range out {
					if !yield(row, nil) {
						return
					}
				}
			}
		}
		if err := found.Err(); err != nil {
			yield(nil, err)
		}
	}
}

// logRows is a record as a row of log.
func logRows(s stored) ([][]any, error) {
	var prediction any // NULL
	if id := s.filed(); id != nil {
		prediction = id
	}
	return [][]any{{s.writer, s.seq, prediction, s.data, blob(s.hash)}}, nil
}

type kindNumbers map[audit.Kind]int64

func numbersOfKinds(ctx context.Context, tx *sql.Tx) (kindNumbers, error) {
	rows, err := tx.QueryContext(ctx, `SELECT id, model, consumer, action, route, version, stage, reasons FROM decision_kinds`)
	if err != nil {
		return nil, err
	}
	out := kindNumbers{}
	err = scanAll(rows, func(row scanner) error {
		var id int64
		var k audit.Kind
		err := row.Scan(&id, &k.Model, &k.Consumer, &k.Action, &k.Route, &k.Version, &k.Stage, &k.Reasons)
		out[k] = id
		return err
	})
	return out, err
}

// decisionRows are a record's rows of decisions.
func (n kindNumbers) decisionRows(s stored) ([][]any, error) {
	rec, err := audit.Decode(s.data)
	if err != nil {
		return nil, err
	}
	p := rec.GetPrediction()
	var out [][]any
	for _, k := range audit.KindsOf(p, nil) {
		id, ok := n[k.Kind]
		if !ok {
			return nil, fmt.Errorf("its kind of decision has no number")
		}
		out = append(out, []any{id, rec.GetTimeUs(), p.GetPredictionId(), k.Rows})
	}
	return out, nil
}
