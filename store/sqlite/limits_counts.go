package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/candor-gateway/candor/limits"
)

// Declared answers what limits count; see limits.Store.
func (s *Store) Declared(ctx context.Context) (map[string]string, error) {
	stored := map[string]string{}
	err := s.reader(ctx)(`SELECT limit_name, counts FROM limit_counts`, nil, func(row scanner) error {
		var name, of string
		err := row.Scan(&name, &of)
		stored[name] = of
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("sqlite: read what limits count: %w", err)
	}
	return stored, nil
}

// Declare notes what limits count; see limits.Store.
func (s *Store) Declare(ctx context.Context, counts map[string]string) error {
	return s.write(ctx, "sqlite: note what limits count", func(t *tx) error {
		stored := map[string]string{}
		for name := range counts {
			var before string
			err := t.queryRow(`SELECT counts FROM limit_counts WHERE limit_name = ?`, []any{name}, &before)
			switch {
			case err == nil:
				stored[name] = before
			case !errors.Is(err, sql.ErrNoRows):
				return fmt.Errorf("read what %s counts: %w", name, err)
			}
		}
		if err := limits.SameCounts(counts, stored); err != nil {
			return err
		}
		for name, now := range counts {
			if _, noted := stored[name]; noted {
				continue
			}
			if _, err := t.exec(`INSERT INTO limit_counts (limit_name, counts) VALUES (?, ?)`, name, now); err != nil {
				return fmt.Errorf("store what %s counts: %w", name, err)
			}
		}
		return nil
	})
}
