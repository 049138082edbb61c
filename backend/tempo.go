package backend

import (
	"sync"
	"time"
)

// tempo estimates how long a working model server takes, as TCP estimates a retransmission time-out (RFC 6298: smoothed mean
// plus four times the smoothed deviation, gains 1/8 and 1/4).
//
// It decides whether running out of a caller's time says something about the model server. Callers choose their
// deadlines, so one that leaves less time than the server usually takes must not count against it; but a server that hangs
// must open its breaker although every caller's deadline is shorter than the backend's own timeout.
type tempo struct {
	// least is min_timeout: below it nothing counts. cold is what counts while nothing has been measured.
	least, cold time.Duration

	mu              sync.Mutex
	mean, deviation time.Duration
	measured        bool
	// fast is the least time of this span and of the one before it, since when this one began; 0: no answer in it.
	fast  [2]time.Duration
	since time.Time
}

// fastSpan is how long the fastest answer counts at least, and half of how long at most.
const fastSpan = 30 * time.Second

// coldShare of the backend's timeout is enough time for a server of which nothing is known.
const coldShare = 20

func newTempo(least, timeout time.Duration) *tempo {
	return &tempo{least: least, cold: max(least, timeout/coldShare)}
}

// answered notes how long an answer took that came now.
func (p *tempo) answered(now time.Time, took time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.turn(now)
	if p.fast[0] == 0 || took < p.fast[0] {
		p.fast[0] = max(took, 1)
	}
	if !p.measured {
		p.mean, p.deviation, p.measured = took, took/2, true
		return
	}
	p.deviation += ((took - p.mean).Abs() - p.deviation) / 4
	p.mean += (took - p.mean) / 8
}

// enough says whether a working server would have answered in this time.
func (p *tempo) enough(given time.Duration) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.measured {
		return given >= p.cold
	}
	return given >= max(p.least, p.mean+4*p.deviation)
}

// turn begins another span when the last is over. It needs mu.
func (p *tempo) turn(now time.Time) {
	switch gone := now.Sub(p.since); {
	case gone < fastSpan:
		return
	case gone < 2*fastSpan:
		p.fast[1] = p.fast[0]
	default:
		p.fast[1] = 0
	}
	p.fast[0], p.since = 0, now
}

// fastest is the least time that an answer of the last fastSpan, or twice that, took; false: there was none.
func (p *tempo) fastest(now time.Time) (time.Duration, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.turn(now)
	switch a, b := p.fast[0], p.fast[1]; {
	case a == 0:
		return b, b > 0
	case b == 0:
		return a, true
	default:
		return min(a, b), true
	}
}

// usual is a time in which nearly every answer comes; false: nothing has been measured.
func (p *tempo) usual() (time.Duration, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return max(p.least, p.mean+4*p.deviation), p.measured
}

// typical is the smoothed time of an answer; false: nothing has been measured.
func (p *tempo) typical() (time.Duration, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mean, p.measured
}
