package postgres

import (
	"bytes"
	"fmt"
	"math"
	"slices"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	"github.com/candor-gateway/candor/audit"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

// newItem is a review item, ready to be stored.
type newItem struct {
	review.Item
	body         []byte
	payload, sum []byte
}

// prepareItem checks a new item against its record, and encodes it. It fills in what the row doesn't say of the item.
func prepareItem(p *candorv1.PredictionRecord, it review.Item) (newItem, error) {
	n := newItem{Item: it}
	id, err := canonicalUUID(it.ID)
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
		data, sum, err := review.EncodePayload(it.Payload)
		if err != nil {
			return n, fmt.Errorf("item %s: %w", it.ID, err)
		}
		if len(row.PayloadSha256) == 0 {
			row.PayloadSha256 = sum[:]
		}
		if !bytes.Equal(row.PayloadSha256, sum[:]) {
			return n, fmt.Errorf("item %s: row %d of the record has the payload_sha256 of another payload", it.ID, it.Row)
		}
		// An empty message encodes to nothing, and NULL would mean that it was removed.
		n.payload, n.sum = append([]byte{}, data...), sum[:]
	}
	n.body, err = proto.MarshalOptions{Deterministic: true}.Marshal(&candorv1.ReviewItem{
		Reasons: it.Reasons, Labels: it.Labels, Answers: it.Answers, Field: it.Field,
	})
	if err != nil {
		return n, fmt.Errorf("item %s: encode: %w", it.ID, err)
	}
	return n, nil
}

func canonicalUUID(s string) (uuid.UUID, error) {
	id, err := uuid.Parse(s)
	if err != nil || id.String() != s {
		return uuid.UUID{}, fmt.Errorf("%q isn't a UUID in its form of 36 characters, in lower case", s)
	}
	return id, nil
}

// insertItem stores a new item: PENDING, whatever it says, since nobody can have claimed it yet.
func (t *tx) insertItem(n *newItem) error {
	if _, err := t.exec(`
		INSERT INTO review_items (id, queue, state, release_state, prediction_id, prediction_row, model, backend, model_version,
			consumer, expected_loss, created_us, deadline_us, on_expire, default_label, default_value, unit, body, traceparent,
			sampling_probability, policy_digest, kind)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		n.ID, n.Queue, int64(candorv1.ReviewState_REVIEW_STATE_PENDING), int64(n.Release),
		n.PredictionID, int64(n.Row), n.Model, n.Backend, n.ModelVersion, n.Consumer, n.ExpectedLoss, micros(n.Created),
		micros(n.Deadline), int64(n.OnExpire), n.DefaultLabel, n.DefaultValue, n.Unit, n.body, n.Traceparent,
		n.SamplingProbability, n.PolicyDigest, int64(n.Kind)); err != nil {
		return fmt.Errorf("store review item %s: %w", n.ID, err)
	}
	if n.payload != nil {
		if _, err := t.exec(`INSERT INTO review_payloads (item_id, data, sha256) VALUES (?, ?, ?)`, n.ID, n.payload, n.sum); err != nil {
			return fmt.Errorf("store the payload of review item %s: %w", n.ID, err)
		}
	}
	return nil
}
