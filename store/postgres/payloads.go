package postgres

import (
	"context"
	"fmt"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/people"
	"github.com/candor-gateway/candor/review"
)

// payloadOf reads an item's payload. One that joined another has none of its own, and shows the first one's: its own is worth more.
const payloadOf = `SELECT p.item_id, p.data, p.sha256 FROM review_payloads p WHERE p.item_id = $1
	OR p.item_id = (SELECT joined_to FROM review_items WHERE id = $1) ORDER BY p.item_id = $1 DESC LIMIT 1`

// storedPayload is a payload as it is stored, and the item whose it is. data nil: it was removed.
type storedPayload struct {
	there     bool
	owner     [16]byte
	data, sum []byte
}

// question reads the payload of an item.
func (p *storedPayload) question(id [16]byte) question {
	return question{payloadOf, []any{id}, func(row scanner) error {
		p.there = true
		return row.Scan(&p.owner, &p.data, &p.sum)
	}}
}

// fill gives the payload to the item whose it is.
func (p *storedPayload) fill(it *review.Item) (err error) {
	if !p.there {
		return nil
	}
	if it.Payload, err = review.DecodePayload(p.data, p.sum); err != nil {
		return fmt.Errorf("review item %s: %w", it.ID, err)
	}
	return nil
}

func loadPayload(query queryFunc, id [16]byte) (p storedPayload, err error) {
	q := p.question(id)
	err = query(q.query, q.args, q.each)
	if err != nil {
		err = fmt.Errorf("read the payload of a review item: %w", err)
	}
	return p, err
}

// withPayload fills in an item's payload, of which only its digest may be left. Inside of the transaction that changes the item: a
// caller who gets an error after the commit would take it for a change that failed.
func withPayload(query queryFunc, it *review.Item) error {
	p, err := loadPayload(query, idOf(it.ID).Bytes)
	if err != nil {
		return err
	}
	return p.fill(it)
}

// DeletePayload removes an item's payload; see review.Store. Where items share one, all of them lose it: it is the same input.
func (s *Store) DeletePayload(ctx context.Context, id string, by review.By, reason string, now time.Time) error {
	const doing = "postgres: delete a review item's payload"
	if by.Name == "" {
		return fmt.Errorf("%s: by is empty: say who wants it", doing)
	}
	key := idOf(id)
	if !key.Valid {
		return fmt.Errorf("%s: %w", doing, review.ErrNotFound)
	}
	return s.write(ctx, doing, needs{items: [][16]byte{key.Bytes}}, func(b *batch) error {
		it, err := loadItem(b.ask, id, forUpdate)
		if err != nil {
			return err
		}
		p, err := loadPayload(b.query, it.id)
		if err != nil || p.data == nil {
			return err
		}
		b.later(`UPDATE review_payloads SET data = NULL WHERE item_id = $1`, p.owner)
		touched := []stored{it}
		if p.owner != it.id {
			owner, err := loadItem(b.ask, uuidText(nullUUID{Bytes: p.owner, Valid: true}), forUpdate)
			if err != nil {
				return err
			}
			touched = append(touched, owner)
		}
		for _, of := range touched {
			b.later(`UPDATE review_items SET revision = revision + 1 WHERE id = $1`, of.id)
			insertEvent(b, review.Event{
				ItemID: of.ID, Kind: candorv1.ReviewEventKind_REVIEW_EVENT_KIND_PAYLOAD_DELETED, At: now, Actor: by.Name, Note: reason,
				Queue: of.Queue, Epoch: of.Epoch,
			})
		}
		b.moved = true
		return b.adminAt(now, "payload.delete", review.Name(id), people.By{Name: by.Name, Reason: reason, Remote: by.Remote})
	})
}
