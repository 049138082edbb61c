package sqlite

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/candor-gateway/candor/review"
)

const (
	// eligible is what review.Claim takes: ?1 now, ?2 the holder, ?3 whether the holder is a senior, ?4 the lane.
	eligible = `lane = ?4 AND state IN (1, 2) AND joined_to = '' AND (state = 1 OR lease_until_us <= ?1) AND consumer <> ?2
		AND deadline_us > ?1 AND (adjudication = 0 OR ?3) AND (kind <> 3 OR holder = ?2)
		AND NOT EXISTS (SELECT 1 FROM review_exclusions x WHERE x.item_id = id AND x.reviewer = ?2 AND (x.until_us = 0 OR x.until_us > ?1))`
	inOrder = ` ORDER BY expected_loss DESC, deadline_us, created_us, id LIMIT 1`

	// The planner knows nothing of how few items are unfinished, so it's told.
	nextOfQueue  = `SELECT id FROM review_items INDEXED BY review_items_next_of_queue WHERE ` + eligible + ` AND queue = ?5` + inOrder
	nextOfAll    = `SELECT id FROM review_items INDEXED BY review_items_next WHERE ` + eligible + inOrder
	nextOfQueues = `SELECT id FROM review_items INDEXED BY review_items_next WHERE ` + eligible +
		` AND queue IN (SELECT value FROM json_each(?5))` + inOrder
)

// Lanes of the order in which items are worked off.
const (
	ordinaryLane = 0
	auditLane    = 1
)

// Next leases an item; see review.Store. The holder of a live lease may claim the item again by its id.
func (s *Store) Next(ctx context.Context, c review.Claim) (review.Item, error) {
	const doing = "sqlite: claim a review item"
	if err := checkClaim(c); err != nil {
		return review.Item{}, fmt.Errorf("%s: %w", doing, err)
	}
	var item review.Item
	err := s.write(ctx, doing, func(t *tx) error {
		again, err := t.claimedBefore(c)
		if err != nil || again != nil {
			if err == nil {
				item = *again
			}
			return err
		}
		id, led := c.ID, ledByName
		if id == "" {
			led = ledByClaim
			if id, err = t.choose(c); err != nil {
				return err
			}
		}
		item, err = t.change(id, c, led)
		return err
	})
	return item, err
}

func checkClaim(c review.Claim) error {
	switch {
	case c.Holder == "":
		return fmt.Errorf("holder is empty: say who claims")
	case c.LeaseFor == nil:
		return fmt.Errorf("lease_for is nil: say how long the claim holds")
	}
	return nil
}

// claimedBefore answers the item that the same request was led to before; nil: none.
func (t *tx) claimedBefore(c review.Claim) (*review.Item, error) {
	if c.ID != "" {
		return nil, nil
	}
	id, err := t.ledTo(c.Holder, c.RequestID, ledByClaim)
	if err != nil || id == "" {
		return nil, err
	}
	it, err := loadItem(t.query, id)
	if err != nil {
		return nil, err
	}
	if c.Queues != nil && !slices.Contains(c.Queues, it.Queue) {
		return nil, review.ErrNotFound
	}
	it.Repeated = true
	return &it, withPayload(t.query, &it)
}

// choose answers the id of the next item for a claim. Errors: review.ErrEmpty.
func (t *tx) choose(c review.Claim) (string, error) {
	query, args := nextOfAll, []any{micros(c.Now), c.Holder, c.Senior, ordinaryLane}
	switch {
	case c.Queue != "" && c.Queues != nil && !slices.Contains(c.Queues, c.Queue):
		return "", review.ErrEmpty
	case c.Queue != "":
		query, args = nextOfQueue, append(args, c.Queue)
	case c.Queues != nil:
		list, err := json.Marshal(c.Queues)
		if err != nil {
			return "", err
		}
		query, args = nextOfQueues, append(args, string(list))
	}
	lanes := [...]int{ordinaryLane, auditLane}
	if c.AuditsFirst {
		slices.Reverse(lanes[:])
	}
	for _, lane := range lanes {
		args[3] = lane
		var id string
		if err := t.query(query, args, func(row scanner) error { return row.Scan(&id) }); err != nil || id != "" {
			return id, err
		}
	}
	return "", review.ErrEmpty
}
