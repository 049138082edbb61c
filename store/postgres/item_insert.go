package postgres

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/candor-gateway/candor/review"
)

// insertItem stores a new item as it is, with its exclusions, its own payload and its history.
func insertItem(to writing, n *review.Fresh, history ...review.Event) error {
	id := idOf(n.ID)
	body, err := encodeBody(&n.Item)
	if err != nil {
		return fmt.Errorf("encode review item %s: %w", n.ID, err)
	}
	var golden []byte
	if n.GoldenAnswer != nil {
		golden, _ = proto.MarshalOptions{Deterministic: true}.Marshal(n.GoldenAnswer) // of a golden question, which was encoded
	}
	var joinKey []byte
	if n.Join != nil {
		joinKey = n.Join.Key
	}
	to.later(`
		INSERT INTO review_items (id, queue, state, release_state, kind, prediction_id, prediction_row, field, model, backend, model_version,
			consumer, expected_loss, created_us, deadline_us, on_expire, default_label, default_value, holder, epoch, lease_until_us,
			claimed_us, unit, body, traceparent, sampling_probability, policy_digest, wanted, agree, tolerance, golden, golden_answer,
			golden_tolerance, join_key, joined_to, revision)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27,
			$28, $29, $30, $31, $32, $33, $34, $35, $36)`,
		id, n.Queue, int32(n.State), int32(n.Release), int32(n.Kind), idOf(n.PredictionID), int64(n.Row), n.Field, n.Model, n.Backend,
		text(n.ModelVersion), n.Consumer, n.ExpectedLoss, micros(n.Created), micros(n.Deadline), int32(n.OnExpire), n.DefaultLabel,
		n.DefaultValue, n.Holder, int64(n.Epoch), micros(n.LeaseUntil), micros(n.ClaimedAt), n.Unit, body, n.Traceparent,
		n.SamplingProbability, n.PolicyDigest, int32(n.Wanted), int32(n.Agree), n.Tolerance, idOf(n.Golden), golden, n.GoldenTolerance,
		joinKey, idOf(n.JoinedTo), int64(n.Revision))
	if n.Sum != nil && n.JoinedTo == "" { // One that joined shows the other's.
		to.later(`INSERT INTO review_payloads (item_id, data, sha256) VALUES ($1, $2, $3)`, id, n.Data, n.Sum)
	}
	for _, x := range n.Excluded {
		to.later(insertExclusion, id, x.Reviewer, micros(x.Until))
	}
	for _, ev := range history {
		insertEvent(to, ev)
	}
	return nil
}
