package backend

import (
	"sync"
	"time"
)

const (
	collapseSlices = 10
	// collapseMemory is how many rows the reference remembers, in effect: what is older fades.
	collapseMemory = 10_000
)

// collapse watches how many rows a model is not sure of. A model server that answers in time, in the right shape, and is suddenly unsure
// of most rows is broken too: a lost feature, the wrong weights. The share within a window is held against that of the rows before
// it. Safe for concurrent use.
type collapse struct {
	set   collapseSettings
	begin time.Time

	mu     sync.Mutex
	slices [collapseSlices]collapseSlice
	// The reference: rows that have left the window, while nothing was wrong.
	rows, unsure float64
}

type collapseSlice struct {
	number       int64
	rows, unsure int64
	bad          bool
}

type collapseSettings struct {
	// below is the confidence under which a row is unsure; 0: nothing is watched.
	below float64
	// share of a window's rows that is unsure at least, and how many times that of the reference.
	share, times float64
	minRows      int64
	window       time.Duration
}

func newCollapse(set collapseSettings) *collapse {
	if set.below <= 0 {
		return nil
	}
	return &collapse{set: set, begin: time.Now()}
}

// note takes in the rows of an answer, and says whether the answer counts as a failure: the window has collapsed, and most of its
// own rows are unsure, so that a probe with good rows closes the breaker.
func (c *collapse) note(now time.Time, v Verdict) bool {
	if c == nil || v.Scored == 0 {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	number := int64(now.Sub(c.begin) / max(1, c.set.window/collapseSlices))
	// Every slice that has left the window is remembered, in any order.
	for i := range c.slices {
		if s := &c.slices[i]; s.number <= number-collapseSlices {
			c.remember(s)
			*s = collapseSlice{}
		}
	}
	here := &c.slices[number%collapseSlices]
	here.number = number
	here.rows, here.unsure = here.rows+int64(v.Scored), here.unsure+int64(v.Unsure)
	rows, unsure := int64(0), int64(0)
	for i := range c.slices {
		rows, unsure = rows+c.slices[i].rows, unsure+c.slices[i].unsure
	}
	if rows < c.set.minRows || c.rows < float64(c.set.minRows) {
		return false
	}
	bound := max(c.set.share, c.set.times*c.unsure/c.rows)
	if float64(unsure) < bound*float64(rows) {
		return false
	}
	here.bad = true
	return 2*v.Unsure >= v.Scored
}

// remember adds a slice to the reference. It needs mu.
func (c *collapse) remember(s *collapseSlice) {
	if s.rows == 0 || s.bad {
		return
	}
	keep := max(0, 1-float64(s.rows)/collapseMemory)
	if c.rows+float64(s.rows) <= collapseMemory {
		keep = 1
	}
	c.rows, c.unsure = c.rows*keep+float64(s.rows), c.unsure*keep+float64(s.unsure)
}
