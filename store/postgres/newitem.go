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
	id           [16]byte
	body         []byte
	payload, sum []byte
}

// prepareItem checks a new item against the record of the decision that makes it. It fills in what the row doesn't say of the item.
func prepareItem(p *candorv1.PredictionRecord, it review.Item) (newItem, error) {
	switch it.Kind {
	case candorv1.ReviewKind_REVIEW_KIND_UNSPECIFIED, candorv1.ReviewKind_REVIEW_KIND_DEFERRED, candorv1.ReviewKind_REVIEW_KIND_AUDIT:
	default:
		return newItem{}, fmt.Errorf("item %s: kind is %d: it is DEFERRED or AUDIT", it.ID, it.Kind)
	}
	n, err := freshItem(it)
	if err != nil {
		return n, err
	}
	id, prediction := uuid.MustParse(n.ID), uuid.MustParse(n.PredictionID)
	switch {
	case !bytes.Equal(prediction[:], p.GetPredictionId()):
		return n, fmt.Errorf("item %s: prediction_id %s isn't the record's", it.ID, it.PredictionID)
	case audit.Find(p, it.Row, it.Field) < 0:
		return n, fmt.Errorf("item %s: row %d, field %q: the record has %d rows, and none is this", it.ID, it.Row, it.Field, len(p.GetRows()))
	}
	row := p.GetRows()[audit.Find(p, it.Row, it.Field)]
	if len(row.ReviewItem) == 0 {
		row.ReviewItem = id[:]
	}
	if !bytes.Equal(row.ReviewItem, id[:]) {
		return n, fmt.Errorf("item %s: row %d of the record names another review_item, %x", it.ID, it.Row, row.ReviewItem)
	}
	if n.sum != nil && len(row.PayloadSha256) == 0 {
		row.PayloadSha256 = n.sum
	}
	if n.sum != nil && !bytes.Equal(row.PayloadSha256, n.sum) {
		return n, fmt.Errorf("item %s: row %d of the record has the payload_sha256 of another payload", it.ID, it.Row)
	}
	return n, nil
}

// freshItem checks a new item by itself: it is PENDING and unjudged, whatever it says, since nobody can have seen it yet.
func freshItem(it review.Item) (newItem, error) {
	n := newItem{Item: it}
	id, err := canonicalUUID(it.ID)
	if err != nil {
		return n, fmt.Errorf("item.id: %w", err)
	}
	n.id = id
	if _, err := canonicalUUID(it.PredictionID); err != nil {
		return n, fmt.Errorf("item %s: prediction_id: %w", it.ID, err)
	}
	n.Wanted, n.Agree = max(it.Wanted, 1), max(it.Agree, 1)
	switch {
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
	case n.Agree > n.Wanted:
		return n, fmt.Errorf("item %s: %d reviewers must agree, and it gets at most %d: give no more than wanted", it.ID, n.Agree, n.Wanted)
	case !finite(it.Tolerance):
		return n, fmt.Errorf("item %s: tolerance is %v: give a finite number of at least 0", it.ID, it.Tolerance)
	case !finite(it.GoldenTolerance):
		return n, fmt.Errorf("item %s: golden_tolerance is %v: give a finite number of at least 0", it.ID, it.GoldenTolerance)
	case it.Join != nil && len(it.Join.Key) != joinKeyBytes:
		return n, fmt.Errorf("item %s: join.key has %d bytes: give a digest of %d", it.ID, len(it.Join.Key), joinKeyBytes)
	}
	for i, x := range it.Excluded {
		if x.Reviewer == "" || slices.ContainsFunc(it.Excluded[:i], func(o review.Exclusion) bool { return o.Reviewer == x.Reviewer }) {
			return n, fmt.Errorf("item %s: excluded[%d] has the reviewer %q: name everyone once", it.ID, i, x.Reviewer)
		}
	}
	for i, sq := range it.Sequences {
		if slices.ContainsFunc(it.Sequences[:i], func(o review.Sequence) bool { return o.Certificate == sq.Certificate }) {
			return n, fmt.Errorf("item %s: it is evidence for certificate %q twice", it.ID, sq.Certificate)
		}
	}
	n.reset()
	if n.body, err = encodeBody(&n.Item); err != nil {
		return n, fmt.Errorf("item %s: encode: %w", it.ID, err)
	}
	if n.payload, n.sum, err = encodePayload(it.Payload); err != nil {
		return n, fmt.Errorf("item %s: %w", it.ID, err)
	}
	return n, nil
}

// encodePayload answers a payload as it is stored, and its digest; nil of none.
func encodePayload(p *candorv1.ReviewPayload) (data, sum []byte, err error) {
	if p == nil {
		return nil, nil, nil
	}
	encoded, digest, err := review.EncodePayload(p)
	// An empty message encodes to nothing, and NULL would mean that it was removed.
	return append([]byte{}, encoded...), digest[:], err
}

// joinKeyBytes is how long a Join's key is.
const joinKeyBytes = 16

func finite(v float64) bool { return v >= 0 && !math.IsInf(v, 0) }

// reset takes away what only acts give.
func (n *newItem) reset() {
	if n.Kind == candorv1.ReviewKind_REVIEW_KIND_UNSPECIFIED {
		n.Kind = candorv1.ReviewKind_REVIEW_KIND_DEFERRED
	}
	n.State, n.Release = candorv1.ReviewState_REVIEW_STATE_PENDING, candorv1.ReleaseState_RELEASE_STATE_RELEASED
	if n.Awaited() {
		n.Release = candorv1.ReleaseState_RELEASE_STATE_HELD
	}
	none := review.Item{}
	n.Holder, n.Epoch, n.LeaseUntil, n.ClaimedAt = none.Holder, none.Epoch, none.LeaseUntil, none.ClaimedAt
	n.Verdicts, n.Adjudication, n.UndoUntil, n.Verdict, n.Agreeing = nil, false, none.UndoUntil, nil, 0
	n.FinalTime, n.HeldBy, n.Action, n.FinalReason = none.FinalTime, "", "", none.FinalReason
	n.JoinedTo, n.Joined, n.Revision = "", 0, 1
	wholeMicros(&n.Item)
}

func canonicalUUID(s string) (uuid.UUID, error) {
	id, err := uuid.Parse(s)
	if err != nil || id.String() != s {
		return uuid.UUID{}, fmt.Errorf("%q isn't a UUID in its form of 36 characters, in lower case", s)
	}
	return id, nil
}

// insertItem stores a new item as it is, with its exclusions, its own payload and its history.
func insertItem(to writing, n *newItem, history ...review.Event) {
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
	if n.sum != nil && n.JoinedTo == "" { // One that joined shows the other's.
		to.later(`INSERT INTO review_payloads (item_id, data, sha256) VALUES ($1, $2, $3)`, n.id, n.payload, n.sum)
	}
	for _, x := range n.Excluded {
		to.later(insertExclusion, n.id, x.Reviewer, micros(x.Until))
	}
	for _, ev := range history {
		insertEvent(to, ev)
	}
}

// created is the first entry of an item's history.
func created(it *review.Item, by, note string) review.Event {
	return review.Event{
		ItemID: it.ID, Kind: candorv1.ReviewEventKind_REVIEW_EVENT_KIND_CREATED, At: it.Created, Actor: by, Note: note, Queue: it.Queue,
	}
}
