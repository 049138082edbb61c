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
	// Peak is the most answers in any span of the window, and the least MaxCount that doesn't trip; PeakEnd is that span's end.
	Peak    int64
	PeakEnd time.Time
}

// SimulatedTrip is one trip of a simulated limit.
type SimulatedTrip struct {
	At time.Time
	// Bound that was reached: less than MaxCount in probation.
	Bound int64
	// Withheld until the reset, the answer that tripped it included.
	Withheld int64
	// Reset is zero when nobody reset it in time.
	Reset time.Time
}

// Simulate answers what the limit would have done to answers at these times, in any order, if people had reset every trip so long
// after it; 0: nobody ever does. All of them count as the limit's: its scope isn't asked. A dry run is simulated as one that holds.
func Simulate(d Definition, answers []time.Time, resetAfter time.Duration) (Simulation, error) {
	if err := d.validate(); err != nil {
		return Simulation{}, err
	}
	times := make([]int64, len(answers))
	for i, t := range answers {
		times[i] = t.UnixNano()
	}
	slices.Sort(times)
	out := Simulation{Offered: int64(len(times))}
	out.Peak, out.PeakEnd = peak(times, d.Window)
	l := newLimit(d, false)
	for _, t := range times {
		if l.latch.tripped {
			current := &out.Trips[len(out.Trips)-1]
			reset := current.At.Add(resetAfter)
			if resetAfter == 0 || t < reset.UnixNano() {
				current.Withheld++
				continue
			}
			current.Reset = reset
			l.latch.tripped = false
			l.latch.lastReset = Reset{At: reset, Probation: d.After.probation(reset)}
		}
		if l.remaining(t) > 0 {
			l.released.insert(t)
			out.Released++
			continue
		}
		l.latch.tripped = true
		out.Trips = append(out.Trips, SimulatedTrip{At: time.Unix(0, t).UTC(), Bound: l.bound(t), Withheld: 1})
	}
	out.Withheld = out.Offered - out.Released
	if n := len(out.Trips); n > 0 && l.latch.tripped && resetAfter > 0 {
		last := &out.Trips[n-1]
		last.Reset = last.At.Add(resetAfter)
	}
	return out, nil
}

// peak answers the most of the sorted times in any span (t-window, t], and the end of the first such span.
func peak(times []int64, window time.Duration) (most int64, end time.Time) {
	first := 0
	for i, t := range times {
		for times[first] <= t-int64(window) {
			first++
		}
		if n := int64(i - first + 1); n > most {
			most, end = n, time.Unix(0, t).UTC()
		}
	}
	return most, end
}
