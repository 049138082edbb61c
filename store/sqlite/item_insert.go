package sqlite

import (
	"fmt"

	"github.com/candor-gateway/candor/review"
)

// insertItem stores a new item, its exclusions and its own payload.
func (t *tx) insertItem(n *review.Fresh) error {
	body, err := encodeBody(&n.Item)
	if err != nil {
		return fmt.Errorf("encode review item %s: %w", n.ID, err)
	}
	golden, err := encodeOptional(n.GoldenAnswer)
	if err != nil {
		return fmt.Errorf("encode review item %s: %w", n.ID, err)
	}
	var key []byte
	if n.Join != nil {
		key = n.Join.Key
	}
	if _, err := t.exec(`
		INSERT INTO review_items (id, queue, state, release_state, prediction_id, prediction_row, model, backend, model_version,
			consumer, expected_loss, created_us, deadline_us, on_expire, default_label, default_value, holder, epoch, lease_until_us,
			claimed_us, unit, body, traceparent, sampling_probability, policy_digest, kind, wanted, agree, tolerance, join_key, joined_to,
			golden, golden_answer, golden_tolerance, revision)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		n.ID, n.Queue, int64(n.State), int64(n.Release), n.PredictionID, int64(n.Row), n.Model, n.Backend, n.ModelVersion,
		n.Consumer, n.ExpectedLoss, micros(n.Created), micros(n.Deadline), int64(n.OnExpire), n.DefaultLabel, n.DefaultValue, n.Holder,
		int64(n.Epoch), micros(n.LeaseUntil), micros(n.ClaimedAt), n.Unit, body, n.Traceparent, n.SamplingProbability, n.PolicyDigest,
		int64(n.Kind), int64(n.Wanted), int64(n.Agree), n.Tolerance, key, n.JoinedTo, n.Golden, golden, n.GoldenTolerance,
		int64(n.Revision)); err != nil {
		return fmt.Errorf("store review item %s: %w", n.ID, err)
	}
	t.moved = true
	if err := t.insertExclusions(n.ID, n.Excluded); err != nil {
		return err
	}
	if n.JoinedTo != "" {
		return nil // It shows the payload of the one that it joined.
	}
	return t.insertPayload(n.ID, n.Data, n.Sum)
}
