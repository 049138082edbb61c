package sqlite

import (
	"context"
	"fmt"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

// ofRow are the items of one row of a prediction, of whatever field, newest first.
const ofRow = `SELECT ` + itemColumns + ` FROM review_items WHERE prediction_id = ? AND prediction_row = ? ORDER BY created_us DESC, id DESC`

// Appeal adds an item that disputes an answer; see review.Store.
func (s *Store) Appeal(ctx context.Context, it review.Item, by, requestID string) (review.Item, error) {
	const doing = "sqlite: appeal"
	if by == "" {
		return review.Item{}, fmt.Errorf("%s: by is empty: say who appeals", doing)
	}
	it.Kind, it.Sequences, it.Join, it.Golden, it.GoldenAnswer, it.GoldenTolerance = candorv1.ReviewKind_REVIEW_KIND_APPEAL, nil, nil, "", nil, 0
	n, err := review.NewFresh(it)
	if err != nil {
		return review.Item{}, fmt.Errorf("%s: %w", doing, err)
	}
	var item review.Item
	err = s.write(ctx, doing, func(t *tx) error {
		id, err := t.ledTo(by, requestID, ledByAppeal)
		if err != nil {
			return err
		}
		repeated := id != ""
		if !repeated {
			id = n.ID
			if err := t.appeal(&n, by, requestID); err != nil {
				return err
			}
		}
		if item, err = loadItem(t.query, id); err != nil {
			return err
		}
		item.Repeated = repeated
		return withPayload(t.query, &item)
	})
	return item, err
}

func (t *tx) appeal(n *review.Fresh, by, requestID string) error {
	ofThis, err := readItems(t.query, ofRow, []any{n.PredictionID, int64(n.Row)})
	if err != nil {
		return err
	}
	var newest string
	for i := range ofThis {
		other := &ofThis[i]
		if other.Field != n.Field {
			continue
		}
		if other.Kind == candorv1.ReviewKind_REVIEW_KIND_APPEAL && !other.Final() {
			return &review.AppealedError{Item: other.ID}
		}
		if newest == "" {
			newest = other.ID
		}
	}
	if err := t.insertItem(n); err != nil {
		return err
	}
	if n.Sum == nil && newest != "" {
		// A copy: the other one's retention runs already.
		if err := t.copyPayload(newest, n.ID); err != nil {
			return err
		}
	}
	if err := t.remember(by, requestID, n.ID, ledByAppeal, t.now); err != nil {
		return err
	}
	return t.insertEvents(n.CreatedBy(by, n.AppealReason))
}
