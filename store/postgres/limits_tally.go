package postgres

import (
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
)

// Reported notes a report; see limits.TallyRows.
func (r leaseRows) Reported(by string, seq int64, at time.Time) (fresh bool, err error) {
	err = r.d.queryRow(`INSERT INTO limit_reporters AS known (limit_name, reporter, seq, at_us) VALUES ($1, $2, $3, $4)
		ON CONFLICT (limit_name, reporter) DO UPDATE SET seq = excluded.seq, at_us = excluded.at_us WHERE known.seq < excluded.seq RETURNING true`,
		[]any{r.limit, by, seq, micros(at)}, &fresh)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	}
	return fresh, err
}

// Tally adds to a count; see limits.TallyRows.
func (r leaseRows) Tally(from time.Time, count int64) error {
	r.d.later(`INSERT INTO limit_tallies AS known (limit_name, from_us, answers) VALUES ($1, $2, $3)
		ON CONFLICT (limit_name, from_us) DO UPDATE SET answers = known.answers + excluded.answers`, r.limit, micros(from), count)
	return nil
}

// Tallied adds counts up; see limits.TallyRows.
func (r leaseRows) Tallied(t time.Time) (answers int64, err error) {
	err = r.d.queryRow(`SELECT coalesce(sum(answers), 0)::bigint FROM limit_tallies WHERE limit_name = $1 AND from_us > $2`,
		[]any{r.limit, micros(t)}, &answers)
	return answers, err
}

// ForgetTallies deletes what no window has any more; see limits.TallyRows.
func (r leaseRows) ForgetTallies(t, silent time.Time) error {
	r.d.later(`DELETE FROM limit_tallies WHERE limit_name = $1 AND from_us <= $2`, r.limit, micros(t))
	r.d.later(`DELETE FROM limit_reporters WHERE limit_name = $1 AND at_us <= $2`, r.limit, micros(silent))
	return nil
}
