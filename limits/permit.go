package limits

import "sync/atomic"

// Permit is what a released answer was deducted from. The zero Permit is of an answer that no limit bounds.
type Permit struct{ p *permit }

type permit struct {
	at       int64
	shares   []share
	few      [2]share // room for shares without another allocation
	refunded atomic.Bool
}

// share is one limit's part: n permits, and the lease that they were of; 0: none.
type share struct {
	limit *limit
	lease int64
	// n permits, or counted: nothing was deducted, the answer is in the limit's denominator.
	n int64
}

// Refund takes back a release that didn't happen after all, because the reply could not be recorded: in this process it no
// longer counts. It may go on counting in the store, until it leaves the window, and it doesn't undo a trip that it helped
// to cause. A second Refund of a permit does nothing.
func (g *Gate) Refund(p Permit) {
	if p.p == nil || p.p.refunded.Swap(true) {
		return
	}
	process := g.process()
	for _, s := range p.p.shares {
		s.limit.mu.Lock()
		if s.n == counted {
			s.limit.uncount(p.p.at, process)
		} else {
			s.limit.released.remove(p.p.at, s.n)
			s.limit.leases.giveBack(s.lease, s.n)
		}
		s.limit.mu.Unlock()
	}
}
