package limits

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// leaseShare: a lease takes at most one part in so many of what is left, so that leases shrink to 1 near the limit and a
// crash forfeits little where little is left.
const leaseShare = 8

// Leases begin with firstLease permits. One that was used up within fastLease of its time doubles the next: a lease costs a
// commit, and at thousands of answers a second commits would be what a limit costs. One of which less than half was used
// halves the next: what is leased and not used is what a crash forfeits.
const (
	firstLease = 64
	fastLease  = 4
)

var errLeaseExpired = errors.New("the store took longer to answer than a lease lasts")

// leases is a limit's dealings with the store about permits. At most one lease is open at a time, and at most one that is
// known to be stored waits to be settled.
type leases struct {
	open   *openLease
	settle *Lease // what was really used of the lease before; stored with the next one
	lastID int64
	// cautious after a failed call, whose lease may be stored all the same and then counts as used after a restart: the next
	// asks for one permit only.
	cautious bool
	// wanted is how many permits the next lease asks for; 0: firstLease.
	wanted int64
	call   *flight
}

// openLease is a stored lease whose permits are in hand.
type openLease struct {
	Lease
	until   int64
	used    int64
	lastUse int64
}

// ready says whether a permit is in hand at t. Permits are used inside [From, Until] only, because after a crash they all
// count as used at Until.
func (s *leases) ready(t int64) bool {
	return s.open != nil && s.open.used < s.open.Count && t <= s.open.until
}

// use takes a permit, if there is one, and answers its lease; 0: none.
func (s *leases) use(t int64) int64 {
	if !s.ready(t) {
		return 0
	}
	s.open.used++
	s.open.lastUse = t
	return s.open.ID
}

// giveBack returns a permit of the lease with that id. Of a lease that is no longer open it stays used in the store, which
// is the cautious side.
func (s *leases) giveBack(id int64) {
	if id != 0 && s.open != nil && s.open.ID == id {
		s.open.used--
	}
}

// unused answers how many permits in hand may still be used at t.
func (s *leases) unused(t int64) int64 {
	if !s.ready(t) {
		return 0
	}
	return s.open.Count - s.open.used
}

// close ends the open lease: what wasn't used of it goes back with the next call. A settled lease counts all its permits at
// the last use: later than or at the time of every one.
func (s *leases) close() {
	if s.open == nil {
		return
	}
	s.adapt(s.open)
	settled := s.open.Lease
	settled.Count = s.open.used
	settled.Until = settled.From
	if s.open.used > 0 {
		settled.Until = ceilTime(s.open.lastUse)
	}
	s.open, s.settle = nil, &settled
}

// size answers how many permits to ask for.
func (s *leases) size(remaining, most int64) int64 {
	if s.cautious {
		return 1
	}
	wanted := s.wanted
	if wanted == 0 {
		wanted = firstLease
	}
	return max(1, min(remaining/leaseShare, wanted, most))
}

// adapt sets what the next lease asks for by how this one was used.
func (s *leases) adapt(l *openLease) {
	from := l.From.UnixNano()
	switch {
	case l.used == l.Count && l.lastUse-from < (l.until-from)/fastLease:
		s.wanted = max(2*l.Count, s.wanted)
	case 2*l.used < l.Count:
		s.wanted = max(l.Count/2, firstLease)
	}
}

// nextID rises over restarts too, by the clock, even where the store has forgotten old leases.
func (s *leases) nextID(t int64) int64 {
	s.lastID = max(s.lastID+1, t/resolution)
	return s.lastID
}

// lease joins the call under way, or starts one that asks for count permits and settles what is to be settled; count 0 only
// settles. l.mu is held.
//
// A call that fails leaves a lease that may or may not be stored. None of its permits is used, and it is never settled: in
// the store it counts as used, in this process it doesn't exist.
func (g *Gate) lease(ctx context.Context, l *limit, t, count int64) *flight {
	s := &l.leases
	if s.call != nil {
		return s.call
	}
	s.close()
	settled := s.settle
	next := openLease{
		Lease: Lease{
			Limit:  l.def.Name,
			ID:     s.nextID(t),
			Count:  count,
			From:   floorTime(t),
			Until:  ceilTime(t + int64(g.opts.LeaseFor)),
			Forget: floorTime(t - int64(l.def.Window)),
		},
	}
	if count == 0 {
		next.Until = next.From
	}
	next.until = next.Until.UnixNano()
	s.call = fly(ctx, g.opts.StoreTimeout, func(ctx context.Context) error {
		err := guarded(func() error { return g.store.Lease(ctx, next.Lease, settled) })
		l.mu.Lock()
		defer l.mu.Unlock()
		s.call = nil
		s.cautious = err != nil
		switch {
		case err != nil:
			return fmt.Errorf("limits: %s: lease: %w", l.def.Name, err)
		case count == 0:
			s.settle = nil
			return nil
		}
		s.open, s.settle = &next, nil
		if g.clock.ns.Load() > next.until {
			return fmt.Errorf("limits: %s: lease: %w", l.def.Name, errLeaseExpired)
		}
		return nil
	})
	return s.call
}

// Settle stores what was really used of every lease that has run out by now, so that a crash later on forfeits nothing of
// it. Call it every few seconds; permits in hand aren't touched. Answers the errors of the store, joined; the next lease
// tries again in any case.
func (g *Gate) Settle(ctx context.Context, now time.Time) error {
	return g.settle(ctx, now, false)
}

// Close withholds everything from here on (Unavailable, ErrClosed), waits for calls under way and settles every lease, so
// that a clean restart forfeits no permit. The store stays open.
func (g *Gate) Close(ctx context.Context, now time.Time) error {
	g.closed.Store(true)
	return g.settle(ctx, now, true)
}

func (g *Gate) settle(ctx context.Context, now time.Time, all bool) error {
	t := g.clock.advance(now)
	var errs []error
	for l := range g.roster.Load().all() {
		if all {
			errs = append(errs, l.land(ctx))
		}
		l.mu.Lock()
		s := &l.leases
		due := s.settle != nil || s.open != nil && (all || !s.ready(t))
		var f *flight
		if due && s.call == nil {
			f = g.lease(ctx, l, t, 0)
		}
		l.mu.Unlock()
		if f != nil {
			errs = append(errs, f.wait(ctx))
		}
	}
	return errors.Join(errs...)
}

// land waits for the limit's calls under way; what they answered is for those who started them.
func (l *limit) land(ctx context.Context) error {
	l.mu.Lock()
	calls := [...]*flight{l.leases.call, l.latch.call}
	l.mu.Unlock()
	for _, f := range calls {
		if f == nil {
			continue
		}
		select {
		case <-f.done:
		case <-f.late:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}
