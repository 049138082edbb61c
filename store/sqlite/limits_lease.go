package sqlite

import (
	"context"
	"errors"
	"fmt"

	"github.com/candor-gateway/candor/limits"
)

// Shared is false: the file's lock keeps other gateways out.
func (s *Store) Shared() bool { return false }

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
			readTallies(read, out),
			readLatches(read, out),
		)
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	return out, nil
}

// Lease stores a lease as the one gateway asks for it, settles an earlier one and forgets those that no window holds any more;
// see limits.Store.
func (s *Store) Lease(ctx context.Context, r limits.LeaseRequest) (limits.Grant, error) {
	const doing = "sqlite: lease permits"
	if err := r.Check(); err != nil {
		return limits.Grant{}, fmt.Errorf("%s: %w", doing, err)
	}
	err := s.write(ctx, doing, func(t *tx) error {
		if settled := r.Settled; settled != nil {
			if _, err := t.exec(`UPDATE limit_leases SET permits = ?, from_us = ?, until_us = ? WHERE limit_name = ? AND id = ?`,
				settled.Count, micros(settled.From), micros(settled.Until), settled.Limit, settled.ID); err != nil {
				return fmt.Errorf("settle lease %d of %s: %w", settled.ID, settled.Limit, err)
			}
		}
		if _, err := t.exec(`DELETE FROM limit_leases WHERE limit_name = ? AND (until_us <= ? OR permits = 0)`,
			r.Limit, micros(r.Forget)); err != nil {
			return fmt.Errorf("forget leases of %s: %w", r.Limit, err)
		}
		if err := t.collect(r); err != nil {
			return err
		}
		if r.Count == 0 {
			return nil
		}
		if _, err := t.exec(`INSERT INTO limit_leases (limit_name, id, permits, from_us, until_us) VALUES (?, ?, ?, ?, ?)`,
			r.Limit, r.ID, r.Count, micros(r.From), micros(r.Until)); err != nil {
			return fmt.Errorf("store lease %d of %s: %w", r.ID, r.Limit, err)
		}
		return nil
	})
	return limits.Grant{Lease: r.Lease}, err
}
