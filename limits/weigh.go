package limits

import (
	"fmt"
	"slices"
	"time"
)

// Share is the bound of a ratio as it holds at a moment.
type Share struct {
	// PPM of the denominator, parts per million; in probation less than the definition's. Min is its MinCount.
	PPM, Min int64
	// Own: the numerator's answers are in the denominator too.
	Own bool
}

// mostOthers bounds a denominator for the arithmetic's sake.
const mostOthers = 1_000_000_000_000

// bound answers how many numerators may be in a window with this many answers of the denominator that are no numerators. It
// is at least 1.
//
// With Own, n numerators are themselves n of the denominator: n <= share x (others + n) if and only if n <= share x others /
// (1 - share). That holds for fewer than n too, so a permit that is never used does no harm.
func (s Share) bound(others int64) int64 {
	others = max(0, min(others, mostOthers))
	rest := int64(whole)
	if s.Own {
		rest -= s.PPM
	}
	return max(1, s.PPM*s.Min/whole, s.PPM*others/max(rest, 1))
}

// TallyRows are what a shared store keeps of one ratio beside its leases, inside of the transaction that has locked its Account.
type TallyRows interface {
	// Reported notes a report, and answers whether it is newer than the last that by made.
	Reported(by string, seq int64, at time.Time) (fresh bool, err error)
	// Tally adds to the count of the answers since from, which may become negative.
	Tally(from time.Time, count int64) error
	// Tallied adds up the counts of what began after t.
	Tallied(t time.Time) (answers int64, err error)
	// ForgetTallies deletes the counts of what began at or before t, and who hasn't reported after silent.
	ForgetTallies(t, silent time.Time) error
}

// silence is how much longer than two windows a reporter is remembered. A report that is told again after that is of nothing that a window
// still has.
const silence = time.Hour

// Weigh takes in a ratio's report, sets r.Max to what the denominator allows, and answers how many of that aren't numerators. It comes
// before Decide, and of other limits it does no more than to bound Lost. now is of Tick, and at the process's clock, read after the server's.
//
// Why no numerator is one too many: of the leases used in the window that ends with a release, take the one granted last. What was counted
// in favour of it was in the denominator before it was granted, and is in the window until its permits are over, so it is in that
// window. What leaves the window early or isn't told yet only makes it less. Time errs on the same side: an answer is as old as
// it can be by the gateway's clock, which runs on by Lost where the limit's time fell behind, and the window is shorter
// by as much as two clocks differ in it.
func (a *Account) Weigh(rows TallyRows, r *LeaseRequest, now, at time.Time) (others int64, err error) {
	window := max(a.Window, r.Window)
	if a.Lost < 0 || a.Lost > mostLostInAll {
		if err := a.loseAnew(rows, now, window); err != nil {
			return 0, fmt.Errorf("let %s lose time anew: %w", r.Limit, err)
		}
	}
	if r.Share == nil {
		return 0, nil
	}
	ahead := now.Add(a.Lost)
	if p := r.Report; p != nil {
		if err := a.collect(rows, p, ahead, at, window); err != nil {
			return 0, fmt.Errorf("take in the report of %s: %w", r.Limit, err)
		}
	}
	if err := rows.ForgetTallies(ahead.Add(-window), ahead.Add(-2*window-silence)); err != nil {
		return 0, fmt.Errorf("forget what %s was counted against: %w", r.Limit, err)
	}
	length := r.Until.Sub(r.From)
	if others, err = rows.Tallied(ahead.Add(length - (r.Window - r.Window/driftShare))); err != nil {
		return 0, fmt.Errorf("count what %s is counted against: %w", r.Limit, err)
	}
	others = max(0, others)
	r.Max = r.Share.bound(others)
	return others, nil
}

// collect stores what a report says, if it is new.
func (a *Account) collect(rows TallyRows, p *Report, ahead, at time.Time, longest time.Duration) error {
	fresh, err := rows.Reported(p.By, p.Seq, ahead)
	if err != nil || !fresh {
		return err
	}
	counts := map[int64]int64{}
	for _, t := range p.Tallies {
		age := time.Duration(0)
		if t.Count > 0 { // what was taken back stays as long as what it was counted with
			age = stretched(max(at.Sub(t.From), at.Round(0).Sub(t.From.Round(0)), 0))
		}
		if age < longest {
			counts[floorTo(ahead.Add(-age).UnixNano(), max(p.Width, time.Microsecond))] += t.Count
		}
	}
	var starts []int64
	for start := range counts {
		starts = append(starts, start)
	}
	slices.Sort(starts)
	for _, start := range starts {
		if err := rows.Tally(floorTime(start), counts[start]); err != nil {
			return err
		}
	}
	return nil
}
