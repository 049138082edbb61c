package limits

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"
)

// leaseShare: a lease takes at most one part in so many of what is left, so that leases shrink to 1 near the limit and a
// crash forfeits little where little is left.
const leaseShare = 8

// Leases begin with firstLease permits. One that was used up within fastLease of its time doubles the next: a lease costs a
// commit, and at thousands of answers a second commits would be what a limit costs. One of which less than half was used
// halves the next: what is leased and not used is what a crash forfeits.
//
// Of a sum a permit is a unit, and how many an answer takes is known by those of the lease before. Amounts differ: leases begin
// small, at firstAmounts like the one at hand, and shrink towards twice of what was used.
const (
	firstLease   = 64
	firstAmounts = 8
	fastLease    = 4
)

var errLeaseExpired = errors.New("the store took longer to answer than a lease lasts")

// leases is a limit's dealings with the store about permits. At most one lease is open at a time, and at most one that is
// known to be stored waits to be settled.
type leases struct {
	open   *openLease
	settle *Lease // what was really used of the lease before; stored with the next one
	lastID int64
	// ends is the latest end of all leases that were asked for, whether they were granted or not.
	ends int64
	// cautious after a failed call, whose lease may be stored all the same and then counts as used after a restart: the next
	// asks for one permit only.
	cautious bool
	// wanted is how many permits the next lease asks for; 0: as many as the first. mean is what an answer took of the last one that was
	// used; 0: none was.
	wanted, mean int64
	call         *flight
	// sums: permits are units of a sum.
	sums bool
	// used counts the window's permits of all gateways, as a shared store said last; seen is when that was.
	used int64
	seen Sighting
	// stays counts how often a shared store has answered that something of a forgotten key still counts.
	stays int
	// bound and others are a ratio's, as a shared store said last.
	bound, others int64
}

// openLease is a stored lease whose permits are in hand.
type openLease struct {
	Lease
	until   int64
	used    int64
	answers int64
	lastUse int64
	// began is the process's clock before the lease was granted; zero for a store that isn't shared.
	began time.Time
}

// moment is one reading of the clocks: t of the store's, in nanoseconds since the epoch; process of the process's, where the
// store is shared.
type moment struct {
	t       int64
	process time.Time
}

// now answers the time by which the lease ends or not. Of a shared store that is the latest that the limit's time can be: the
// lease was granted at From, which was after began, and the process's clocks say how long ago that was at most. The monotonic
// one goes on while the process is stopped, and the wall clock while the machine is; whichever says more counts.
func (o *openLease) now(m moment) int64 {
	if o.began.IsZero() {
		return m.t
	}
	return o.From.UnixNano() + int64(stretched(max(m.process.Sub(o.began), m.process.Round(0).Sub(o.began.Round(0)))))
}

// ready says whether n permits are in hand. Permits are used inside [From, Until] only, because in the store they all count as
// used at Until.
func (s *leases) ready(m moment, n int64) bool {
	return s.open != nil && n <= s.open.Count-s.open.used && s.open.now(m) <= s.open.until
}

// use takes n permits, if there are as many, and answers their lease; 0: none.
func (s *leases) use(m moment, n int64) int64 {
	if n == 0 || !s.ready(m, n) {
		return 0
	}
	s.open.used += n
	s.open.answers++
	s.open.lastUse = max(s.open.lastUse, s.open.now(m))
	return s.open.ID
}

// giveBack returns n permits of the lease with that id. Of a lease that is no longer open they stay used in the store, which
// is the cautious side.
func (s *leases) giveBack(id, n int64) {
	if id != 0 && s.open != nil && s.open.ID == id {
		s.open.used -= n
		s.open.answers--
	}
}

// unused answers how many permits in hand may still be used.
func (s *leases) unused(m moment) int64 {
	if !s.ready(m, 1) {
		return 0
	}
	return s.open.Count - s.open.used
}

// close ends the open lease, for need permits that are wanted: what wasn't used of it goes back with the next call. A settled lease
// counts all its permits at the last use: later than or at the time of every one.
func (s *leases) close(need int64) {
	if s.open == nil {
		return
	}
	s.adapt(s.open, need)
	settled := s.open.Lease
	settled.Count = s.open.used
	settled.Until = settled.From
	if s.open.used > 0 {
		settled.Until = earlier(ceilTime(s.open.lastUse), s.open.Until)
	}
	s.open, s.settle = nil, &settled
}

// settled: the store has been told of it. Another one may have been closed meanwhile.
func (s *leases) settled(l *Lease) {
	if s.settle == l {
		s.settle = nil
	}
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// size answers how many permits to ask for, of which need are wanted now; at most as many as most answers take.
func (s *leases) size(remaining, most, need int64) int64 {
	if s.cautious {
		return need
	}
	mean, wanted := s.mean, s.wanted
	if mean == 0 {
		mean = need
	}
	switch {
	case wanted == 0 && s.sums:
		wanted = times(need, firstAmounts)
	case wanted == 0:
		wanted = firstLease
	}
	return max(need, min(remaining/leaseShare, wanted, times(most, mean)))
}

// times multiplies positive numbers, up to the largest.
func times(a, b int64) int64 {
	if a > math.MaxInt64/b {
		return math.MaxInt64
	}
	return a * b
}

// adapt sets what the next lease asks for by how this one was used, of which need didn't fit any more.
func (s *leases) adapt(l *openLease, need int64) {
	least := int64(firstLease)
	if s.sums {
		least = 2 * l.used
	}
	if l.answers > 0 {
		s.mean = (l.used + l.answers - 1) / l.answers
	}
	from := l.From.UnixNano()
	switch {
	case need > l.Count-l.used && l.lastUse-from < (l.until-from)/fastLease:
		s.wanted = max(2*l.Count, s.wanted)
	case 2*l.used < l.Count:
		s.wanted = max(l.Count/2, least)
	}
}

// nextID rises over restarts too, by the clock, even where the store has forgotten old leases.
func (s *leases) nextID(t int64) int64 {
	s.lastID = max(s.lastID+1, t/resolution)
	return s.lastID
}

// lease joins the call under way, or starts one that asks for permits for w and settles what is to be settled; without w it
// only settles. l.mu is held.
//
// A call that fails leaves a lease that may or may not be stored. None of its permits is used, and it is never settled: in
// the store it counts as used, in this process it doesn't exist.
func (g *Gate) lease(ctx context.Context, l *limit, m moment, w *want) *flight {
	s := &l.leases
	if s.call != nil {
		return s.call
	}
	need := int64(1)
	if w != nil {
		need = w.need
	}
	s.close(need)
	return g.send(ctx, l, m, w)
}

// send starts a call, which leaves an open lease as it is. l.mu is held, and no call is under way.
func (g *Gate) send(ctx context.Context, l *limit, m moment, w *want) *flight {
	s := &l.leases
	r := LeaseRequest{
		Lease:   Lease{Limit: l.def.Name, ID: s.nextID(m.t), From: floorTime(m.t), Until: ceilTime(m.t + int64(g.opts.LeaseFor))},
		Settled: s.settle, Forget: floorTime(m.t - int64(l.def.Window)),
		Max: l.bound(m.t), Window: l.def.Window, Share: l.share(m.t), Report: l.outbox.report(l.tallyWidth()), Retire: l.gone,
	}
	if w != nil {
		r.Count, r.Need = w.count, w.need
		s.ends = max(s.ends, r.Until.UnixNano())
	} else {
		r.Until = r.From
	}
	s.call = fly(ctx, g.opts.StoreTimeout, func(ctx context.Context) error {
		if l.shared {
			return g.leaseShared(ctx, l, r, w)
		}
		return g.leaseAlone(ctx, l, r)
	})
	return s.call
}

// want is what an answer wants of a limit: at least need permits, and count if there are as many.
type want struct {
	answer      Answer
	need, count int64
}

// leaseAlone asks a store that isn't shared, which grants what the window has room for.
func (g *Gate) leaseAlone(ctx context.Context, l *limit, r LeaseRequest) error {
	err := guarded(func() error {
		_, err := g.store.Lease(ctx, r)
		return err
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	s := &l.leases
	s.call = nil
	s.cautious = err != nil
	if err != nil {
		return fmt.Errorf("limits: %s: lease: %w", r.Limit, err)
	}
	s.settled(r.Settled)
	l.outbox.told(r.Report)
	if r.Count == 0 {
		return nil
	}
	s.open = &openLease{Lease: r.Lease, until: r.Until.UnixNano()}
	if g.clock.ns.Load() > s.open.until {
		return fmt.Errorf("limits: %s: lease: %w", r.Limit, errLeaseExpired)
	}
	return nil
}
