package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/candor-gateway/candor/audit"
)

// Find answers a prediction's record; one that waits for the group commit is committed first. Errors: audit.ErrNotFound.
func (s *Store) Find(ctx context.Context, predictionID string) (audit.Stored, error) {
	const doing = "postgres: find a prediction"
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
	var found audit.Stored
	var seq int64
	var data []byte
	err := s.pool.QueryRow(ctx, `
		SELECT w.name, l.seq, l.data FROM log l JOIN writers w ON w.ordinal = l.writer WHERE l.prediction_id = $1`, [16]byte(id)).
		Scan(&found.Writer, &seq, &data)
	if errors.Is(err, pgx.ErrNoRows) {
		return found, audit.ErrNotFound
	}
	if err != nil {
		return found, err
	}
	found.Seq = uint64(seq)
	found.Record, err = audit.Decode(data)
	return found, err
}
