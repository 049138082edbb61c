package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// PinEnsemble stores what a version of an ensemble is, if that is not known yet, and answers what is; see gateway.Pins.
func (s *Store) PinEnsemble(ctx context.Context, name, version, digest string) (pinned string, err error) {
	const doing = "sqlite: pin an ensemble"
	if name == "" || version == "" || digest == "" {
		return "", fmt.Errorf("%s: it has a name, a version and a digest", doing)
	}
	err = s.write(ctx, doing, func(t *tx) error {
		pinned = digest
		err := t.queryRow(`SELECT digest FROM ensemble_pins WHERE name = ? AND version = ?`, []any{name, version}, &pinned)
		if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		_, err = t.exec(`INSERT INTO ensemble_pins (name, version, digest) VALUES (?, ?, ?)`, name, version, digest)
		return err
	})
	if err != nil {
		return "", err
	}
	return pinned, nil
}
