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
	// held: final answers that a limit holds, oldest first, unless it is one of ?1 (a JSON list), behind the time ?2 and the id ?3; ?4 how many.
	held = `SELECT ` + itemColumns + ` FROM review_items INDEXED BY review_items_held
		WHERE release_state = 1 AND held_by <> '' AND final_us > 0 AND held_by NOT IN (SELECT value FROM json_each(?1))
			AND (final_us, id) > (?2, ?3) ORDER BY final_us, id LIMIT ?4`
)

// Due answers items whose undo window has closed or whose deadline has passed; see review.Store.
func (s *Store) Due(ctx context.Context, now time.Time, limit int) ([]review.Item, error) {
	return s.someItems(ctx, "sqlite: find review items that are due", due, limit, micros(now))
}

// Held answers items whose answer a limit holds; see review.Store.
func (s *Store) Held(ctx context.Context, except []string, after review.HeldPlace, limit int) ([]review.Item, error) {
	const doing = "sqlite: list held answers"
	list, err := json.Marshal(append([]string{}, except...)) // never null
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	return s.someItems(ctx, doing, held, limit, string(list), micros(after.FinalTime), after.ID)
}

// someItems runs a query for itemColumns whose last argument is the limit.
func (s *Store) someItems(ctx context.Context, doing, query string, limit int, args ...any) (items []review.Item, err error) {
	if limit < 1 {
		return nil, fmt.Errorf("%s: limit is %d: give at least 1", doing, limit)
	}
	err = s.snapshot(ctx, func(read queryFunc) (err error) {
		items, err = readItems(read, query, append(args, limit))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	return items, nil
}
