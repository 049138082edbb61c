package limits

import (
	"sort"
	"time"
)

// tallyParts: a ratio's denominator is counted in parts of its window, each as long as one in so many of it, or keyTallyParts where it is
// that of a key. An answer counts from the beginning of its part, so it leaves the window no later than it should, and at most that long
// earlier.
const (
	tallyParts    = 1024
	keyTallyParts = 128
)

// tallyWidth is how long a part is: whole microseconds, at least one.
func (l *limit) tallyWidth() time.Duration {
	parts := time.Duration(tallyParts)
	if l.ring != nil {
		parts = keyTallyParts
	}
	return (l.def.Window/parts + time.Microsecond).Truncate(time.Microsecond)
}

// floorTo is the beginning of the part of this width that t is in.
func floorTo(t int64, width time.Duration) int64 {
	into := t % int64(width)
	if into < 0 {
		into += int64(width)
	}
	return t - into
}

// tally counts answers in time, in nanoseconds since the epoch. Its memory is 16 bytes for each part of the window in which there was an
// answer, and the same again for those that have left it.
type tally struct {
	// bins are its parts by their beginnings.
	bins  []bin
	total int64
}

type bin struct{ start, count int64 }

// add counts answers at t, which is not before those that were counted already, and answers the beginning of their part.
func (c *tally) add(t, count int64, width time.Duration) (start int64) {
	c.total += count
	if n := len(c.bins); n > 0 && t < c.bins[n-1].start+int64(width) {
		c.bins[n-1].count += count
		return c.bins[n-1].start
	}
	start = floorTo(t, width)
	c.bins = append(c.bins, bin{start, count})
	return start
}

// take takes back one answer at t, and answers the beginning of its part; ok is false when that has left the window.
func (c *tally) take(t int64) (start int64, ok bool) {
	i := sort.Search(len(c.bins), func(i int) bool { return c.bins[i].start > t }) - 1
	if i < 0 || c.bins[i].count == 0 {
		return 0, false
	}
	c.bins[i].count--
	c.total--
	return c.bins[i].start, true
}

// expire forgets the parts that began at or before bound.
func (c *tally) expire(bound int64) {
	gone := 0
	for gone < len(c.bins) && c.bins[gone].start <= bound {
		c.total -= c.bins[gone].count
		gone++
	}
	c.bins = c.bins[gone:]
}

// after counts the answers of parts that began later than bound, and forgets nothing.
func (c *tally) after(bound int64) int64 {
	n := c.total
	for _, p := range c.bins {
		if p.start > bound {
			break
		}
		n -= p.count
	}
	return n
}
