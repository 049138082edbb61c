package postgres

import (
	"context"
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
		return nil, fmt.Errorf("postgres: read what limits count: %w", err)
	}
	return stored, nil
}

// Declare notes what limits count; see limits.Store. Of two gateways that note something else at the same time the second waits, and is refused.
func (s *Store) Declare(ctx context.Context, counts map[string]string) error {
	return s.directly(ctx, "postgres: note what limits count", func(d *direct) error {
		var names, now []string
		for name, of := range counts {
			names, now = append(names, name), append(now, of)
		}
		// In one order, so that two gateways don't wait for each other.
		d.later(`INSERT INTO limit_counts (limit_name, counts) SELECT name, of FROM unnest($1::text[], $2::text[]) AS declared (name, of)
			ORDER BY name ON CONFLICT (limit_name) DO NOTHING`, names, now)
		stored := map[string]string{}
		err := d.query(`SELECT limit_name, counts FROM limit_counts WHERE limit_name = ANY($1)`, []any{names}, func(row scanner) error {
			var name, of string
			err := row.Scan(&name, &of)
			stored[name] = of
			return err
		})
		if err != nil {
			return err
		}
		return limits.SameCounts(counts, stored)
	})
}
