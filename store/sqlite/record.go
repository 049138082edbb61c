package sqlite

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/candor-gateway/candor/audit"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

// errRecorded: the prediction's id is in the log already.
var errRecorded = errors.New("the prediction is recorded already: give every call an id of its own")

// record is a prediction's record, ready to be stored. Encoding happens on the caller's side, where there are many.
type record struct {
	prediction []byte
	data       []byte
	timeUS     int64
	kinds      []audit.KindCount
}

// Record stores a prediction's record and the review items that it defers in one transaction, durable when it answers nil.
// On an error nothing of it is stored.
//
// What the ledger knows and rec doesn't say yet is filled in: time_us, and each deferred row's review_item and
// payload_sha256. An item that contradicts the record (another prediction, a row that it doesn't have, another payload) is
// refused. Items that are evidence for certificates are drawn for them in the same transaction, see certificate_draw.go; those that
// may share the answer of an identical one join it, see review_join.go.
func (s *Store) Record(ctx context.Context, rec *candorv1.Record, items []review.Item) error {
	const doing = "sqlite: record a prediction"
	fresh := make([]review.Fresh, 0, len(items))
	for _, it := range items {
		n, err := review.FreshOf(rec.GetPrediction(), it)
		if err != nil {
			return fmt.Errorf("%s: %w", doing, err)
		}
		fresh = append(fresh, n)
	}
	r, err := s.prepare(rec)
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return s.write(ctx, doing, func(t *tx) error {
		if err := t.record(&r); err != nil {
			return err
		}
		for i := range fresh {
			// A copy: the job may run again.
			n := fresh[i]
			if err := t.add(&n); err != nil {
				return err
			}
		}
		return t.draw(fresh, r.timeUS)
	})
}

// Enqueue leaves a prediction's record to the group commit: durable within MaxLinger and one commit, as long as the process
// lives. It waits while the queue is full, until ctx ends: not at all when ctx has ended. rec is a prediction's or a
// gap's, and may be used again once it has returned; time_us is filled in.
func (s *Store) Enqueue(ctx context.Context, rec *candorv1.Record) error {
	const doing = "sqlite: queue a record"
	if s.writer == nil {
		return fmt.Errorf("%s: %w", doing, ErrReadOnly)
	}
	r, err := s.prepare(rec)
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	if err := s.writer.enqueue(ctx, r); err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return nil
}

func (s *Store) prepare(rec *candorv1.Record) (record, error) {
	p := rec.GetPrediction()
	if p == nil && rec.GetGap() == nil {
		return record{}, errors.New("record.prediction is unset: verdicts, limits and outcomes have methods of their own")
	}
	if rec.TimeUs == 0 {
		rec.TimeUs = s.Now().UnixMicro()
	}
	data, err := audit.Encode(rec)
	if err != nil {
		return record{}, err
	}
	return record{bytes.Clone(p.GetPredictionId()), data, rec.TimeUs, audit.KindsOf(p, nil)}, nil
}

// record stores a prediction's record and its place in the index.
func (t *tx) record(r *record) error {
	if _, err := t.append(r.data, r.prediction); err != nil {
		if isConstraint(err) {
			return fmt.Errorf("prediction %s: %w", uuid.UUID(r.prediction), errRecorded)
		}
		return err
	}
	for _, k := range r.kinds {
		id, err := t.kind(k.Kind)
		if err != nil {
			return err
		}
		if _, err := t.exec(`INSERT INTO decisions (kind, time_us, prediction_id, row_count) VALUES (?, ?, ?, ?)`,
			id, r.timeUS, r.prediction, k.Rows); err != nil {
			return fmt.Errorf("index a decision: %w", err)
		}
	}
	t.predictions++
	return nil
}
