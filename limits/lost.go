package limits

import (
	"math"
	"time"
)

const (
	// mostLost bounds what one decision loses, whatever a clock says. It is more than any window: all that a ratio was counted against has left it then.
	mostLost = 1000 * time.Hour
	// mostLostInAll is where Lost begins anew. A gateway whose wall clock is decades off, and which never learns it, loses mostLost with every other
	// question; a time.Duration ends after some 2,500 of those, and the nanoseconds of a time.Time in 2262.
	mostLostInAll = 100 * mostLost
)

// loseAnew lets Lost begin at 0 again. Nothing more is released by that, because only the difference to another Lost ever counts, in two places,
// and neither has one to compare with afterwards:
//
//   - What gateways have seen is corrected by what was lost since (Sighting.bounds). It is void, as after meet: Born changes.
//   - What a ratio is counted against began at a time that was ahead by the Lost of then (Weigh), so it would stay for as much longer. All of it is
//     deleted, and what isn't known makes the denominator smaller. What was counted and is taken back later makes it smaller still, never larger.
//
// Leases don't know of Lost. Who has reported stays known, so that no report counts again that is told again: by a time that is ahead by more
// than Lost is now, and so for longer than it has to be, until Lost has risen past it.
func (a *Account) loseAnew(rows TallyRows, now time.Time, window time.Duration) error {
	a.Lost = 0
	a.Born = a.Born.Add(time.Microsecond)
	// All began before this, also where Lost was once more than it can be.
	end := now.Add(math.MaxInt64)
	return rows.ForgetTallies(end, now.Add(-2*window-silence))
}
