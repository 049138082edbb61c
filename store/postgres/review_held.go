package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

// held: finished items whose answer a limit holds, oldest first, unless it is one of ?1 (a JSON list); ?2 how many.
const held = `SELECT ` + itemColumns + ` FROM review_items INDEXED BY review_items_held
	WHERE release_state = 1 AND held_by <> '' AND state IN (3, 4) AND held_by NOT IN (SELECT value FROM json_each(?1))
	ORDER BY final_us, id LIMIT ?2`

// Held answers items whose answer a limit holds; see review.Store.
func (s *Store) Held(ctx context.Context, except []string, limit int) ([]review.Item, error) {
	const doing = "postgres: list held answers"
	if limit < 1 {
		return nil, fmt.Errorf("%s: limit is %d: give at least 1", doing, limit)
	}
	list, err := json.Marshal(append([]string{}, except...)) // never null
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	items, err := s.readItems(ctx, held, []any{string(list), limit})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	return items, nil
}

// LetOut releases a held answer; see review.Store.
func (s *Store) LetOut(ctx context.Context, id string, now time.Time) (review.Item, error) {
	var item review.Item
	err := s.write(ctx, "postgres: let a held answer out", func(t *tx) (err error) {
		if item, err = loadItem(t.query, id); err != nil {
			return err
		}
		if !finished(item) || item.HeldBy == "" || item.Release != candorv1.ReleaseState_RELEASE_STATE_HELD {
			return review.ErrNotHeld
		}
		item.Release, item.HeldBy, item.FinalTime = candorv1.ReleaseState_RELEASE_STATE_RELEASED, "", instant(micros(now))
		if _, err := t.exec(`UPDATE review_items SET release_state = ?, held_by = '', final_us = ? WHERE id = ?`,
			int64(item.Release), micros(now), id); err != nil {
			return fmt.Errorf("release the answer: %w", err)
		}
		return t.announce(item)
	})
	if err != nil {
		return review.Item{}, err
	}
	return item, nil
}
