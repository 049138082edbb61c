package sqlite

import (
	"context"
	"encoding/json"
	"fmt"

	"google.golang.org/protobuf/proto"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

// itemColumns in the order of scanItem.
const itemColumns = `id, queue, state, release_state, prediction_id, prediction_row, model, backend, model_version, consumer,
	expected_loss, created_us, deadline_us, on_expire, default_label, default_value, holder, epoch, lease_until_us, claimed_us, unit,
	body, traceparent, sampling_probability, policy_digest, wanted, agree, tolerance, adjudication, undo_until_us, verdict, agreeing,
	final_us, held_by, action, final_reason, kind, golden, golden_answer, golden_tolerance, joined_to, joined, revision`

// scanItem reads itemColumns, and more columns after them. What belongs to the item in other tables is read by fill.
func scanItem(row scanner, more ...any) (review.Item, error) {
	var it review.Item
	var state, release, onExpire, finalReason, kind, predictionRow, epoch, wanted, agree, agreeing, joined, revision int64
	var created, deadline, leaseUntil, claimed, undoUntil, final int64
	var body, verdict, golden []byte
	into := []any{
		&it.ID, &it.Queue, &state, &release, &it.PredictionID, &predictionRow, &it.Model, &it.Backend, &it.ModelVersion, &it.Consumer,
		&it.ExpectedLoss, &created, &deadline, &onExpire, &it.DefaultLabel, &it.DefaultValue, &it.Holder, &epoch, &leaseUntil, &claimed, &it.Unit,
		&body, &it.Traceparent, &it.SamplingProbability, &it.PolicyDigest, &wanted, &agree, &it.Tolerance, &it.Adjudication, &undoUntil, &verdict,
		&agreeing, &final, &it.HeldBy, &it.Action, &finalReason, &kind, &it.Golden, &golden, &it.GoldenTolerance, &it.JoinedTo, &joined, &revision,
	}
	if err := row.Scan(append(into, more...)...); err != nil {
		return review.Item{}, err
	}
	it.State, it.Release = candorv1.ReviewState(state), candorv1.ReleaseState(release)
	it.OnExpire, it.FinalReason, it.Kind = candorv1.ExpireAction(onExpire), candorv1.Reason(finalReason), candorv1.ReviewKind(kind)
	it.Row, it.Epoch, it.Revision = uint32(predictionRow), uint64(epoch), uint64(revision)
	it.Wanted, it.Agree, it.Agreeing, it.Joined = uint32(wanted), uint32(agree), uint32(agreeing), uint32(joined)
	it.Created, it.Deadline, it.LeaseUntil, it.ClaimedAt = instant(created), instant(deadline), instant(leaseUntil), instant(claimed)
	it.UndoUntil, it.FinalTime = instant(undoUntil), instant(final)
	err := decodeBody(&it, body)
	if err == nil && verdict != nil {
		it.Verdict = &candorv1.Verdict{}
		err = proto.Unmarshal(verdict, it.Verdict)
	}
	if err == nil && golden != nil {
		it.GoldenAnswer = &candorv1.VerdictAnswer{}
		err = proto.Unmarshal(golden, it.GoldenAnswer)
	}
	if err != nil {
		return review.Item{}, fmt.Errorf("decode review item %s: %w", it.ID, err)
	}
	return it, nil
}

var deterministic = proto.MarshalOptions{Deterministic: true}

// encodeBody is what of an item nobody asks for by its value.
func encodeBody(it *review.Item) ([]byte, error) {
	return deterministic.Marshal(&candorv1.ReviewItem{
		Reasons: it.Reasons, Labels: it.Labels, Answers: it.Answers, Field: it.Field, Superseded: it.Superseded,
		EscalationNote: it.EscalationNote, EscalatedBy: it.EscalatedBy, EscalatedFrom: it.EscalatedFrom,
		AppealReason: it.AppealReason, ModelReplaced: it.ModelReplaced, LimitInputs: it.LimitInputs,
	})
}

func decodeBody(it *review.Item, body []byte) error {
	var b candorv1.ReviewItem
	if err := proto.Unmarshal(body, &b); err != nil {
		return err
	}
	it.Reasons, it.Labels, it.Answers, it.Field, it.Superseded = b.Reasons, b.Labels, b.Answers, b.Field, b.Superseded
	it.EscalationNote, it.EscalatedBy, it.EscalatedFrom = b.EscalationNote, b.EscalatedBy, b.EscalatedFrom
	it.AppealReason, it.ModelReplaced, it.LimitInputs = b.AppealReason, b.ModelReplaced, b.LimitInputs
	return nil
}

// encodeOptional is a message's bytes; nil for none.
func encodeOptional[M interface {
	proto.Message
	comparable
}](m M) ([]byte, error) {
	var none M
	if m == none {
		return nil, nil
	}
	data, err := deterministic.Marshal(m)
	// An empty message encodes to nothing, and NULL would mean that there is none.
	return append([]byte{}, data...), err
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

// snapshot lets read run its queries on one state of the store: an item is in several tables.
func (s *Store) snapshot(ctx context.Context, read func(queryFunc) error) error {
	tx, err := s.readDB.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	return read(func(query string, args []any, each func(scanner) error) error {
		rows, err := tx.QueryContext(ctx, query, args...)
		if err != nil {
			return err
		}
		return scanAll(rows, each)
	})
}

// readItems runs a query for itemColumns; the items are whole but for their payloads.
func readItems(query queryFunc, text string, args []any) ([]review.Item, error) {
	var items []review.Item
	err := query(text, args, func(row scanner) error {
		it, err := scanItem(row)
		items = append(items, it)
		return err
	})
	if err == nil {
		err = fill(query, items)
	}
	return items, err
}

// loadItem reads one item, without its payload. Errors: review.ErrNotFound.
func loadItem(query queryFunc, id string) (review.Item, error) {
	items, err := readItems(query, `SELECT `+itemColumns+` FROM review_items WHERE id = ?`, []any{id})
	if err != nil {
		return review.Item{}, fmt.Errorf("read review item %s: %w", id, err)
	}
	if len(items) == 0 {
		return review.Item{}, review.ErrNotFound
	}
	return items[0], nil
}

// fill reads what belongs to items in other tables: their parts in certificates, verdicts and exclusions.
func fill(query queryFunc, items []review.Item) error {
	if len(items) == 0 {
		return nil
	}
	// The feed has an item twice where its answer was announced twice.
	at := make(map[string][]*review.Item, len(items))
	ids := make([]string, len(items))
	for i := range items {
		it := &items[i]
		at[it.ID], ids[i] = append(at[it.ID], it), it.ID
	}
	list, err := json.Marshal(ids)
	if err != nil {
		return err
	}
	args := []any{string(list)}
	if err := query(`
		SELECT item_id, certificate, number, probability, least, confidence, label, value, accepted, other_model FROM certificate_rows
		WHERE item_id IN (SELECT value FROM json_each(?)) ORDER BY item_id, certificate`, args, func(row scanner) error {
		var id string
		var number int64
		var sq review.Sequence
		err := row.Scan(&id, &sq.Certificate, &number, &sq.Probability, &sq.Least, &sq.Confidence, &sq.Label, &sq.Value, &sq.Accepted, &sq.Foreign)
		sq.Number = uint64(number)
		for _, it := range at[id] {
			it.Sequences = append(it.Sequences, sq)
		}
		return err
	}); err != nil {
		return err
	}
	if err := query(`
		SELECT item_id, verdict FROM review_verdicts
		WHERE item_id IN (SELECT value FROM json_each(?)) AND undone = 0 ORDER BY position`, args, func(row scanner) error {
		var id string
		var data []byte
		if err := row.Scan(&id, &data); err != nil {
			return err
		}
		v := &candorv1.Verdict{}
		for _, it := range at[id] {
			it.Verdicts = append(it.Verdicts, v)
		}
		return proto.Unmarshal(data, v)
	}); err != nil {
		return err
	}
	return query(`
		SELECT item_id, reviewer, until_us FROM review_exclusions
		WHERE item_id IN (SELECT value FROM json_each(?)) ORDER BY item_id, reviewer`, args, func(row scanner) error {
		var id string
		var until int64
		var x review.Exclusion
		err := row.Scan(&id, &x.Reviewer, &until)
		x.Until = instant(until)
		for _, it := range at[id] {
			it.Excluded = append(it.Excluded, x)
		}
		return err
	})
}
