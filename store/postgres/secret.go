package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
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
	const doing = "postgres: read the coin's secret"
	const read = `SELECT value FROM secrets WHERE name = $1`
	var secret []byte
	err := s.pool.QueryRow(ctx, read, coinSecret).Scan(&secret)
	if err == nil {
		return secret, nil
	}
	if !errors.Is(err, pgx.ErrNoRows) {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	fresh := make([]byte, secretBytes)
	if _, err := rand.Read(fresh); err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	err = s.directly(ctx, doing, func(d *direct) error {
		// Another caller may have been first.
		if _, err := d.exec(`INSERT INTO secrets (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING`, coinSecret, fresh); err != nil {
			return err
		}
		return d.queryRow(read, []any{coinSecret}, &secret)
	})
	return secret, err
}
