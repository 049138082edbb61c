package sqlite

import (
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// How a request came to its item: it named it, or the store chose or made it. The second and third kind are asked for without an item.
const (
	ledByName = iota
	ledByClaim
	ledByAppeal
)

// remember keeps a request that was done; without a request id there is nothing to keep.
func (t *tx) remember(actor, requestID, item string, led int, now time.Time) error {
	if requestID == "" {
		return nil
	}
	if _, err := t.exec(`INSERT INTO review_requests (actor, request_id, item_id, led, at_us) VALUES (?, ?, ?, ?, ?)`,
		actor, requestID, item, led, micros(now)); err != nil {
		return fmt.Errorf("keep request %q of %s: %w", requestID, actor, err)
	}
	return nil
}

// repeated says whether the actor's request was done for the item.
func (t *tx) repeated(actor, requestID, item string) (bool, error) {
	if requestID == "" {
		return false, nil
	}
	var one int64
	err := t.queryRow(`SELECT 1 FROM review_requests WHERE actor = ? AND request_id = ? AND item_id = ?`,
		[]any{actor, requestID, item}, &one)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// ledTo answers the item that a request chose or made before; empty: none.
func (t *tx) ledTo(actor, requestID string, led int) (string, error) {
	if requestID == "" {
		return "", nil
	}
	var id string
	err := t.queryRow(`SELECT item_id FROM review_requests WHERE actor = ? AND request_id = ? AND led = ?`,
		[]any{actor, requestID, led}, &id)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return id, err
}
