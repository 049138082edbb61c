package postgres

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/proto"

	"github.com/candor-gateway/candor/audit"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

// newItem is a review item, ready to be stored.
type newItem struct {
	review.Item
	id           [16]byte
	body         []byte
	payload, sum []byte
}

// prepareItem checks a new item against its record, and encodes it. It fills in what the row doesn't say of the item.
func prepareItem(p *candorv1.PredictionRecord, it review.Item) (newItem, error) {
	n := newItem{Item: it}
	id, err := canonicalUUID(it.ID)
	n.id = id
	if err != nil {
		return n, fmt.Errorf("item.id: %w", err)
	}
	prediction, err := canonicalUUID(it.PredictionID)
	switch {
	case err != nil:
		return n, fmt.Errorf("item %s: prediction_id: %w", it.ID, err)
	case !bytes.Equal(prediction[:], p.GetPredictionId()):
		return n, fmt.Errorf("item %s: prediction_id %s isn't the record's", it.ID, it.PredictionID)
	case audit.Find(p, it.Row, it.Field) < 0:
		return n, fmt.Errorf("item %s: row %d, field %q: the record has %d rows, and none is this", it.ID, it.Row, it.Field, len(p.GetRows()))
	case it.Queue == "":
		return n, fmt.Errorf("item %s: queue is empty", it.ID)
	case !(it.ExpectedLoss >= 0) || math.IsInf(it.ExpectedLoss, 0):
		return n, fmt.Errorf("item %s: expected_loss is %v: give a finite number of at least 0", it.ID, it.ExpectedLoss)
	case !(it.SamplingProbability > 0 && it.SamplingProbability <= 1):
		return n, fmt.Errorf("item %s: sampling_probability is %v: it is in (0,1]; 1 for a deferred row", it.ID, it.SamplingProbability)
	case it.Created.IsZero() || it.Deadline.IsZero():
		return n, fmt.Errorf("item %s: created and deadline must be set, by the store's clock", it.ID)
	case it.DefaultValue != nil && (math.IsNaN(*it.DefaultValue) || math.IsInf(*it.DefaultValue, 0)):
		return n, fmt.Errorf("item %s: default_value is %v: give a finite number", it.ID, *it.DefaultValue)
	}
	// Whatever it says: an audit's answer has left, any other waits.
	switch it.Kind {
	case candorv1.ReviewKind_REVIEW_KIND_UNSPECIFIED, candorv1.ReviewKind_REVIEW_KIND_DEFERRED:
		n.Kind, n.Release = candorv1.ReviewKind_REVIEW_KIND_DEFERRED, candorv1.ReleaseState_RELEASE_STATE_HELD
	case candorv1.ReviewKind_REVIEW_KIND_AUDIT:
		n.Release = candorv1.ReleaseState_RELEASE_STATE_RELEASED
	default:
		return n, fmt.Errorf("item %s: kind is %d: it is DEFERRED or AUDIT", it.ID, it.Kind)
	}
	for i, sq := range it.Sequences {
		if slices.ContainsFunc(it.Sequences[:i], func(o review.Sequence) bool { return o.Certificate == sq.Certificate }) {
			return n, fmt.Errorf("item %s: it is evidence for certificate %q twice", it.ID, sq.Certificate)
		}
	}
	row := p.GetRows()[audit.Find(p, it.Row, it.Field)]
	if len(row.ReviewItem) == 0 {
		row.ReviewItem = id[:]
	}
	if !bytes.Equal(row.ReviewItem, id[:]) {
		return n, fmt.Errorf("item %s: row %d of the record names another review_item, %x", it.ID, it.Row, row.ReviewItem)
	}
	if it.Payload != nil {
		if err := n.encodePayload(); err != nil {
			return n, err
		}
		if len(row.PayloadSha256) == 0 {
			row.PayloadSha256 = n.sum
		}
		if !bytes.Equal(row.PayloadSha256, n.sum) {
			return n, fmt.Errorf("item %s: row %d of the record has the payload_sha256 of another payload", it.ID, it.Row)
		}
	}
	return n, n.finish()
}

// finish makes a new item one that nobody has touched, and encodes it.
func (n *newItem) finish() (err error) {
	n.State, n.Wanted, n.Agree, n.Revision = candorv1.ReviewState_REVIEW_STATE_PENDING, max(n.Wanted, 1), max(n.Agree, 1), 1
	if n.body, err = encodeBody(&n.Item); err != nil {
		return fmt.Errorf("item %s: encode: %w", n.ID, err)
	}
	return nil
}

func canonicalUUID(s string) (uuid.UUID, error) {
	id, err := uuid.Parse(s)
	if err != nil || id.String() != s {
		return uuid.UUID{}, fmt.Errorf("%q isn't a UUID in its form of 36 characters, in lower case", s)
	}
	return id, nil
}

// insertItem stores a new item with its payload and its first event, as it is.
func insertItem(to writing, n *newItem, by string) {
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
		n.id, n.Queue, int32(n.State), int32(n.Release), int32(n.Kind), idOf(n.PredictionID), int64(n.Row), n.Field, n.Model, n.Backend,
		text(n.ModelVersion), n.Consumer, n.ExpectedLoss, micros(n.Created), micros(n.Deadline), int32(n.OnExpire), n.DefaultLabel,
		n.DefaultValue, n.Holder, int64(n.Epoch), micros(n.LeaseUntil), micros(n.ClaimedAt), n.Unit, n.body, n.Traceparent,
		n.SamplingProbability, n.PolicyDigest, int32(n.Wanted), int32(n.Agree), n.Tolerance, idOf(n.Golden), golden, n.GoldenTolerance,
		joinKey, idOf(n.JoinedTo), int64(n.Revision))
	if n.sum != nil {
		to.later(`INSERT INTO review_payloads (item_id, data, sha256) VALUES ($1, $2, $3)`, n.id, n.payload, n.sum)
	}
	for _, x := range n.Excluded {
		to.later(insertExclusion, n.id, x.Reviewer, micros(x.Until))
	}
	insertEvent(to, review.Event{
		ItemID: n.ID, Kind: candorv1.ReviewEventKind_REVIEW_EVENT_KIND_CREATED, At: n.Created, Actor: by, Queue: n.Queue,
	})
}

// join lets a new item share the answer of an identical one that waits, if there is one. Two that come at the same time to two
// gateways may both wait.
func (b *batch) join(n *newItem) error {
	if n.Join == nil {
		return nil
	}
	var first nullUUID
	err := b.queryRow(`
		SELECT id FROM review_items i WHERE join_key = $1 AND state IN (1, 2) AND joined_to IS NULL AND created_us >= $2 AND joined < $3
			AND NOT EXISTS (SELECT FROM review_verdicts v WHERE v.item_id = i.id AND NOT v.undone)
		ORDER BY created_us, id LIMIT 1 FOR UPDATE OF i`, []any{n.Join.Key, micros(n.Join.Since), int32(n.Join.Max)}, &first)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look for an item that is like %s: %w", n.ID, err)
	}
	n.JoinedTo = uuidText(first)
	b.later(`UPDATE review_items SET joined = joined + 1, revision = revision + 1 WHERE id = $1`, first)
	insertEvent(b, review.Event{
		ItemID: n.JoinedTo, Kind: candorv1.ReviewEventKind_REVIEW_EVENT_KIND_JOINED, At: b.now, Actor: byGateway, Note: n.ID, Queue: n.Queue,
	})
	return nil
}
