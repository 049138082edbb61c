package limits

import (
	"sort"
	"time"
)

// tallyParts: a ratio's denominator is counted in parts of its window, each as long as one in so many of it. An answer counts from
// the beginning of its part, so it leaves the window no later than it should, and at most that long earlier.
const tallyParts = 1024

// tallyWidth is how long a part is: whole microseconds, at least one.
func tallyWidth(window time.Duration) time.Duration {
	return (window/tallyParts + time.Microsecond).Truncate(time.Microsecond)
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
	// parts by their beginnings.
	parts []part
	total int64
}

type part struct{ start, count int64 }

// add counts answers at t, which is not before those that were counted already, and answers the beginning of their part.
func (c *tally) add(t, count int64, width time.Duration) (start int64) {
	c.total += count
	if n := len(c.parts); n > 0 && t < c.parts[n-1].start+int64(width) {
		c.parts[n-1].count += count
		return c.parts[n-1].start
	}
	start = floorTo(t, width)
	c.parts = append(c.parts, part{start, count})
	return start
}

// take takes back one answer at t, and answers the beginning of its part; ok is false when that has left the window.
func (c *tally) take(t int64) (start int64, ok bool) {
	i := sort.Search(len(c.parts), func(i int) bool { return c.parts[i].start > t }) - 1
	if i < 0 || c.parts[i].count == 0 {
		return 0, false
	}
	c.parts[i].count--
	c.total--
	return c.parts[i].start, true
}

// expire forgets the parts that began at or before bound.
func (c *tally) expire(bound int64) {
	gone := 0
	for gone < len(c.parts) && c.parts[gone].start <= bound {
		c.total -= c.parts[gone].count
		gone++
	}
	c.parts = c.parts[gone:]
}

// after counts the answers of parts that began later than bound, and forgets nothing.
func (c *tally) after(bound int64) int64 {
	n := c.total
	for _, p := range c.parts {
		if p.start > bound {
			break
		}
		n -= p.count
	}
	return n
}
