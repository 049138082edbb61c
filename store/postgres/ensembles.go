package postgres

import (
	"context"
	"fmt"
)

// PinEnsemble stores what a version of an ensemble is, if that is not known yet, and answers what is; see gateway.Pins.
func (s *Store) PinEnsemble(ctx context.Context, name, version, digest string) (pinned string, err error) {
	const doing = "postgres: pin an ensemble"
	if name == "" || version == "" || digest == "" {
		return "", fmt.Errorf("%s: it has a name, a version and a digest", doing)
	}
	err = s.directly(ctx, doing, func(d *direct) error {
		// Waits for a gateway that pins the same; then its digest is seen.
		if _, err := d.exec(`INSERT INTO ensemble_pins (name, version, digest) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, name, version, digest); err != nil {
			return err
		}
		return d.queryRow(`SELECT digest FROM ensemble_pins WHERE name = $1 AND version = $2`, []any{name, version}, &pinned)
	})
	if err != nil {
		return "", err
	}
	return pinned, nil
}
