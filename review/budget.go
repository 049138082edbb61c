package review

import (
	"math"
	"slices"
	"time"
)

// Arrivals are the expected losses of the rows that were deferred last, whatever became of them, and the pace at which they come. The
// zero value is none. Not safe for concurrent use.
type Arrivals struct {
	// ring has the last rows in the order in which they came, next being the oldest when it is full; sorted their losses.
	ring   []arrival
	next   int
	sorted []float64
	// open counts those of them that came while people were at work.
	open int
	// credit is what rows at the edge of the budget have saved up.
	credit float64
}

type arrival struct {
	loss float64
	at   time.Time
	open bool
}

const (
	// remembered rows are enough for a quantile that is a share of some percent, and are forgotten soon enough when the traffic changes.
	remembered = 1000
	// Until leastSeen rows have come nothing is known of their losses. Then half of what is left of the budget is for them.
	leastSeen = 20
	// leastPace: a pace is taken over this long at least. A burst says little about the day.
	leastPace = time.Minute
)

// See notes a row that was deferred to people with these hours.
func (a *Arrivals) See(h *Hours, now time.Time, loss float64) {
	came := arrival{loss, now, h.Open(now)}
	if len(a.ring) < remembered {
		a.ring = append(a.ring, came)
	} else {
		old := a.ring[a.next]
		i, _ := slices.BinarySearch(a.sorted, old.loss)
		a.sorted = slices.Delete(a.sorted, i, i+1)
		if old.open {
			a.open--
		}
		a.ring[a.next] = came
		a.next = (a.next + 1) % remembered
	}
	if came.open {
		a.open++
	}
	i, _ := slices.BinarySearch(a.sorted, loss)
	a.sorted = slices.Insert(a.sorted, i, loss)
}

// expected is how many rows will come until then: at one pace while people are at work, and at another while they aren't.
func (a *Arrivals) expected(h *Hours, now, until time.Time) float64 {
	if len(a.ring) == 0 {
		return 0
	}
	began := a.ring[a.next%len(a.ring)].at
	open, left := h.OpenBetween(began, now), h.OpenBetween(now, until)
	return coming(a.open, open, left) + coming(len(a.ring)-a.open, now.Sub(began)-open, until.Sub(now)-left)
}

// coming is what a span brings where n came in another.
func coming(n int, over, span time.Duration) float64 {
	return float64(n) * span.Seconds() / max(over, leastPace).Seconds()
}

// Spent is what a queue's day has brought so far.
type Spent struct {
	// Items since the day began, of all kinds, audits among them.
	Items int64
	// Audits of the last 24 hours, by which those of the rest of the day are foreseen.
	Audits int64
}

// Left is what is left of a day's budget for rows that somebody waits for, after the audits that are still to come; at least 0.
func (s Staff) Left(now time.Time, spent Spent) int64 {
	_, ends := s.Hours.Day(now)
	foreseen := math.Ceil(float64(spent.Audits) * ends.Sub(now).Hours() / (24 * time.Hour).Hours())
	return max(0, s.PerDay-spent.Items-int64(math.Min(foreseen, float64(s.PerDay))))
}

// Affords says whether a row that See was just told of is worth a part of the day's budget.
//
// The rule is the budget-ratio policy for the multisecretary problem (Arlotto and Gurvich, "Uniformly bounded regret in the
// multisecretary problem", Stochastic Systems 9(3), 2019): the budget that is left, divided by the rows that are still expected today,
// is the share of rows that can be taken; a row is taken if its loss is in that share of the losses seen last. Nothing hurries when
// the day ends: what is left then was worth less than what had been expected to come. Rows of equal loss at the edge are taken at even
// intervals. It never takes a row when nothing is left.
func (a *Arrivals) Affords(s Staff, now time.Time, loss float64, spent Spent) bool {
	if s.PerDay <= 0 {
		return true
	}
	left := float64(s.Left(now, spent))
	if left < 1 {
		return false
	}
	if n := len(a.ring); n < leastSeen {
		// n rows have come, this one among them, of which all were taken as far as is known here.
		return n == 1 || float64(n-1) < (left+float64(n-1))/2
	}
	_, ends := s.Hours.Day(now)
	come := a.expected(s.Hours, now, ends)
	if come <= left {
		return true
	}
	most := left / come * float64(len(a.sorted))
	low, _ := slices.BinarySearch(a.sorted, loss)
	high := low
	for high < len(a.sorted) && a.sorted[high] == loss {
		high++
	}
	above, equal := float64(len(a.sorted)-high), float64(max(high-low, 1))
	switch {
	case above+equal <= most:
		return true
	case above >= most:
		return false
	}
	if a.credit += (most - above) / equal; a.credit < 1 {
		return false
	}
	a.credit--
	return true
}
