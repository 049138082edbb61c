package sqlite

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/candor-gateway/candor/audit"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// RecordOutcome stores ground truth in the decision log. A second outcome with the same request id for the same prediction
// changes nothing. Errors: audit.ErrNotFound, also for a row or a field that the prediction doesn't have.
func (s *Store) RecordOutcome(ctx context.Context, o *candorv1.OutcomeRecord) error {
	const doing = "sqlite: record an outcome"
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
	prediction, request := o.GetPredictionId(), o.GetRequestId()
	return s.write(ctx, doing, func(t *tx) error {
		if err := t.checkRow(prediction, o.GetRow(), o.GetField()); err != nil {
			return err
		}
		var known int64
		err := t.queryRow(`SELECT count(*) FROM outcomes WHERE prediction_id = ? AND request_id = ?`, []any{prediction, request}, &known)
		if err != nil || known > 0 {
			return err
		}
		seq, err := t.append(data, nil)
		if err != nil {
			return err
		}
		_, err = t.exec(`INSERT INTO outcomes (prediction_id, request_id, writer, seq) VALUES (?, ?, ?, ?)`,
			prediction, request, t.w.ordinal, int64(seq))
		return err
	})
}

// checkRow says whether the log has the prediction, with that row and field. Errors: audit.ErrNotFound.
func (t *tx) checkRow(prediction []byte, row uint32, field string) error {
	found, err := recordOf(t.query, uuid.UUID(prediction))
	switch {
	case errors.Is(err, audit.ErrNotFound) && t.w.behind != nil:
		return t.w.behind
	case errors.Is(err, audit.ErrNotFound):
		return fmt.Errorf("%s: %w", uuid.UUID(prediction), audit.ErrNotFound)
	case err != nil:
		return err
	}
	rec, err := audit.Decode(found.data)
	if err != nil {
		return err
	}
	if audit.Find(rec.GetPrediction(), row, field) < 0 {
		return fmt.Errorf("%s has %d rows, none is number %d, field %q: %w",
			uuid.UUID(prediction), len(rec.GetPrediction().GetRows()), row, field, audit.ErrNotFound)
	}
	return nil
}

// Outcomes answers a prediction's ground truth in the order in which it arrived.
func (s *Store) Outcomes(ctx context.Context, predictionID string) ([]*candorv1.OutcomeRecord, error) {
	const doing = "sqlite: read outcomes"
	id, err := uuid.Parse(predictionID)
	if err != nil {
		return nil, fmt.Errorf("%s: %q isn't a UUID: %w", doing, predictionID, audit.ErrNotFound)
	}
	var out []*candorv1.OutcomeRecord
	err = s.reader(ctx)(`
		SELECT l.data FROM outcomes o JOIN log l ON l.writer = o.writer AND l.seq = o.seq
		WHERE o.prediction_id = ? ORDER BY o.position`, []any{id[:]}, func(row scanner) error {
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
