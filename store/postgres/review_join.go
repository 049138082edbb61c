package postgres

import (
	"bytes"
	"fmt"

	"github.com/candor-gateway/candor/review"
)

// joinable items have a key, and wait for an answer that others may share. One that somebody acts on right now is passed over: to
// join is a saving, and nothing to wait for.
const joinable = `SELECT ` + itemColumns + ` FROM review_items i
	WHERE i.join_key = $1 AND i.created_us >= $2 AND i.state IN (1, 2) AND i.joined_to IS NULL AND i.joined < $3
	ORDER BY i.created_us DESC LIMIT 4 FOR UPDATE OF i SKIP LOCKED`

// add stores a new item of a decision: waiting for a person, or for the answer of an item that it joins.
func (b *batch) add(n *review.Fresh) error {
	history := []review.Event{n.CreatedBy(review.AuthorGateway, "")}
	if n.Join != nil {
		joined, err := b.join(n)
		if err != nil {
			return fmt.Errorf("join review item %s: %w", n.ID, err)
		}
		history = append(history, joined...)
	}
	return insertItem(b, n, history...)
}

// join looks for an item with the same key and the same payload, to the last byte, and has it wait for the new one as well. Two
// that come to two gateways at the same time may both wait.
func (b *batch) join(n *review.Fresh) ([]review.Event, error) {
	found, err := readItems(b.query, joinable, []any{n.Join.Key, micros(n.Join.Since), int32(min(n.Join.Max, 1<<30))})
	if err != nil {
		return nil, err
	}
	for _, first := range found {
		p, err := loadPayload(b.query, first.id)
		if err != nil {
			return nil, err
		}
		if !bytes.Equal(p.sum, n.Sum) || p.there && p.data == nil {
			continue
		}
		before := first.Item
		ofItem, ofFirst, ok := review.JoinTo(&n.Item, &first.Item, n.Created)
		if !ok {
			continue
		}
		return ofItem.Events, save(b, &applied{first, before, ofFirst})
	}
	return nil, nil
}

// ofJoined are the items that still wait for another one's answer.
const ofJoined = `SELECT ` + itemColumns + ` FROM review_items i WHERE i.joined_to = $1 AND i.state IN (1, 2) ORDER BY i.id` + forUpdate

// joined reads and locks them.
func (b *batch) joined(first *review.Item) ([]stored, error) {
	if first.Joined == 0 {
		return nil, nil
	}
	found, err := readItems(b.query, ofJoined, []any{idOf(first.ID)})
	if err != nil {
		return nil, fmt.Errorf("find what joined review item %s: %w", first.ID, err)
	}
	return found, nil
}

// answerJoined gives an item's final answer to those that joined it.
func (b *batch) answerJoined(first *review.Item) error {
	found, err := b.joined(first)
	if err != nil {
		return err
	}
	for _, it := range found {
		before := it.Item
		effects, waited := review.Follow(&it.Item, first, first.FinalTime)
		if !waited {
			continue
		}
		if err := save(b, &applied{it, before, effects}); err != nil {
			return err
		}
	}
	return nil
}

// succeed puts one of the items that joined an ended one in its place, with its payload.
func (b *batch) succeed(id [16]byte, ended *review.Item) error {
	found, err := b.joined(ended)
	if err != nil || len(found) == 0 {
		return err
	}
	before := make(map[string]stored, len(found))
	items := make([]*review.Item, len(found))
	for i := range found {
		before[found[i].ID], items[i] = found[i], &found[i].Item
	}
	items, effects := review.Succeed(items, ended.FinalTime)
	first := before[items[0].ID]
	b.later(`INSERT INTO review_payloads (item_id, data, sha256) SELECT $2, data, sha256 FROM review_payloads WHERE item_id = $1`, id, first.id)
	for i, it := range items {
		was := before[it.ID]
		if err := save(b, &applied{stored{*it, was.id, was.body}, was.Item, effects[i]}); err != nil {
			return err
		}
	}
	return nil
}
