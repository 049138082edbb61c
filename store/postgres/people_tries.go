package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/candor-gateway/candor/people"
)

// Try counts a try; see people.Store. Two of one key wait for each other.
func (p peopleStore) Try(ctx context.Context, key people.Sum, now time.Time, most int, window time.Duration) (ok bool, err error) {
	err = p.s.directly(ctx, "postgres: count a try", func(d *direct) error {
		var tries int64
		err := d.queryRow(`INSERT INTO people_tries AS t (key_sha256, began_us, until_us, tries) VALUES ($1, $2, $3, least($4::bigint, 1))
			ON CONFLICT (key_sha256) DO UPDATE SET
				began_us = CASE WHEN t.until_us > $2 THEN t.began_us ELSE $2 END,
				until_us = CASE WHEN t.until_us > $2 THEN t.until_us ELSE $3 END,
				tries = CASE WHEN t.until_us > $2 THEN t.tries + 1 ELSE 1 END
			WHERE t.until_us <= $2 OR t.tries < $4
			RETURNING tries`, []any{key[:], micros(now), micros(now.Add(window)), int64(most)}, &tries)
		if errors.Is(err, pgx.ErrNoRows) {
			ok = false
			return nil
		}
		if ok = err == nil && tries > 0; err != nil || tries > 1 {
			return err
		}
		return d.makeRoomForTries(micros(now))
	})
	return ok && err == nil, err
}

// makeRoomForTries forgets windows that have passed, and where that isn't enough, half of the others, those that end first. What
// somebody else works on it passes over.
func (d *direct) makeRoomForTries(now int64) error {
	if _, err := d.exec(`DELETE FROM people_tries WHERE key_sha256 IN
		(SELECT key_sha256 FROM people_tries WHERE until_us <= $1 FOR UPDATE SKIP LOCKED)`, now); err != nil {
		return err
	}
	var n int64
	if err := d.queryRow(`SELECT count(*) FROM people_tries`, nil, &n); err != nil || n <= people.MostTries {
		return err
	}
	_, err := d.exec(`DELETE FROM people_tries WHERE key_sha256 IN
		(SELECT key_sha256 FROM people_tries ORDER BY until_us LIMIT $1 FOR UPDATE SKIP LOCKED)`, n-people.MostTries/2)
	return err
}

// GiveBackTry takes a try back; see people.Store.
func (p peopleStore) GiveBackTry(ctx context.Context, key people.Sum) error {
	return p.s.directly(ctx, "postgres: take a try back", func(d *direct) error {
		_, err := d.exec(`UPDATE people_tries SET tries = tries - 1 WHERE key_sha256 = $1 AND tries > 0`, key[:])
		return err
	})
}

// KeepChallenge stores a challenge; see people.Store. Gateways that do so at once may go over the bound by one each.
func (p peopleStore) KeepChallenge(ctx context.Context, challenge people.Sum, data []byte, now, expire time.Time) error {
	return p.s.directly(ctx, "postgres: keep a challenge", func(d *direct) error {
		if _, err := d.exec(`DELETE FROM people_challenges WHERE sha256 IN
			(SELECT sha256 FROM people_challenges WHERE expire_us <= $1 FOR UPDATE SKIP LOCKED)`, micros(now)); err != nil {
			return err
		}
		var n int64
		if err := d.queryRow(`SELECT count(*) FROM people_challenges WHERE expire_us > $1`, []any{micros(now)}, &n); err != nil {
			return err
		}
		if n >= people.MostChallenges {
			return people.ErrFull
		}
		_, err := d.exec(`INSERT INTO people_challenges (sha256, data, expire_us) VALUES ($1, $2, $3)`, challenge[:], data, micros(expire))
		return err
	})
}

// TakeChallenge takes a challenge; see people.Store.
func (p peopleStore) TakeChallenge(ctx context.Context, challenge people.Sum, now time.Time) (data []byte, err error) {
	err = p.s.directly(ctx, "postgres: take a challenge", func(d *direct) error {
		data = nil
		err := d.queryRow(`DELETE FROM people_challenges WHERE sha256 = $1 AND expire_us > $2 RETURNING data`, []any{challenge[:], micros(now)}, &data)
		if errors.Is(err, pgx.ErrNoRows) {
			return people.ErrNotFound
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return data, nil
}
