package sqlite

import (
	"errors"
	"testing"
	"time"

	"github.com/candor-gateway/candor/people"
)

// Strangers can't make the store keep more than its bounds: tries are forgotten, those that end first, and challenges refused.
func TestTriesAndChallengesAreBounded(t *testing.T) {
	s := fresh(t, Options{})
	now := s.Now()
	const many = `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1) `
	if err := s.write(t.Context(), "fill", func(tx *tx) error {
		if _, err := tx.exec(many+`INSERT INTO people_tries (key_sha256, began_us, until_us, tries) SELECT cast(i AS BLOB), 0, ?2 + i, 9 FROM n`,
			people.MostTries, micros(now.Add(time.Hour))); err != nil {
			return err
		}
		_, err := tx.exec(many+`INSERT INTO people_challenges (sha256, data, expire_us) SELECT cast(i AS BLOB), x'00', ?2 FROM n`,
			people.MostChallenges, micros(now.Add(time.Hour)))
		return err
	}); err != nil {
		t.Fatal(err)
	}
	p := s.People()
	if ok, err := p.Try(t.Context(), people.SumOf("ann"), now, 1, 2*time.Hour); err != nil || !ok {
		t.Fatal(ok, err)
	}
	var left, newest int64
	if err := s.reader(t.Context())(`SELECT count(*), max(until_us) FROM people_tries WHERE tries = 9`, nil, func(row scanner) error {
		return row.Scan(&left, &newest)
	}); err != nil || left != people.MostTries/2 || newest != micros(now.Add(time.Hour))+people.MostTries {
		t.Errorf("%d windows are left (%v), want half of them, with the one that ends last", left, err)
	}
	expire := now.Add(time.Hour)
	if err := p.KeepChallenge(t.Context(), people.SumOf("a"), []byte{1}, now, expire); !errors.Is(err, people.ErrFull) {
		t.Errorf("one challenge too many: %v, want %v", err, people.ErrFull)
	}
	if err := p.KeepChallenge(t.Context(), people.SumOf("a"), []byte{1}, expire, expire.Add(time.Hour)); err != nil {
		t.Errorf("when the others are over: %v", err)
	}
}
