package backend

import (
	"fmt"
	"slices"
	"time"
)

// slowRatioLeast is the least slow_ratio: replicas that do the same work differ by as much as this for no reason that matters.
const slowRatioLeast = 1.5

// slowLasting is how long a replica must be slow. All calls that it has in flight are slow together when it stops for a moment, to
// collect garbage or because it is not scheduled, and of many in flight that is already a median.
const slowLasting = time.Second

// timed notes how long an answer took that was asked for then, and ejects a replica whose answers take far longer than the others'.
// What it says can be good all the same: this is about a machine that swaps, throttles or shares its accelerator, which no failure
// shows.
func (r *replica) timed(asked time.Time, took time.Duration) {
	f, now := r.fleet, time.Now()
	r.tempo.answered(now, took)
	if f.set.slowRatio == 0 {
		return
	}
	r.tallyMu.Lock()
	if asked.Before(r.since) {
		r.tallyMu.Unlock()
		return
	}
	r.pace.add(f.age(now), took)
	look := (took > f.set.slowBy || !r.slow.IsZero()) && r.pace.count%paceStale == 0
	r.tallyMu.Unlock()
	if !look || r.onTrial.Load() {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed || r.ejected || r.returning || r.gone.Load() {
		return
	}
	why := f.slower(r, now, f.set.slowCalls)
	if why != "" && r.slowFor(now) >= slowLasting {
		f.eject(r, now, why)
	} else if why == "" {
		r.notSlow()
	}
}

// slowFor is how long it has been slow, if it is.
func (r *replica) slowFor(now time.Time) time.Duration {
	r.tallyMu.Lock()
	defer r.tallyMu.Unlock()
	if r.slow.IsZero() {
		r.slow = now
	}
	return now.Sub(r.slow)
}

func (r *replica) notSlow() {
	r.tallyMu.Lock()
	defer r.tallyMu.Unlock()
	r.slow = time.Time{}
}

// slower needs mu, and says by what r's answers, of which there must be at least least, take longer than those of the others; empty:
// they don't. More than half of the others must be so much faster: where many are slow, it is the work or the load that is, and
// sending all of it to the few that aren't yet would help nobody.
func (f *fleet) slower(r *replica, now time.Time, least int) string {
	if f.set.slowRatio == 0 {
		return ""
	}
	own, n := r.typical(now)
	if n < least || own <= f.set.slowBy {
		return ""
	}
	var others []time.Duration
	for _, other := range f.all {
		if other == r || other.ejected || other.returning {
			continue
		}
		if half, of := other.typical(now); of >= f.set.slowCalls {
			others = append(others, half)
		}
	}
	if len(others) == 0 {
		return ""
	}
	slices.Sort(others)
	usual := others[len(others)/2]
	if float64(own) < f.set.slowRatio*float64(usual) || own-usual < f.set.slowBy {
		return ""
	}
	return fmt.Sprintf("slow: half of its last %d answers took %v or more, of the others' %v", n, rounded(own), rounded(usual))
}

// typical is the median time of its last answers within the window, and how many those are.
func (r *replica) typical(now time.Time) (time.Duration, int) {
	r.tallyMu.Lock()
	defer r.tallyMu.Unlock()
	return r.pace.median(r.fleet.age(now), r.fleet.set.window)
}

// rounded is a time as people read it.
func rounded(d time.Duration) time.Duration {
	if d >= time.Second {
		return d.Round(10 * time.Millisecond)
	}
	return d.Round(100 * time.Microsecond)
}
