package sqlite

import (
	"context"
	"fmt"

	"github.com/candor-gateway/candor/review"
)

// Alone runs f while nobody else does for the item; see review.Store. One process has the store.
func (s *Store) Alone(_ context.Context, id string, f func()) (ran bool, err error) {
	const doing = "sqlite: have a review item alone"
	if s.writer == nil {
		return false, fmt.Errorf("%s: %w", doing, ErrReadOnly)
	}
	key, err := review.CanonicalID(id)
	if err != nil {
		return false, fmt.Errorf("%s: %w", doing, review.ErrNotFound)
	}
	if _, taken := s.alone.LoadOrStore(key, true); taken {
		return false, nil
	}
	defer s.alone.Delete(key)
	f()
	return true, nil
}
