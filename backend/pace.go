package backend

import (
	"slices"
	"time"
)

// paceKept is of how many answers a replica's pace is known: the last ones.
const paceKept = 64

// pace is how long a replica's last answers took. Times are those since any one moment, by the monotonic clock. The zero pace knows
// nothing. It needs a lock of its user's.
type pace struct {
	took, ended [paceKept]time.Duration
	// count is how many answers there were.
	count int64

	// What median found, of how many answers, when, and at which count; known: it has looked.
	half    time.Duration
	of      int
	found   time.Duration
	foundAt int64
	known   bool
}

// paceStale is after how many answers a median is taken anew; a sort for each answer would cost more than it tells.
const paceStale = 4

// add notes an answer that ended now.
func (p *pace) add(now, took time.Duration) {
	i := p.count % paceKept
	p.took[i], p.ended[i] = took, now
	p.count++
}

// median is a time that half of the last answers within the window before now took at least, and how many those are. It may be as
// old as paceStale answers, or a tenth of the window.
func (p *pace) median(now, window time.Duration) (time.Duration, int) {
	if p.known && p.count-p.foundAt < paceStale && now-p.found < window/tallyBuckets {
		return p.half, p.of
	}
	var took [paceKept]time.Duration
	n := 0
	for i := range min(p.count, paceKept) {
		if now-p.ended[i] < window {
			took[n] = p.took[i]
			n++
		}
	}
	p.half, p.of, p.found, p.foundAt, p.known = 0, n, now, p.count, true
	if n > 0 {
		slices.Sort(took[:n])
		p.half = took[n/2]
	}
	return p.half, p.of
}
