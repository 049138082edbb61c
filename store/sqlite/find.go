package sqlite

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/candor-gateway/candor/audit"
)

// Find answers a prediction's record; one that waits for the group commit is committed first. Errors: audit.ErrNotFound.
func (s *Store) Find(ctx context.Context, predictionID string) (audit.Stored, error) {
	const doing = "sqlite: find a prediction"
	id, err := uuid.Parse(predictionID)
	if err != nil {
		return audit.Stored{}, fmt.Errorf("%s: %q isn't a UUID: %w", doing, predictionID, audit.ErrNotFound)
	}
	found, err := s.find(ctx, id)
	if errors.Is(err, audit.ErrNotFound) {
		// It may be on its way.
		if err := s.flush(ctx); err != nil {
			return audit.Stored{}, fmt.Errorf("%s: %w", doing, err)
		}
		found, err = s.find(ctx, id)
	}
	if err != nil {
		return audit.Stored{}, fmt.Errorf("%s: %s: %w", doing, predictionID, err)
	}
	return found, nil
}

func (s *Store) find(ctx context.Context, id uuid.UUID) (audit.Stored, error) {
	query := s.reader(ctx)
	r, err := recordOf(query, id)
	if err != nil {
		return audit.Stored{}, err
	}
	found := audit.Stored{Seq: uint64(r.seq)}
	if err := query(`SELECT name FROM writers WHERE ordinal = ?`, []any{r.writer}, func(row scanner) error {
		return row.Scan(&found.Writer)
	}); err != nil {
		return audit.Stored{}, err
	}
	found.Record, err = audit.Decode(r.data)
	return found, err
}
