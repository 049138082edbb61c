package sqlite

import (
	"context"
	"time"

	"github.com/candor-gateway/candor/people"
)

// Try counts a try; see people.Store.
func (p peopleStore) Try(ctx context.Context, key people.Sum, now time.Time, most int, window time.Duration) (ok bool, err error) {
	err = p.s.write(ctx, "sqlite: count a try", func(t *tx) error {
		known, tries := false, int64(0)
		if err := t.query(`SELECT tries FROM people_tries WHERE key_sha256 = ? AND until_us > ?`, []any{key[:], micros(now)}, func(row scanner) error {
			known = true
			return row.Scan(&tries)
		}); err != nil {
			return err
		}
		if ok = tries < int64(most); !ok {
			return nil
		}
		if known {
			_, err := t.exec(`UPDATE people_tries SET tries = tries + 1 WHERE key_sha256 = ?`, key[:])
			return err
		}
		if err := t.makeRoomForTries(micros(now)); err != nil {
			return err
		}
		_, err := t.exec(`INSERT INTO people_tries (key_sha256, began_us, until_us, tries) VALUES (?, ?, ?, 1)`, key[:], micros(now), micros(now.Add(window)))
		return err
	})
	return ok && err == nil, err
}

// makeRoomForTries forgets windows that have passed, and where that isn't enough, half of the others, those that end first.
func (t *tx) makeRoomForTries(now int64) error {
	if _, err := t.exec(`DELETE FROM people_tries WHERE until_us <= ?`, now); err != nil {
		return err
	}
	var n int64
	if err := t.queryRow(`SELECT count(*) FROM people_tries`, nil, &n); err != nil || n < people.MostTries {
		return err
	}
	_, err := t.exec(`DELETE FROM people_tries WHERE key_sha256 IN (SELECT key_sha256 FROM people_tries ORDER BY until_us LIMIT ?)`, n-people.MostTries/2)
	return err
}

// GiveBackTry takes a try back; see people.Store.
func (p peopleStore) GiveBackTry(ctx context.Context, key people.Sum) error {
	return p.s.write(ctx, "sqlite: take a try back", func(t *tx) error {
		_, err := t.exec(`UPDATE people_tries SET tries = tries - 1 WHERE key_sha256 = ? AND tries > 0`, key[:])
		return err
	})
}

// KeepChallenge stores a challenge; see people.Store.
func (p peopleStore) KeepChallenge(ctx context.Context, challenge people.Sum, data []byte, now, expire time.Time) error {
	return p.s.write(ctx, "sqlite: keep a challenge", func(t *tx) error {
		if _, err := t.exec(`DELETE FROM people_challenges WHERE expire_us <= ?`, micros(now)); err != nil {
			return err
		}
		var n int64
		if err := t.queryRow(`SELECT count(*) FROM people_challenges`, nil, &n); err != nil {
			return err
		}
		if n >= people.MostChallenges {
			return people.ErrFull
		}
		_, err := t.exec(`INSERT INTO people_challenges (sha256, data, expire_us) VALUES (?, ?, ?)`, challenge[:], data, micros(expire))
		return err
	})
}

// TakeChallenge takes a challenge; see people.Store.
func (p peopleStore) TakeChallenge(ctx context.Context, challenge people.Sum, now time.Time) (data []byte, err error) {
	err = p.s.write(ctx, "sqlite: take a challenge", func(t *tx) error {
		data = nil
		if err := t.query(`SELECT data FROM people_challenges WHERE sha256 = ? AND expire_us > ?`, []any{challenge[:], micros(now)},
			func(row scanner) error { return row.Scan(&data) }); err != nil || data == nil {
			return orElse(err, people.ErrNotFound)
		}
		_, err := t.exec(`DELETE FROM people_challenges WHERE sha256 = ?`, challenge[:])
		return err
	})
	if err != nil {
		return nil, err
	}
	return data, nil
}
