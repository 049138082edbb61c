package backend

import (
	"sync"
	"time"
)

const (
	// budgetSpan is the time over which attempts and calls are compared, after Finagle's RetryBudget.
	budgetSpan = 10 * time.Second
	// budgetSlices divide it: it slides by one of them at a time.
	budgetSlices = 10
	// budgetLeast is how many further attempts are always allowed in budgetSpan: a share of a few calls is none.
	budgetLeast = 3
)

// budget bounds the further attempts of a backend, retries and hedges together: within the last budgetSpan they are no more than
// share of the calls, or budgetLeast where that is more. So a model server that fails gets at most 1+share times the calls that were
// meant for it, and never the multiple that independent retries of every caller make of an outage.
//
// It is exact under concurrency: who is refused would have passed the bound. Safe for concurrent use.
type budget struct {
	share float64
	begin time.Time

	mu     sync.Mutex
	slices [budgetSlices]budgetSlice
}

// budgetSlice counts what happened in one slice of time.
type budgetSlice struct {
	number       int64
	calls, extra int64
}

func newBudget(share float64) *budget { return &budget{share: share, begin: time.Now()} }

// call notes a call that is being made.
func (g *budget) call(now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.at(now).calls++
}

// spend allows one further attempt, and counts it, or refuses it. What was spent and not used is given back by refund, with the
// same now, if it still counts.
func (g *budget) spend(now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	here := g.at(now)
	if calls, extra := g.sums(here.number); float64(extra+1) > max(budgetLeast, g.share*float64(calls)) || g.share <= 0 {
		return false
	}
	here.extra++
	return true
}

func (g *budget) refund(now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if s := g.at(now); s.number == g.number(now) && s.extra > 0 {
		s.extra--
	}
}

// left is how many further attempts are allowed now.
func (g *budget) left(now time.Time) int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.share <= 0 {
		return 0
	}
	calls, extra := g.sums(g.at(now).number)
	return max(0, int64(max(budgetLeast, g.share*float64(calls)))-extra)
}

// at is the slice of an instant, emptied if it held an older one. It needs mu. An instant before the newest slice, which another
// goroutine has begun meanwhile, counts in its own if that is still there.
func (g *budget) at(now time.Time) *budgetSlice {
	number := g.number(now)
	s := &g.slices[number%budgetSlices]
	if s.number < number {
		*s = budgetSlice{number: number}
	}
	return s
}

// number is that of an instant's slice.
func (g *budget) number(now time.Time) int64 {
	return int64(now.Sub(g.begin) / (budgetSpan / budgetSlices))
}

// sums are of the slices that end with the one of this number. It needs mu.
func (g *budget) sums(number int64) (calls, extra int64) {
	for i := range g.slices {
		if s := &g.slices[i]; s.number > number-budgetSlices {
			calls, extra = calls+s.calls, extra+s.extra
		}
	}
	return calls, extra
}
