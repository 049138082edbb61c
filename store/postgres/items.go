package postgres

import (
	"fmt"
	"slices"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

// itemColumns in the order of scanItem.
const itemColumns = `i.id, i.queue, i.state, i.release_state, i.kind, i.prediction_id, i.prediction_row, i.model, i.backend, i.model_version,
	i.consumer, i.expected_loss, i.created_us, i.deadline_us, i.on_expire, i.default_label, i.default_value, i.holder, i.epoch,
	i.lease_until_us, i.claimed_us, i.unit, i.body, i.traceparent, i.sampling_probability, i.policy_digest, i.wanted, i.agree, i.tolerance,
	i.agreeing, i.adjudication, i.undo_until_us, i.final_us, i.held_by, i.action, i.final_reason, i.model_replaced, i.golden,
	i.golden_answer, i.golden_tolerance, i.joined_to, i.joined, i.revision`

// stored is an item as it was read, with its body as it is stored: one that hasn't changed isn't written again.
type stored struct {
	review.Item
	id   [16]byte
	body []byte
}

// scanItem reads itemColumns, and more columns after them. Sequences, exclusions and payload are elsewhere.
func scanItem(row scanner, more ...any) (stored, error) {
	var it stored
	var state, release, kind, onExpire, finalReason int32
	var predictionRow, epoch, created, deadline, leaseUntil, claimed, undoUntil, final, revision int64
	var wanted, agree, agreeing, joined int32
	var prediction [16]byte
	var golden, joinedTo nullUUID
	var goldenAnswer []byte
	into := []any{
		&it.id, &it.Queue, &state, &release, &kind, &prediction, &predictionRow, &it.Model, &it.Backend, &it.ModelVersion,
		&it.Consumer, &it.ExpectedLoss, &created, &deadline, &onExpire, &it.DefaultLabel, &it.DefaultValue, &it.Holder, &epoch,
		&leaseUntil, &claimed, &it.Unit, &it.body, &it.Traceparent, &it.SamplingProbability, &it.PolicyDigest, &wanted, &agree, &it.Tolerance,
		&agreeing, &it.Adjudication, &undoUntil, &final, &it.HeldBy, &it.Action, &finalReason, &it.ModelReplaced, &golden,
		&goldenAnswer, &it.GoldenTolerance, &joinedTo, &joined, &revision,
	}
	if err := row.Scan(append(into, more...)...); err != nil {
		return stored{}, err
	}
	it.ID, it.PredictionID = uuid.UUID(it.id).String(), uuid.UUID(prediction).String()
	it.Golden, it.JoinedTo = uuidText(golden), uuidText(joinedTo)
	it.State, it.Release, it.Kind = candorv1.ReviewState(state), candorv1.ReleaseState(release), candorv1.ReviewKind(kind)
	it.OnExpire, it.FinalReason = candorv1.ExpireAction(onExpire), candorv1.Reason(finalReason)
	it.Row, it.Epoch, it.Revision = uint32(predictionRow), uint64(epoch), uint64(revision)
	it.Wanted, it.Agree, it.Agreeing, it.Joined = uint32(wanted), uint32(agree), uint32(agreeing), uint32(joined)
	it.Created, it.Deadline, it.LeaseUntil, it.ClaimedAt = instant(created), instant(deadline), instant(leaseUntil), instant(claimed)
	it.UndoUntil, it.FinalTime = instant(undoUntil), instant(final)
	if goldenAnswer != nil {
		it.GoldenAnswer = &candorv1.VerdictAnswer{}
		if err := proto.Unmarshal(goldenAnswer, it.GoldenAnswer); err != nil {
			return stored{}, fmt.Errorf("decode the right answer of review item %s: %w", it.ID, err)
		}
	}
	if err := decodeBody(it.body, &it.Item); err != nil {
		return stored{}, fmt.Errorf("decode review item %s: %w", it.ID, err)
	}
	return it, nil
}

// encodeBody is what of an item nothing is looked for by.
func encodeBody(it *review.Item) ([]byte, error) {
	return proto.MarshalOptions{Deterministic: true}.Marshal(&candorv1.ReviewItem{
		Reasons: it.Reasons, Labels: it.Labels, Answers: it.Answers, Field: it.Field, Verdict: it.Verdict, Verdicts: it.Verdicts,
		Superseded: it.Superseded, EscalationNote: it.EscalationNote, EscalatedBy: it.EscalatedBy, EscalatedFrom: it.EscalatedFrom,
		AppealReason: it.AppealReason, LimitInputs: it.LimitInputs,
	})
}

func decodeBody(data []byte, it *review.Item) error {
	var b candorv1.ReviewItem
	if err := proto.Unmarshal(data, &b); err != nil {
		return err
	}
	it.Reasons, it.Labels, it.Answers, it.Field, it.Verdict, it.Verdicts = b.Reasons, b.Labels, b.Answers, b.Field, b.Verdict, b.Verdicts
	it.Superseded, it.EscalationNote, it.EscalatedBy, it.EscalatedFrom = b.Superseded, b.EscalationNote, b.EscalatedBy, b.EscalatedFrom
	it.AppealReason, it.LimitInputs = b.AppealReason, b.LimitInputs
	return nil
}

// uuidText is the 36-character form; empty for none.
func uuidText(id nullUUID) string {
	if !id.Valid {
		return ""
	}
	return uuid.UUID(id.Bytes).String()
}

// idOf is the inverse of uuidText; what is no UUID is none.
func idOf(s string) nullUUID {
	id, err := uuid.Parse(s)
	return nullUUID{Bytes: id, Valid: err == nil}
}

// loadItem reads one item, without its payload; inside of a transaction that will change it, lock is " FOR UPDATE OF i". It asks more
// questions along with its own. Those after the first are asked when the lock is there: they see what whoever had it before has changed.
// Errors: review.ErrNotFound.
func loadItem(ask askFunc, id, lock string, more ...question) (stored, error) {
	key := idOf(id)
	if !key.Valid {
		return stored{}, review.ErrNotFound
	}
	var it stored
	found := false
	var sequences []review.Sequence
	var excluded []review.Exclusion
	err := ask(append([]question{
		{`SELECT ` + itemColumns + ` FROM review_items i WHERE i.id = $1` + lock, []any{key}, func(row scanner) (err error) {
			found = true
			it, err = scanItem(row)
			return err
		}},
		{sequencesOf, []any{[][16]byte{key.Bytes}}, func(row scanner) error {
			_, sq, err := scanSequence(row)
			sequences = append(sequences, sq)
			return err
		}},
		{exclusionsOf, []any{[][16]byte{key.Bytes}}, func(row scanner) error {
			_, x, err := scanExclusion(row)
			excluded = append(excluded, x)
			return err
		}},
	}, more...)...)
	switch {
	case err != nil:
		return stored{}, fmt.Errorf("read review item %s: %w", id, err)
	case !found:
		return stored{}, review.ErrNotFound
	}
	it.Sequences, it.Excluded = sequences, excluded
	return it, nil
}

const forUpdate = ` FOR UPDATE OF i`

// readItems runs a query for itemColumns of review_items i.
func readItems(query queryFunc, text string, args []any) ([]stored, error) {
	var items []stored
	err := query(text, args, func(row scanner) error {
		it, err := scanItem(row)
		items = append(items, it)
		return err
	})
	if err == nil {
		err = loadParts(query, items)
	}
	return items, err
}

// loadParts fills in the items' parts in certificates, in the order of the certificates' ids, and their exclusions. An item
// may be there more than once.
func loadParts(query queryFunc, items []stored) error {
	if len(items) == 0 {
		return nil
	}
	at := make(map[[16]byte][]int, len(items))
	ids := make([][16]byte, len(items))
	for i := range items {
		ids[i] = items[i].id
		at[ids[i]] = append(at[ids[i]], i)
	}
	err := query(sequencesOf, []any{ids}, func(row scanner) error {
		id, sq, err := scanSequence(row)
		for _, i := range at[id] {
			items[i].Sequences = append(items[i].Sequences, sq)
		}
		return err
	})
	if err != nil {
		return err
	}
	return query(exclusionsOf, []any{ids}, func(row scanner) error {
		id, x, err := scanExclusion(row)
		for _, i := range at[id] {
			items[i].Excluded = append(slices.Clone(items[i].Excluded), x)
		}
		return err
	})
}

// What of an item isn't in its row.
const (
	sequencesOf = `
		SELECT item_id, certificate, number, probability, least, confidence, label, value, accepted, other_model FROM certificate_rows
		WHERE item_id = ANY($1) ORDER BY item_id, certificate`
	exclusionsOf = `SELECT item_id, reviewer, until_us FROM review_exclusions WHERE item_id = ANY($1) ORDER BY item_id, reviewer`
)

func scanSequence(row scanner) (id [16]byte, sq review.Sequence, err error) {
	var number int64
	err = row.Scan(&id, &sq.Certificate, &number, &sq.Probability, &sq.Least, &sq.Confidence, &sq.Label, &sq.Value, &sq.Accepted, &sq.Foreign)
	sq.Number = uint64(number)
	return id, sq, err
}

func scanExclusion(row scanner) (id [16]byte, x review.Exclusion, err error) {
	var until int64
	err = row.Scan(&id, &x.Reviewer, &until)
	x.Until = instant(until)
	return id, x, err
}

// plainItems are items as callers get them.
func plainItems(found []stored) []review.Item {
	items := make([]review.Item, len(found))
	for i := range found {
		items[i] = found[i].Item
	}
	return items
}
