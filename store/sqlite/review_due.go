package sqlite

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/candor-gateway/candor/review"
)

const (
	// due items, the most overdue first: ?1 now, ?2 how many.
	due = `SELECT ` + itemColumns + ` FROM review_items INDEXED BY review_items_due
		WHERE due_us IS NOT NULL AND due_us <= ?1 ORDER BY due_us, id LIMIT ?2`
	// held: final answers that a limit holds, oldest first, unless it is one of ?1 (a JSON list); ?2 how many.
	held = `SELECT ` + itemColumns + ` FROM review_items INDEXED BY review_items_held
		WHERE release_state = 1 AND held_by <> '' AND final_us > 0 AND held_by NOT IN (SELECT value FROM json_each(?1))
		ORDER BY final_us, id LIMIT ?2`
)

// Due answers items whose undo window has closed or whose deadline has passed; see review.Store.
func (s *Store) Due(ctx context.Context, now time.Time, limit int) ([]review.Item, error) {
	return s.someItems(ctx, "sqlite: find review items that are due", due, micros(now), limit)
}

// Held answers items whose answer a limit holds; see review.Store.
func (s *Store) Held(ctx context.Context, except []string, limit int) ([]review.Item, error) {
	const doing = "sqlite: list held answers"
	list, err := json.Marshal(append([]string{}, except...)) // never null
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	return s.someItems(ctx, doing, held, string(list), limit)
}

// someItems runs a query for itemColumns that has one argument and a limit.
func (s *Store) someItems(ctx context.Context, doing, query string, arg any, limit int) (items []review.Item, err error) {
	if limit < 1 {
		return nil, fmt.Errorf("%s: limit is %d: give at least 1", doing, limit)
	}
	err = s.snapshot(ctx, func(read queryFunc) (err error) {
		items, err = readItems(read, query, []any{arg, limit})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	return items, nil
}
