package limits

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// errStarved: other gateways hold what is left, and might still give it back.
var errStarved = errors.New("all that the window has left is leased by other gateways")

// Where other gateways hold what is left, the store is asked again when the next of their leases is over and settled, and in
// between this often, because one may be settled early.
const starvedEvery = 50 * time.Millisecond

// leaseShared asks a shared store. What the answer says is in force when it returns nil: permits in hand, or a latch. A limit
// trips when the store counts its window as full and nobody can give anything back.
func (g *Gate) leaseShared(ctx context.Context, l *limit, r LeaseRequest, w *want) error {
	for {
		l.mu.Lock()
		r.Clock, r.Seen, r.Walls, r.Report = g.process, l.leases.seen, g.walls, l.outbox.report(l.tallyWidth())
		l.mu.Unlock()
		var got Grant
		err := guarded(func() (err error) {
			got, err = g.store.Lease(ctx, r)
			return err
		})
		g.walls.tell(g.opts.OnWalls)
		if err == nil && got.Voided {
			g.voided(l, r.Limit)
		}
		l.mu.Lock()
		if err == nil {
			l.leases.used, l.leases.bound, l.leases.others = got.Used, got.Max, got.Others
			if got.Stays {
				l.leases.stays++
			} else {
				l.leases.stays = 0
			}
			l.outbox.told(r.Report)
			l.leases.seen = l.leases.seen.or(got.Seen)
		}
		if err == nil && w != nil && !got.Tripped && got.Count == 0 && got.Pending > 0 && !l.def.DryRun {
			l.leases.settled(r.Settled)
			r.Settled = nil
			l.mu.Unlock()
			if rest(ctx, min(max(got.Retry, time.Millisecond), starvedEvery)) {
				continue
			}
			l.mu.Lock()
			err = errStarved
		}
		l.leases.call = nil
		l.leases.cautious = err != nil && !errors.Is(err, errStarved)
		if err == nil {
			err = g.take(l, r.Settled, got, w)
		}
		l.mu.Unlock()
		if err != nil {
			return fmt.Errorf("limits: %s: lease: %w", r.Limit, err)
		}
		return nil
	}
}

// WallsApart answers how far, in either direction, the wall clock of another gateway that shares the store is known to be from this
// one's at most; 0: of none that was heard of in the last hour.
func (g *Gate) WallsApart() time.Duration { return g.walls.apart(g.process()) }

// rest waits, and answers whether ctx goes on.
func rest(ctx context.Context, d time.Duration) bool {
	over, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	<-over.Done()
	return ctx.Err() == nil
}

// greet asks a shared store for nothing: from then on the gateway knows the limit's time, and its own clock vouches for what
// passes of it.
func (g *Gate) greet(ctx context.Context, l *limit) error {
	l.mu.Lock()
	f := g.lease(ctx, l, g.moment(time.Unix(0, g.clock.ns.Load())), nil)
	l.mu.Unlock()
	return f.wait(ctx)
}

// sightingFor is how long a quick answer is preferred to slower ones after it.
const sightingFor = time.Minute

// or answers the sighting that says more about the limit's time from now on: the question that took less, unless it was long ago, or of an
// account that isn't any more.
func (s Sighting) or(newer Sighting) Sighting {
	if s.Now.IsZero() || !s.Born.Equal(newer.Born) || newer.Answered.Sub(newer.Asked) <= s.Answered.Sub(s.Asked) || newer.Answered.Sub(s.Answered) > sightingFor {
		return newer
	}
	return s
}

// take puts a shared store's answer into force. l.mu is held.
func (g *Gate) take(l *limit, settled *Lease, got Grant, w *want) error {
	s := &l.leases
	s.settled(settled)
	switch {
	case got.Tripped:
		if !l.latch.tripped {
			l.hold(got.Trip)
		}
	case w == nil:
	case got.Count > 0:
		s.open = &openLease{Lease: got.Lease, until: got.Until.UnixNano(), began: got.Seen.Asked}
		if s.open.now(moment{process: g.process()}) > s.open.until {
			return errLeaseExpired
		}
	case got.Pending > 0:
		return errStarved
	case !l.latch.tripped:
		t := g.clock.ns.Load()
		l.trip(w.answer, t, w.need)
		l.latch.trip.Count, l.latch.trip.Denominator = got.Used, l.denominator(t, got.Used)
	}
	return nil
}
