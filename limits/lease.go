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
	// used counts the window's permits of all gateways, as a shared store said last; seen is when that was.
	used int64
	seen Sighting
	// bound and others are a ratio's, as a shared store said last.
	bound, others int64
}

// openLease is a stored lease whose permits are in hand.
type openLease struct {
	Lease
	until   int64
	used    int64
	lastUse int64
	// began is the process's clock before the lease was asked for; zero for a store that isn't shared.
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
	return s.open != nil && s.open.used+n <= s.open.Count && s.open.now(m) <= s.open.until
}

// use takes n permits, if there are as many, and answers their lease; 0: none.
func (s *leases) use(m moment, n int64) int64 {
	if !s.ready(m, n) {
		return 0
	}
	s.open.used += n
	s.open.lastUse = max(s.open.lastUse, s.open.now(m))
	return s.open.ID
}

// giveBack returns n permits of the lease with that id. Of a lease that is no longer open they stay used in the store, which
// is the cautious side.
func (s *leases) giveBack(id, n int64) {
	if id != 0 && s.open != nil && s.open.ID == id {
		s.open.used -= n
	}
}

// unused answers how many permits in hand may still be used.
func (s *leases) unused(m moment) int64 {
	if !s.ready(m, 1) {
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
		settled.Until = earlier(ceilTime(s.open.lastUse), s.open.Until)
	}
	s.open, s.settle = nil, &settled
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
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
	s.close()
	return g.send(ctx, l, m, w)
}

// send starts a call, which leaves an open lease as it is. l.mu is held, and no call is under way.
func (g *Gate) send(ctx context.Context, l *limit, m moment, w *want) *flight {
	s := &l.leases
	r := LeaseRequest{
		Lease:   Lease{Limit: l.def.Name, ID: s.nextID(m.t), From: floorTime(m.t), Until: ceilTime(m.t + int64(g.opts.LeaseFor))},
		Settled: s.settle, Forget: floorTime(m.t - int64(l.def.Window)),
		Max: l.bound(m.t), Window: l.def.Window, Share: l.share(m.t), Report: l.outbox.report(),
	}
	if w != nil {
		r.Count, r.Need = w.count, w.need
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
	s.settle = nil
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
	m := g.moment(now)
	var errs []error
	for l := range g.roster.Load().all() {
		if all {
			errs = append(errs, l.land(ctx))
		}
		l.mu.Lock()
		s := &l.leases
		due := s.settle != nil || all && !l.outbox.due().IsZero() || s.open != nil && (all || !s.ready(m, 1))
		var f *flight
		if due && s.call == nil {
			f = g.lease(ctx, l, m, nil)
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
