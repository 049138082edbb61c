package postgres

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

// itemColumns in the order of scanItem.
const itemColumns = `id, queue, state, release_state, prediction_id, prediction_row, model, backend, model_version, consumer,
	expected_loss, created_us, deadline_us, on_expire, default_label, default_value, holder, epoch, lease_until_us, unit, body,
	traceparent, sampling_probability, policy_digest, verdict, verdict_request_id, final_us, held_by, action, final_reason, kind`

// scanItem reads itemColumns, and more columns after them. Sequences and payload are elsewhere.
func scanItem(row scanner, more ...any) (review.Item, error) {
	var it review.Item
	var state, release, onExpire, finalReason, predictionRow, epoch int64
	var created, deadline, leaseUntil, final, kind int64
	var body, verdict []byte
	into := []any{
		&it.ID, &it.Queue, &state, &release, &it.PredictionID, &predictionRow, &it.Model, &it.Backend, &it.ModelVersion, &it.Consumer,
		&it.ExpectedLoss, &created, &deadline, &onExpire, &it.DefaultLabel, &it.DefaultValue, &it.Holder, &epoch, &leaseUntil,
		&it.Unit, &body, &it.Traceparent, &it.SamplingProbability, &it.PolicyDigest, &verdict, &it.VerdictRequestID, &final,
		&it.HeldBy, &it.Action, &finalReason, &kind,
	}
	if err := row.Scan(append(into, more...)...); err != nil {
		return review.Item{}, err
	}
	it.State, it.Release = candorv1.ReviewState(state), candorv1.ReleaseState(release)
	it.OnExpire, it.FinalReason, it.Kind = candorv1.ExpireAction(onExpire), candorv1.Reason(finalReason), candorv1.ReviewKind(kind)
	it.Row, it.Epoch = uint32(predictionRow), uint64(epoch)
	it.Created, it.Deadline, it.LeaseUntil, it.FinalTime = instant(created), instant(deadline), instant(leaseUntil), instant(final)
	var b candorv1.ReviewItem
	if err := proto.Unmarshal(body, &b); err != nil {
		return review.Item{}, fmt.Errorf("decode review item %s: %w", it.ID, err)
	}
	it.Reasons, it.Labels, it.Answers, it.Field = b.Reasons, b.Labels, b.Answers, b.Field
	if verdict != nil {
		it.Verdict = &candorv1.Verdict{}
		if err := proto.Unmarshal(verdict, it.Verdict); err != nil {
			return review.Item{}, fmt.Errorf("decode the verdict of review item %s: %w", it.ID, err)
		}
	}
	return it, nil
}

// queryFunc runs a query on whichever connection the caller reads from.
type queryFunc func(query string, args []any, each func(scanner) error) error

func (s *Store) reader(ctx context.Context) queryFunc {
	return func(query string, args []any, each func(scanner) error) error {
		rows, err := s.readDB.QueryContext(ctx, query, args...)
		if err != nil {
			return err
		}
		return scanAll(rows, each)
	}
}

// loadItem reads one item, without its payload. Errors: review.ErrNotFound.
func loadItem(query queryFunc, id string) (review.Item, error) {
	found := make([]review.Item, 0, 1)
	err := query(`SELECT `+itemColumns+` FROM review_items WHERE id = ?`, []any{id}, func(row scanner) error {
		it, err := scanItem(row)
		found = append(found, it)
		return err
	})
	if err == nil && len(found) == 0 {
		return review.Item{}, review.ErrNotFound
	}
	if err == nil {
		err = loadSequences(query, found)
	}
	if err != nil {
		return review.Item{}, fmt.Errorf("read review item %s: %w", id, err)
	}
	return found[0], nil
}

// loadSequences fills in the items' parts in certificates, in the order of the certificates' ids.
func loadSequences(query queryFunc, items []review.Item) error {
	if len(items) == 0 {
		return nil
	}
	at := make(map[string]int, len(items))
	ids := make([]string, len(items))
	for i, it := range items {
		at[it.ID], ids[i] = i, it.ID
	}
	list, err := json.Marshal(ids)
	if err != nil {
		return err
	}
	return query(`
		SELECT item_id, certificate, number, probability, least, confidence, label, value, accepted, other_model FROM certificate_rows
		WHERE item_id IN (SELECT value FROM json_each(?)) ORDER BY item_id, certificate`, []any{string(list)}, func(row scanner) error {
		var id string
		var number int64
		var sq review.Sequence
		if err := row.Scan(&id, &sq.Certificate, &number, &sq.Probability, &sq.Least, &sq.Confidence, &sq.Label, &sq.Value, &sq.Accepted, &sq.Foreign); err != nil {
			return err
		}
		sq.Number = uint64(number)
		it := &items[at[id]]
		it.Sequences = append(it.Sequences, sq)
		return nil
	})
}

// withPayload fills in an item's payload, of which only its digest may be left. After a change that is stored already, ctx
// should be one that can't end in between: the caller would take it for a change that failed.
func (s *Store) withPayload(ctx context.Context, it review.Item) (review.Item, error) {
	var data, sum []byte
	err := s.readDB.QueryRowContext(ctx, `SELECT data, sha256 FROM review_payloads WHERE item_id = ?`, it.ID).Scan(&data, &sum)
	if errors.Is(err, sql.ErrNoRows) {
		return it, nil
	}
	if err == nil {
		it.Payload, err = review.DecodePayload(data, sum)
	}
	if err != nil {
		return review.Item{}, fmt.Errorf("postgres: read the payload of review item %s: %w", it.ID, err)
	}
	return it, nil
}
