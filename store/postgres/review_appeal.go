package postgres

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/jackc/pgx/v5"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

// Acts that may be repeated without naming their item; see claimAct.
const appealAct = "appeal"

// Appeal adds an item that no decision makes; see review.Store. Two appeals of one row at the same time: the index lets one in.
func (s *Store) Appeal(ctx context.Context, it review.Item, by, requestID string) (review.Item, error) {
	const doing = "postgres: add an appeal"
	n, err := prepareAppeal(it)
	if err != nil {
		return review.Item{}, fmt.Errorf("%s: %w", doing, err)
	}
	if by == "" {
		return review.Item{}, fmt.Errorf("%s: nobody appeals: say who", doing)
	}
	var item review.Item
	err = s.directly(ctx, doing, func(d *direct) error {
		n := n
		if id, err := d.repeated(by, requestID, appealAct); err != nil || id.Valid {
			if err != nil {
				return err
			}
			known, err := loadItem(d.query, uuidText(id), "")
			if err != nil {
				return err
			}
			known.Repeated = true
			item = known.Item
			return withPayload(d.query, &item)
		}
		var other nullUUID
		err := d.queryRow(`SELECT id FROM review_items WHERE prediction_id = $1 AND prediction_row = $2 AND field = $3 AND kind = 4 AND final_us = 0`,
			[]any{idOf(n.PredictionID), int64(n.Row), n.Field}, &other)
		if err == nil {
			return &review.AppealedError{Item: uuidText(other)}
		}
		if !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		if n.sum == nil {
			err := d.queryRow(`SELECT p.data, p.sha256 FROM review_items i JOIN review_payloads p ON p.item_id = i.id
				WHERE i.prediction_id = $1 AND i.prediction_row = $2 AND i.field = $3 ORDER BY i.created_us DESC, i.id DESC LIMIT 1`,
				[]any{idOf(n.PredictionID), int64(n.Row), n.Field}, &n.payload, &n.sum)
			if err != nil && !errors.Is(err, pgx.ErrNoRows) {
				return fmt.Errorf("copy the payload: %w", err)
			}
		}
		insertItem(d, &n, by)
		if requestID != "" {
			d.later(insertRequest, n.id, by, requestID, appealAct)
		}
		d.moved, item = true, n.Item
		return withPayload(d.query, &item)
	})
	if violates(err, "review_items_appeal") {
		return s.Appeal(ctx, it, by, requestID) // The other one is stored by now.
	}
	if err != nil {
		return review.Item{}, err
	}
	item.Input, item.Cluster, item.Join = nil, nil, nil
	return item, nil
}

// repeated answers the item of an act that the actor's request has done before.
func (d *direct) repeated(actor, request, act string) (id nullUUID, err error) {
	if request == "" {
		return id, nil
	}
	err = d.queryRow(`SELECT item_id FROM review_requests WHERE actor = $1 AND request_id = $2 AND act = $3 LIMIT 1`, []any{actor, request, act}, &id)
	if errors.Is(err, pgx.ErrNoRows) {
		return nullUUID{}, nil
	}
	return id, err
}

// prepareAppeal checks a new item that isn't a record's.
func prepareAppeal(it review.Item) (newItem, error) {
	n := newItem{Item: it}
	id, err := canonicalUUID(it.ID)
	n.id = id
	switch {
	case err != nil:
		return n, fmt.Errorf("item.id: %w", err)
	case !idOf(it.PredictionID).Valid:
		return n, fmt.Errorf("item %s: prediction_id %q isn't a UUID", it.ID, it.PredictionID)
	case it.Queue == "":
		return n, fmt.Errorf("item %s: queue is empty", it.ID)
	case !(it.ExpectedLoss >= 0) || math.IsInf(it.ExpectedLoss, 0):
		return n, fmt.Errorf("item %s: expected_loss is %v: give a finite number of at least 0", it.ID, it.ExpectedLoss)
	case !(it.SamplingProbability > 0 && it.SamplingProbability <= 1):
		return n, fmt.Errorf("item %s: sampling_probability is %v: it is in (0,1]", it.ID, it.SamplingProbability)
	case it.Created.IsZero() || it.Deadline.IsZero():
		return n, fmt.Errorf("item %s: created and deadline must be set, by the store's clock", it.ID)
	case it.Kind != candorv1.ReviewKind_REVIEW_KIND_APPEAL:
		return n, fmt.Errorf("item %s: kind is %v: it is APPEAL", it.ID, it.Kind)
	}
	if n.Release == candorv1.ReleaseState_RELEASE_STATE_UNSPECIFIED {
		n.Release = candorv1.ReleaseState_RELEASE_STATE_HELD
	}
	if err := n.encodePayload(); err != nil {
		return n, err
	}
	return n, n.finish()
}

// encodePayload encodes an item's payload, if it has one.
func (n *newItem) encodePayload() error {
	if n.Payload == nil {
		return nil
	}
	data, sum, err := review.EncodePayload(n.Payload)
	if err != nil {
		return fmt.Errorf("item %s: %w", n.ID, err)
	}
	// An empty message encodes to nothing, and NULL would mean that it was removed.
	n.payload, n.sum = append([]byte{}, data...), sum[:]
	return nil
}

// DeletePayload removes an item's payload; see review.Store.
func (s *Store) DeletePayload(ctx context.Context, id, by, reason string, now time.Time) error {
	const doing = "postgres: delete a payload"
	key := idOf(id)
	if !key.Valid {
		return fmt.Errorf("%s: %w", doing, review.ErrNotFound)
	}
	return s.write(ctx, doing, needs{items: [][16]byte{key.Bytes}}, func(b *batch) error {
		it, err := loadItem(b.query, id, forUpdate)
		if err != nil {
			return err
		}
		removed := false
		if err := b.change(`UPDATE review_payloads SET data = NULL WHERE item_id = $1 AND data IS NOT NULL RETURNING true`, []any{key},
			func(row scanner) error { return row.Scan(&removed) }); err != nil || !removed {
			return err
		}
		it.Revision++
		b.later(`UPDATE review_items SET revision = $2 WHERE id = $1`, key, int64(it.Revision))
		insertEvent(b, review.Event{
			ItemID: it.ID, Kind: candorv1.ReviewEventKind_REVIEW_EVENT_KIND_PAYLOAD_DELETED, At: whole(now), Actor: by, Note: reason, Queue: it.Queue,
			Epoch: it.Epoch,
		})
		b.moved = true
		return b.admin("payload.delete", by, review.Name(it.ID), reason, now)
	})
}

// admin appends an AdminRecord to the log.
func (b *batch) admin(verb, by, subject, reason string, now time.Time) error {
	_, err := b.appendRecord(&candorv1.Record{TimeUs: micros(now), Entry: &candorv1.Record_Admin{Admin: &candorv1.AdminRecord{
		Verb: verb, By: by, Subject: subject, Reason: reason,
	}}})
	return err
}
