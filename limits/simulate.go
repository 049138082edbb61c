package limits

import (
	"slices"
	"time"
)

// Offer is an answer on its way, for Simulate.
type Offer struct {
	At time.Time
	// Action that it means; Simulate looks at it for a ratio alone.
	Action string
	// Amount and Key where the limit wants them.
	Amount int64
	Key    string
}

// Simulation is what a limit would have done to answers that were on their way.
type Simulation struct {
	// Offered of the answers, Released and Withheld; the last two are all of the first.
	Offered, Released, Withheld int64
	Trips                       []SimulatedTrip
	// Peak is the most answers in any span of the window, or the largest sum, and the least MaxCount that doesn't trip; PeakEnd is
	// that span's end, and PeakKey the key that it was of.
	Peak    int64
	PeakEnd time.Time
	PeakKey string
	// Others are the answers of a ratio's denominator that are no numerators; only those are Offered. PeakPPM is the largest share that
	// numerators came to, and the least SharePPM that doesn't trip; 1,000,000: none below all. Peak is then how many they were.
	Others, PeakPPM int64
	// Overflowed answers found no place for their key.
	Overflowed int64
}

// SimulatedTrip is one trip of a simulated limit.
type SimulatedTrip struct {
	// Limit is the KeyName, where the limit has a key.
	Limit string
	At    time.Time
	// Bound that was reached: less than MaxCount in probation.
	Bound int64
	// Amount of a sum that didn't fit.
	Amount int64
	// Withheld until the reset, the answer that tripped it included.
	Withheld int64
	// Reset is zero when nobody reset it in time.
	Reset time.Time
}

// Simulate answers what the limit would have done to these answers, in any order, if people had reset every trip so long after it; 0:
// nobody ever does. All of them count as the limit's: its scope isn't asked. A dry run is simulated as one that holds. Errors name the
// definition and the remedy.
func Simulate(d Definition, answers []Offer, resetAfter time.Duration) (Simulation, error) {
	if err := d.validate(); err != nil {
		return Simulation{}, err
	}
	answers = slices.Clone(answers)
	for i := range answers {
		if d.Amount == "" {
			answers[i].Amount = 1
		}
		answers[i].Amount = max(0, min(answers[i].Amount, largestSum+1)) // more fits nowhere either
	}
	slices.SortStableFunc(answers, func(a, b Offer) int { return a.At.Compare(b.At) })
	out := Simulation{Offered: int64(len(answers))}
	if d.Ratio != nil {
		out.peakShare(d, answers)
	} else {
		out.peak(d, answers)
	}
	l := newLimit(d, false)
	last := map[*limit]int{} // the latest trip of each
	for _, a := range answers {
		t, one := a.At.UnixNano(), l
		if l.keys != nil {
			one, _ = l.keys.of(a.Key, t, false)
			l.keys.leaving = nil
		}
		if !out.simulated(one, a, t) {
			continue
		}
		if one.latch.tripped {
			current := &out.Trips[last[one]]
			reset := current.At.Add(resetAfter)
			if resetAfter == 0 || t < reset.UnixNano() {
				current.Withheld++
				continue
			}
			current.Reset = reset
			one.unhold()
			one.latch.lastReset = Reset{At: reset, Probation: d.After.probation(reset)}
		}
		if one.remaining(t) >= a.Amount || a.Amount == 0 {
			one.released.insert(t, a.Amount)
			out.Released++
			continue
		}
		one.hold(Trip{})
		last[one] = len(out.Trips)
		trip := SimulatedTrip{Limit: one.def.Name, At: time.Unix(0, t).UTC(), Bound: one.bound(t), Withheld: 1}
		if d.Amount != "" {
			trip.Amount = a.Amount
		}
		out.Trips = append(out.Trips, trip)
	}
	out.Withheld = out.Offered - out.Released
	for one, i := range last {
		if one.latch.tripped && resetAfter > 0 {
			out.Trips[i].Reset = out.Trips[i].At.Add(resetAfter)
		}
	}
	if l.keys != nil {
		out.Overflowed = l.keys.overflowed
	}
	return out, nil
}

// peak finds the most that any span of the window (t-window, t] holds of the sorted answers, and the end of the first such span.
func (s *Simulation) peak(d Definition, answers []Offer) {
	byKey := map[string][]Offer{}
	for _, a := range answers {
		if d.Key == "" {
			a.Key = ""
		}
		byKey[a.Key] = append(byKey[a.Key], a)
	}
	for key, of := range byKey {
		var sum int64
		first := 0
		for _, a := range of {
			for !of[first].At.After(a.At.Add(-d.Window)) {
				sum -= of[first].Amount
				first++
			}
			sum += a.Amount
			if end := a.At.UTC(); sum > s.Peak || sum == s.Peak && (end.Before(s.PeakEnd) || end.Equal(s.PeakEnd) && key < s.PeakKey) {
				s.Peak, s.PeakEnd, s.PeakKey = sum, end, key
			}
		}
	}
}
