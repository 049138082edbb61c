package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/candor-gateway/candor/audit"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// RecordOutcome stores ground truth in the decision log. A second outcome with the same request id for the same prediction
// changes nothing. Errors: audit.ErrNotFound, also for a row or a field that the prediction doesn't have.
func (s *Store) RecordOutcome(ctx context.Context, o *candorv1.OutcomeRecord) error {
	const doing = "postgres: record an outcome"
	if len(o.GetPredictionId()) != len(uuid.UUID{}) {
		return fmt.Errorf("%s: outcome.prediction_id has %d bytes: give the 16 bytes of a UUID", doing, len(o.GetPredictionId()))
	}
	if o.GetRequestId() == "" {
		return fmt.Errorf("%s: outcome.request_id is empty: give one, so that a retry isn't counted twice", doing)
	}
	data, err := audit.Encode(&candorv1.Record{TimeUs: s.Now().UnixMicro(), Entry: &candorv1.Record_Outcome{Outcome: o}})
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	prediction, request := [16]byte(o.GetPredictionId()), o.GetRequestId()
	return s.write(ctx, doing, needs{}, func(b *batch) error {
		if err := b.checkRow(prediction, o.GetRow(), o.GetField()); err != nil {
			return err
		}
		// Waits for a gateway that stores the same.
		stored := false
		err := b.change(`INSERT INTO outcomes (prediction_id, request_id, writer, seq) VALUES ($1, $2, $3, $4)
			ON CONFLICT (prediction_id, request_id) DO NOTHING RETURNING true`,
			[]any{prediction, request, b.w.ordinal, int64(b.chain.Seq) + 1}, func(row scanner) error { return row.Scan(&stored) })
		if err == nil && stored {
			b.append(data, nullUUID{})
		}
		return err
	})
}

// checkRow says whether the log has the prediction, with that row and field. Errors: audit.ErrNotFound.
func (b *batch) checkRow(prediction [16]byte, row uint32, field string) error {
	data, err := b.recorded(prediction)
	if err != nil {
		return err
	}
	rec, err := audit.Decode(data)
	if err != nil {
		return err
	}
	if audit.Find(rec.GetPrediction(), row, field) < 0 {
		return fmt.Errorf("%s has %d rows, none is number %d, field %q: %w",
			uuid.UUID(prediction), len(rec.GetPrediction().GetRows()), row, field, audit.ErrNotFound)
	}
	return nil
}

// recorded reads a prediction's record, which may be in this very batch. Errors: audit.ErrNotFound.
func (b *batch) recorded(prediction [16]byte) ([]byte, error) {
	for i := range b.entries {
		if e := &b.entries[i]; e.prediction.Valid && e.prediction.Bytes == prediction {
			return e.Data, nil
		}
	}
	var data []byte
	err := b.queryRow(`SELECT data FROM log WHERE prediction_id = $1`, []any{prediction}, &data)
	switch {
	case errors.Is(err, pgx.ErrNoRows) && b.w.behind != nil:
		return nil, b.w.behind
	case errors.Is(err, pgx.ErrNoRows):
		return nil, fmt.Errorf("%s: %w", uuid.UUID(prediction), audit.ErrNotFound)
	}
	return data, err
}

// Outcomes answers a prediction's ground truth in the order in which it arrived.
func (s *Store) Outcomes(ctx context.Context, predictionID string) ([]*candorv1.OutcomeRecord, error) {
	const doing = "postgres: read outcomes"
	id, err := uuid.Parse(predictionID)
	if err != nil {
		return nil, fmt.Errorf("%s: %q isn't a UUID: %w", doing, predictionID, audit.ErrNotFound)
	}
	var out []*candorv1.OutcomeRecord
	err = s.reader(ctx)(`
		SELECT l.data FROM outcomes o JOIN log l ON l.writer = o.writer AND l.seq = o.seq
		WHERE o.prediction_id = $1 ORDER BY o.position`, []any{[16]byte(id)}, func(row scanner) error {
		var data []byte
		if err := row.Scan(&data); err != nil {
			return err
		}
		rec, err := audit.Decode(data)
		if err == nil {
			out = append(out, rec.GetOutcome())
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	return out, nil
}
