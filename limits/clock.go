package limits

import (
	"sync/atomic"
	"time"
)

// clock is the latest time that any caller has told the Gate, in nanoseconds since the epoch. Callers read the store's clock
// one after the other and reach a limit's lock in another order; by the latest time of all, releases are stamped in the
// order in which they happen.
type clock struct{ ns atomic.Int64 }

// advance answers the later of now and the latest time so far.
func (c *clock) advance(now time.Time) int64 {
	n := now.UnixNano()
	for {
		high := c.ns.Load()
		if n <= high {
			return high
		}
		if c.ns.CompareAndSwap(high, n) {
			return n
		}
	}
}

// moment reads all clocks: the store's, which is at now at least, and the process's, where leases are held against it.
func (g *Gate) moment(now time.Time) moment {
	return moment{t: g.clock.advance(now), process: g.process()}
}

// process reads the process's clock, which matters where the store is shared.
func (g *Gate) process() (now time.Time) {
	if g.shared {
		now = g.opts.Clock()
	}
	return now
}

// peek answers what advance would, and leaves the clock as it is.
func (c *clock) peek(now time.Time) int64 { return max(now.UnixNano(), c.ns.Load()) }

// Stores keep microseconds: times that are stored are rounded here, to the side on which nothing is freed too early.
const resolution = int64(time.Microsecond)

func floorTime(ns int64) time.Time {
	r := ns % resolution
	if r < 0 {
		r += resolution
	}
	return time.Unix(0, ns-r).UTC()
}

func ceilTime(ns int64) time.Time {
	return floorTime(ns + resolution - 1)
}
