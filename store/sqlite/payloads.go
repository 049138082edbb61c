package sqlite

import (
	"context"
	"fmt"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

// payloadOf reads an item's payload. One that joined another has none of its own, and shows the first one's.
const payloadOf = `SELECT item_id, data, sha256 FROM review_payloads WHERE item_id = ?1
	OR item_id = (SELECT joined_to FROM review_items WHERE id = ?1 AND joined_to <> '')`

// storedPayload is a payload as it is stored, and the item whose it is. data nil: it was removed. owner empty: there is none.
type storedPayload struct {
	owner     string
	data, sum []byte
}

func loadPayload(query queryFunc, id string) (p storedPayload, err error) {
	err = query(payloadOf, []any{id}, func(row scanner) error {
		var found storedPayload
		err := row.Scan(&found.owner, &found.data, &found.sum)
		if p.owner != id { // its own is worth more
			p = found
		}
		return err
	})
	if err != nil {
		err = fmt.Errorf("read the payload of review item %s: %w", id, err)
	}
	return p, err
}

// withPayload fills in an item's payload, of which only its digest may be left.
func withPayload(query queryFunc, it *review.Item) error {
	p, err := loadPayload(query, it.ID)
	if err != nil || p.owner == "" {
		return err
	}
	if it.Payload, err = review.DecodePayload(p.data, p.sum); err != nil {
		return fmt.Errorf("review item %s: %w", it.ID, err)
	}
	return nil
}

// insertPayload stores an item's own payload; without a digest there is none.
func (t *tx) insertPayload(id string, data, sum []byte) error {
	if sum == nil {
		return nil
	}
	if _, err := t.exec(`INSERT INTO review_payloads (item_id, data, sha256) VALUES (?, ?, ?)`, id, data, sum); err != nil {
		return fmt.Errorf("store the payload of review item %s: %w", id, err)
	}
	return nil
}

// copyPayload gives an item the payload of another one; whatever is left of it.
func (t *tx) copyPayload(from, to string) error {
	p, err := loadPayload(t.query, from)
	if err != nil {
		return err
	}
	return t.insertPayload(to, p.data, p.sum)
}

// DeletePayload removes an item's payload; see review.Store. Where items share one, all of them lose it: it is the same input.
func (s *Store) DeletePayload(ctx context.Context, id string, by review.By, reason string, now time.Time) error {
	const doing = "sqlite: delete a review item's payload"
	if by.Name == "" {
		return fmt.Errorf("%s: by is empty: say who wants it", doing)
	}
	return s.write(ctx, doing, func(t *tx) error {
		it, err := loadItem(t.query, id)
		if err != nil {
			return err
		}
		p, err := loadPayload(t.query, id)
		if err != nil || p.data == nil {
			return err
		}
		if _, err := t.exec(`UPDATE review_payloads SET data = NULL WHERE item_id = ?`, p.owner); err != nil {
			return fmt.Errorf("remove the payload: %w", err)
		}
		owner := it
		if p.owner != id {
			if owner, err = loadItem(t.query, p.owner); err != nil {
				return err
			}
		}
		for _, of := range []review.Item{it, owner} {
			if _, err := t.exec(`UPDATE review_items SET revision = revision + 1 WHERE id = ?`, of.ID); err != nil {
				return err
			}
			if err := t.insertEvents(review.Event{
				ItemID: of.ID, Kind: candorv1.ReviewEventKind_REVIEW_EVENT_KIND_PAYLOAD_DELETED, At: now, Actor: by.Name, Note: reason,
				Queue: of.Queue, Epoch: of.Epoch,
			}); err != nil {
				return err
			}
			if p.owner == id {
				break
			}
		}
		t.moved = true
		return t.appendAdmin("payload.delete", review.Name(id), by, reason, now)
	})
}

// appendAdmin tells the decision log what somebody did.
func (t *tx) appendAdmin(verb, subject string, by review.By, reason string, now time.Time) error {
	_, err := t.appendRecord(&candorv1.Record{TimeUs: micros(now), Entry: &candorv1.Record_Admin{Admin: &candorv1.AdminRecord{
		Verb: verb, By: by.Name, Subject: subject, Reason: reason, Remote: by.Remote,
	}}})
	return err
}
