package sqlite

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
)

const (
	coinSecret = "coin"
	// secretBytes of a secret: as many as SHA-256 answers, so that an HMAC uses all of them.
	secretBytes = 32
)

// CoinSecret answers the secret that coins are made of; see gateway.Certificates. It is made from the system's randomness when it
// is first asked for, and is durable before it is answered. The caller owns it. Errors: ErrReadOnly where a store that was opened
// read-only has none yet.
func (s *Store) CoinSecret(ctx context.Context) ([]byte, error) {
	const doing = "sqlite: read the coin's secret"
	const read = `SELECT value FROM secrets WHERE name = ?`
	var secret []byte
	err := s.readDB.QueryRowContext(ctx, read, coinSecret).Scan(&secret)
	if err == nil {
		return secret, nil
	}
	if !errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	fresh := make([]byte, secretBytes)
	if _, err := rand.Read(fresh); err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	err = s.write(ctx, doing, func(t *tx) error {
		// Another caller may have been first.
		if _, err := t.exec(`INSERT INTO secrets (name, value) VALUES (?, ?) ON CONFLICT DO NOTHING`, coinSecret, fresh); err != nil {
			return err
		}
		return t.queryRow(read, []any{coinSecret}, &secret)
	})
	return secret, err
}
