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
}

// coldShare of the backend's timeout is enough time for a server of which nothing is known.
const coldShare = 20

func newTempo(least, timeout time.Duration) *tempo {
	return &tempo{least: least, cold: max(least, timeout/coldShare)}
}

// answered notes how long a good answer took.
func (p *tempo) answered(took time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
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
