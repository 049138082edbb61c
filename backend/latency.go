package backend

import (
	"math"
	"sync"
	"time"
)

const (
	// Buckets of latencies: latencyPerOctave for each doubling from latencyUnit on, so that a percentile is at most 9 % too high.
	latencyUnit      = 10 * time.Microsecond
	latencyPerOctave = 8
	latencyBuckets   = 26 * latencyPerOctave // up to some ten minutes
	// latencySpan is how long a latency counts at least, and half of how long at most.
	latencySpan = 30 * time.Second
	// latencyLeast is how many are needed to speak of a percentile.
	latencyLeast = 100
)

// latencies are how long answers took of late: the last span and the one before it. Safe for concurrent use.
type latencies struct {
	mu    sync.Mutex
	spans [2][latencyBuckets]uint32
	since time.Time
}

// add notes one.
func (l *latencies) add(now time.Time, took time.Duration) {
	i := 0
	if took > latencyUnit {
		i = min(latencyBuckets-1, int(math.Log2(float64(took)/float64(latencyUnit))*latencyPerOctave))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.turn(now)
	l.spans[0][i]++
}

// turn begins another span when the last is over. It needs mu.
func (l *latencies) turn(now time.Time) {
	gone := now.Sub(l.since)
	if gone < latencySpan {
		return
	}
	l.spans[1] = l.spans[0]
	if gone >= 2*latencySpan {
		clear(l.spans[1][:])
	}
	clear(l.spans[0][:])
	l.since = now
}

// percentile is a time in which this share of the answers came; false: too few are known.
func (l *latencies) percentile(now time.Time, share float64) (time.Duration, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.turn(now)
	all := uint64(0)
	for i := range latencyBuckets {
		all += uint64(l.spans[0][i]) + uint64(l.spans[1][i])
	}
	if all < latencyLeast {
		return 0, false
	}
	below := uint64(0)
	for i := range latencyBuckets {
		below += uint64(l.spans[0][i]) + uint64(l.spans[1][i])
		if float64(below) >= share*float64(all) {
			return time.Duration(float64(latencyUnit) * math.Exp2(float64(i+1)/latencyPerOctave)), true
		}
	}
	return 0, false
}
