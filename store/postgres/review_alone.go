package postgres

import (
	"context"
	"fmt"

	"github.com/candor-gateway/candor/review"
)

// aloneLock is the first half of the lock that an item's end is made under.
const aloneLock = 0x434e4441

// Alone runs f while nobody else does for the item, at whatever gateway; see review.Store. The transaction that has the lock holds a
// connection, and f may need another: so not all of them may be taken for this.
func (s *Store) Alone(ctx context.Context, id string, f func()) (ran bool, err error) {
	const doing = "postgres: have a review item alone"
	if s.writer == nil {
		return false, fmt.Errorf("%s: %w", doing, ErrReadOnly)
	}
	if !idOf(id).Valid {
		return false, fmt.Errorf("%s: %w", doing, review.ErrNotFound)
	}
	select {
	case s.alone <- struct{}{}:
		defer func() { <-s.alone }()
	case <-ctx.Done():
		return false, fmt.Errorf("%s: %w", doing, context.Cause(ctx))
	}
	tx, err := s.pool.Begin(ctx)
	if err != nil {
		return false, fmt.Errorf("%s: %w", doing, err)
	}
	defer func() {
		// It has changed nothing. A connection that can't say so is given up, and the lock with it.
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), connectTimeout)
		defer cancel()
		_ = tx.Rollback(ending)
	}()
	if err := tx.QueryRow(ctx, `SELECT pg_try_advisory_xact_lock($1, hashtext($2))`, aloneLock, id).Scan(&ran); err != nil {
		return false, fmt.Errorf("%s: %w", doing, err)
	}
	if ran {
		f()
	}
	return ran, nil
}
