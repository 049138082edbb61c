package review

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/candor-gateway/candor/audit"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// Fresh is a new item that was checked and is ready to be stored.
type Fresh struct {
	Item
	// Data is the payload as a store keeps it, Sum its SHA-256; nil: the item has none.
	Data, Sum []byte
}

// FreshOf checks a new item of a decision against the record of the decision that makes it. It fills in what the row doesn't say of the item.
func FreshOf(p *candorv1.PredictionRecord, it Item) (Fresh, error) {
	switch it.Kind {
	case candorv1.ReviewKind_REVIEW_KIND_UNSPECIFIED, candorv1.ReviewKind_REVIEW_KIND_DEFERRED, candorv1.ReviewKind_REVIEW_KIND_AUDIT:
	default:
		return Fresh{}, fmt.Errorf("item %s: kind is %d: it is DEFERRED or AUDIT", it.ID, it.Kind)
	}
	n, err := NewFresh(it)
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
	if n.Sum != nil && len(row.PayloadSha256) == 0 {
		row.PayloadSha256 = n.Sum
	}
	if n.Sum != nil && !bytes.Equal(row.PayloadSha256, n.Sum) {
		return n, fmt.Errorf("item %s: row %d of the record has the payload_sha256 of another payload", it.ID, it.Row)
	}
	return n, nil
}

// NewFresh checks a new item by itself: it is PENDING and unjudged, whatever it says, since nobody can have seen it yet.
func NewFresh(it Item) (Fresh, error) {
	n := Fresh{Item: it}
	if _, err := CanonicalID(it.ID); err != nil {
		return n, fmt.Errorf("item.id: %w", err)
	}
	if _, err := CanonicalID(it.PredictionID); err != nil {
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
	case !notNegative(it.Tolerance):
		return n, fmt.Errorf("item %s: tolerance is %v: give a finite number of at least 0", it.ID, it.Tolerance)
	case !notNegative(it.GoldenTolerance):
		return n, fmt.Errorf("item %s: golden_tolerance is %v: give a finite number of at least 0", it.ID, it.GoldenTolerance)
	case it.Join != nil && len(it.Join.Key) != joinKeyBytes:
		return n, fmt.Errorf("item %s: join.key has %d bytes: give a digest of %d", it.ID, len(it.Join.Key), joinKeyBytes)
	}
	for i, x := range it.Excluded {
		if x.Reviewer == "" || slices.ContainsFunc(it.Excluded[:i], func(o Exclusion) bool { return o.Reviewer == x.Reviewer }) {
			return n, fmt.Errorf("item %s: excluded[%d] has the reviewer %q: name everyone once", it.ID, i, x.Reviewer)
		}
	}
	for i, sq := range it.Sequences {
		if slices.ContainsFunc(it.Sequences[:i], func(o Sequence) bool { return o.Certificate == sq.Certificate }) {
			return n, fmt.Errorf("item %s: it is evidence for certificate %q twice", it.ID, sq.Certificate)
		}
	}
	n.reset()
	var err error
	if n.Data, n.Sum, err = StoredPayload(it.Payload); err != nil {
		return n, fmt.Errorf("item %s: %w", it.ID, err)
	}
	return n, nil
}

// joinKeyBytes is how long a Join's key is.
const joinKeyBytes = 16

// notNegative says that a number is finite and at least 0.
func notNegative(v float64) bool { return v >= 0 && !math.IsInf(v, 0) }

// reset takes away what only acts give.
func (n *Fresh) reset() {
	if n.Kind == candorv1.ReviewKind_REVIEW_KIND_UNSPECIFIED {
		n.Kind = candorv1.ReviewKind_REVIEW_KIND_DEFERRED
	}
	n.State, n.Release = candorv1.ReviewState_REVIEW_STATE_PENDING, candorv1.ReleaseState_RELEASE_STATE_RELEASED
	if n.Awaited() {
		n.Release = candorv1.ReleaseState_RELEASE_STATE_HELD
	}
	none := Item{}
	n.Holder, n.Epoch, n.LeaseUntil, n.ClaimedAt = none.Holder, none.Epoch, none.LeaseUntil, none.ClaimedAt
	n.Verdicts, n.Adjudication, n.UndoUntil, n.Verdict, n.Agreeing = nil, false, none.UndoUntil, nil, 0
	n.FinalTime, n.HeldBy, n.Action, n.FinalReason = none.FinalTime, "", "", none.FinalReason
	n.JoinedTo, n.Joined, n.Revision = "", 0, 1
	n.Whole()
}

// CanonicalID parses a UUID in the one form that stores keep.
func CanonicalID(s string) (uuid.UUID, error) {
	id, err := uuid.Parse(s)
	if err != nil || id.String() != s {
		return uuid.UUID{}, fmt.Errorf("%q isn't a UUID in its form of 36 characters, in lower case", s)
	}
	return id, nil
}

// Whole cuts an item's times to whole microseconds, in UTC, which is what stores keep.
func (i *Item) Whole() {
	whole := func(t time.Time) time.Time {
		if t.IsZero() {
			return time.Time{}
		}
		return time.UnixMicro(t.UnixMicro()).UTC()
	}
	for _, at := range []*time.Time{&i.Created, &i.Deadline, &i.LeaseUntil, &i.ClaimedAt, &i.UndoUntil, &i.FinalTime} {
		*at = whole(*at)
	}
	i.Excluded = slices.Clone(i.Excluded)
	for n := range i.Excluded {
		i.Excluded[n].Until = whole(i.Excluded[n].Until)
	}
}

// CreatedBy is the first entry of an item's history.
func (i *Item) CreatedBy(actor, note string) Event {
	return Event{ItemID: i.ID, Kind: candorv1.ReviewEventKind_REVIEW_EVENT_KIND_CREATED, At: i.Created, Actor: actor, Note: note, Queue: i.Queue}
}
