package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

// appealIndex lets one appeal of a row in at a time.
const appealIndex = "review_items_appeal"

// Appeal adds an item that disputes an answer; see review.Store.
func (s *Store) Appeal(ctx context.Context, it review.Item, by, requestID string) (review.Item, error) {
	const doing = "postgres: appeal"
	if by == "" {
		return review.Item{}, fmt.Errorf("%s: by is empty: say who appeals", doing)
	}
	it.Kind, it.Sequences, it.Join, it.Golden, it.GoldenAnswer, it.GoldenTolerance = candorv1.ReviewKind_REVIEW_KIND_APPEAL, nil, nil, "", nil, 0
	fresh, err := review.NewFresh(it)
	if err != nil {
		return review.Item{}, fmt.Errorf("%s: %w", doing, err)
	}
	var item review.Item
	appeal := func(d *direct) error {
		id, err := d.ledTo(by, requestID, ledByAppeal)
		if err != nil {
			return err
		}
		repeated := id.Valid
		if !repeated {
			n := fresh
			id = idOf(n.ID)
			if err := d.appeal(&n, by, requestID); err != nil {
				return err
			}
		}
		found, err := loadItem(d.ask, uuidText(id), "")
		if err != nil {
			return err
		}
		item, item.Repeated = found.Item, repeated
		return withPayload(d.query, &item)
	}
	err = s.directly(ctx, doing, appeal)
	if violates(err, appealIndex) {
		// Another one was stored at the same time, and can be seen now.
		err = s.directly(ctx, doing, appeal)
	}
	if err != nil {
		return review.Item{}, err
	}
	return item, nil
}

func (d *direct) appeal(n *review.Fresh, by, requestID string) error {
	row := []any{idOf(n.PredictionID), int64(n.Row), n.Field}
	var other nullUUID
	err := d.queryRow(`SELECT id FROM review_items WHERE prediction_id = $1 AND prediction_row = $2 AND field = $3 AND kind = 4 AND final_us = 0`, row, &other)
	if err == nil {
		return &review.AppealedError{Item: uuidText(other)}
	}
	if !errors.Is(err, pgx.ErrNoRows) {
		return err
	}
	if n.Sum == nil {
		// A copy: the other one's retention runs already.
		err := d.queryRow(`SELECT i.id FROM review_items i WHERE i.prediction_id = $1 AND i.prediction_row = $2 AND i.field = $3
			ORDER BY i.created_us DESC, i.id DESC LIMIT 1`, row, &other)
		if err == nil {
			var p storedPayload
			p, err = loadPayload(d.query, other.Bytes)
			n.Data, n.Sum = p.data, p.sum
		}
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
	}
	if err := insertItem(d, n, n.CreatedBy(by, n.AppealReason)); err != nil {
		return err
	}
	if requestID != "" {
		d.later(insertRequest, idOf(n.ID), by, requestID, ledByAppeal, micros(d.now))
	}
	d.moved = true
	return nil
}

// ledTo answers the item that a request chose or made before.
func (d *direct) ledTo(actor, requestID string, led int) (id nullUUID, err error) {
	if requestID == "" {
		return id, nil
	}
	err = d.queryRow(`SELECT item_id FROM review_requests WHERE actor = $1 AND request_id = $2 AND led = $3 LIMIT 1`, []any{actor, requestID, led}, &id)
	if errors.Is(err, pgx.ErrNoRows) {
		return nullUUID{}, nil
	}
	return id, err
}
