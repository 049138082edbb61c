package sqlite

import (
	"bytes"
	"fmt"

	"github.com/candor-gateway/candor/review"
)

// joinable items have a key, and wait for an answer that others may share.
const joinable = `SELECT id FROM review_items INDEXED BY review_items_joinable
	WHERE join_key = ? AND created_us >= ? AND state IN (1, 2) AND joined_to = '' AND joined < ? ORDER BY created_us DESC LIMIT 4`

// add stores a new item of a decision: waiting for a person, or for the answer of an item that it joins.
func (t *tx) add(n *review.Fresh) error {
	history := []review.Event{n.CreatedBy(review.AuthorGateway, "")}
	if n.Join != nil {
		joined, err := t.join(n)
		if err != nil {
			return fmt.Errorf("join review item %s: %w", n.ID, err)
		}
		history = append(history, joined...)
	}
	if err := t.insertItem(n); err != nil {
		return err
	}
	return t.insertEvents(history...)
}

// join looks for an item with the same key and the same payload, to the last byte, and has it wait for the new one as well.
func (t *tx) join(n *review.Fresh) ([]review.Event, error) {
	var ids []string
	if err := t.query(joinable, []any{n.Join.Key, micros(n.Join.Since), int64(n.Join.Max)}, func(row scanner) error {
		var id string
		err := row.Scan(&id)
		ids = append(ids, id)
		return err
	}); err != nil {
		return nil, err
	}
	for _, id := range ids {
		first, err := loadItem(t.query, id)
		if err != nil {
			return nil, err
		}
		p, err := loadPayload(t.query, id)
		if err != nil {
			return nil, err
		}
		if !bytes.Equal(p.sum, n.Sum) || p.owner != "" && p.data == nil {
			continue
		}
		before := first
		ofItem, ofFirst, ok := review.JoinTo(&n.Item, &first, n.Created)
		if !ok {
			continue
		}
		return ofItem.Events, t.save(&before, &first, ofFirst)
	}
	return nil, nil
}

// ofJoined are the items that still wait for another one's answer.
const ofJoined = `SELECT ` + itemColumns + ` FROM review_items INDEXED BY review_items_joined
	WHERE joined_to = ? AND joined_to <> '' AND state IN (1, 2) ORDER BY created_us, id`

// follow answers the items that joined one whose answer is final.
func (t *tx) follow(first *review.Item) error {
	if first.Joined == 0 {
		return nil
	}
	items, err := readItems(t.query, ofJoined, []any{first.ID})
	if err != nil {
		return fmt.Errorf("find what joined review item %s: %w", first.ID, err)
	}
	for i := range items {
		before := items[i]
		e, ok := review.Follow(&items[i], first, first.FinalTime)
		if !ok {
			continue
		}
		if err := t.save(&before, &items[i], e); err != nil {
			return err
		}
	}
	return nil
}

// succeed puts one of the items that joined an ended one in its place, with its payload.
func (t *tx) succeed(ended *review.Item) error {
	if ended.Joined == 0 {
		return nil
	}
	items, err := readItems(t.query, ofJoined, []any{ended.ID})
	if err != nil || len(items) == 0 {
		return err
	}
	before := make(map[string]review.Item, len(items))
	joined := make([]*review.Item, len(items))
	for i := range items {
		before[items[i].ID], joined[i] = items[i], &items[i]
	}
	joined, effects := review.Succeed(joined, ended.FinalTime)
	if err := t.copyPayload(ended.ID, joined[0].ID); err != nil {
		return err
	}
	for i, it := range joined {
		old := before[it.ID]
		if err := t.save(&old, it, effects[i]); err != nil {
			return err
		}
	}
	return nil
}
