package sqlite

import (
	"context"
	"errors"
	"fmt"

	"github.com/candor-gateway/candor/limits"
)

// Load answers every limit's leases, latch and last reset; see limits.Store.
func (s *Store) Load(ctx context.Context) (map[string]limits.State, error) {
	const doing = "sqlite: load the action limits"
	out := map[string]limits.State{}
	// One snapshot, or a latch could be seen without its leases.
	err := s.snapshot(ctx, func(read queryFunc) error {
		return errors.Join(
			read(`SELECT limit_name, id, permits, from_us, until_us FROM limit_leases ORDER BY limit_name, id`, nil, func(row scanner) error {
				var l limits.Lease
				var from, until int64
				err := row.Scan(&l.Limit, &l.ID, &l.Count, &from, &until)
				l.From, l.Until = instant(from), instant(until)
				st := out[l.Limit]
				st.Leases = append(st.Leases, l)
				out[l.Limit] = st
				return err
			}),
			readLatches(read, out),
		)
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	return out, nil
}

// Lease stores a lease, settles an earlier one and forgets those that no window holds any more; see limits.Store.
func (s *Store) Lease(ctx context.Context, l limits.Lease, settled *limits.Lease) error {
	const doing = "sqlite: lease permits"
	if l.Limit == "" || l.Count < 0 {
		return fmt.Errorf("%s: limit %q, count %d: name the limit and ask for at least 0", doing, l.Limit, l.Count)
	}
	return s.write(ctx, doing, func(t *tx) error {
		if settled != nil {
			if _, err := t.exec(`UPDATE limit_leases SET permits = ?, from_us = ?, until_us = ? WHERE limit_name = ? AND id = ?`,
				settled.Count, micros(settled.From), micros(settled.Until), settled.Limit, settled.ID); err != nil {
				return fmt.Errorf("settle lease %d of %s: %w", settled.ID, settled.Limit, err)
			}
		}
		if _, err := t.exec(`DELETE FROM limit_leases WHERE limit_name = ? AND (until_us <= ? OR permits = 0)`,
			l.Limit, micros(l.Forget)); err != nil {
			return fmt.Errorf("forget leases of %s: %w", l.Limit, err)
		}
		if l.Count == 0 {
			return nil
		}
		if _, err := t.exec(`INSERT INTO limit_leases (limit_name, id, permits, from_us, until_us) VALUES (?, ?, ?, ?, ?)`,
			l.Limit, l.ID, l.Count, micros(l.From), micros(l.Until)); err != nil {
			return fmt.Errorf("store lease %d of %s: %w", l.ID, l.Limit, err)
		}
		return nil
	})
}
