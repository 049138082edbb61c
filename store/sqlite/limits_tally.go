package sqlite

import (
	"fmt"

	"github.com/candor-gateway/candor/limits"
)

// collect stores what a report says, unless it was told before, and forgets what no window has any more.
func (t *tx) collect(r limits.LeaseRequest) error {
	if r.Share != nil {
		if _, err := t.exec(`DELETE FROM limit_tallies WHERE limit_name = ? AND from_us <= ?`, r.Limit, micros(r.Forget)); err != nil {
			return fmt.Errorf("forget what %s was counted against: %w", r.Limit, err)
		}
	}
	if r.Retire {
		if _, err := t.exec(`DELETE FROM limit_reporters WHERE limit_name = ?`, r.Limit); err != nil {
			return fmt.Errorf("forget who reported of %s: %w", r.Limit, err)
		}
	}
	p := r.Report
	if p == nil || r.Retire {
		return nil
	}
	// One gateway at a time has the store: whoever reported before it is gone.
	if _, err := t.exec(`DELETE FROM limit_reporters WHERE limit_name = ? AND reporter <> ?`, r.Limit, p.By); err != nil {
		return fmt.Errorf("forget who reported of %s: %w", r.Limit, err)
	}
	fresh, err := t.exec(`INSERT INTO limit_reporters (limit_name, reporter, seq, at_us) VALUES (?, ?, ?, ?)
		ON CONFLICT (limit_name, reporter) DO UPDATE SET seq = excluded.seq, at_us = excluded.at_us WHERE limit_reporters.seq < excluded.seq`,
		r.Limit, p.By, p.Seq, micros(r.From))
	if err != nil || fresh == 0 {
		return err
	}
	for _, one := range p.Tallies {
		if _, err := t.exec(`INSERT INTO limit_tallies (limit_name, from_us, answers) VALUES (?, ?, ?)
			ON CONFLICT (limit_name, from_us) DO UPDATE SET answers = limit_tallies.answers + excluded.answers`,
			r.Limit, micros(one.From), one.Count); err != nil {
			return fmt.Errorf("count what %s is counted against: %w", r.Limit, err)
		}
	}
	return nil
}

// readTallies adds what ratios are counted against.
func readTallies(read queryFunc, out map[string]limits.State) error {
	return read(`SELECT limit_name, from_us, answers FROM limit_tallies ORDER BY limit_name, from_us`, nil, func(row scanner) error {
		var name string
		var from, answers int64
		err := row.Scan(&name, &from, &answers)
		st := out[name]
		st.Tallies = append(st.Tallies, limits.Tally{From: instant(from), Count: answers})
		out[name] = st
		return err
	})
}
