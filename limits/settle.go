package limits

import (
	"context"
	"errors"
	"time"
)

// settledAtOnce is how many calls to the store are under way at a time, and retiredAtOnce how many keys of a limit are taken out of the
// store each time.
const (
	settledAtOnce = 64
	retiredAtOnce = 1024
)

// retiredAgain is how often a shared store is told at most that a key is forgotten of which something still counts there.
const retiredAgain = 4

// Settle stores what was really used of every lease that has run out by now, so that a crash later on forfeits nothing of
// it. Call it about every second; permits in hand aren't touched. Answers the errors of the store, joined; the next lease
// tries again in any case. What ratios have counted in their denominators is told too, a second after it was.
func (g *Gate) Settle(ctx context.Context, now time.Time) error {
	return errors.Join(g.settle(ctx, now, false), g.report(ctx, g.moment(now)))
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
	var under []wait // with limit, where that is a key's which is forgotten
	finish := func() {
		for _, w := range under {
			err := w.call.wait(ctx)
			if errs = append(errs, err); w.limit != nil && (err != nil || w.limit.stays()) {
				w.limit.ring.keep(w.limit)
			}
		}
		under = under[:0]
	}
	start := func(forgotten *limit, f *flight) {
		if f != nil {
			under = append(under, wait{forgotten, f})
		}
		if len(under) == settledAtOnce {
			finish()
		}
	}
	for l := range g.roster.Load().all() {
		limits := []*limit{l}
		if l.keys != nil {
			for _, gone := range l.keys.sweep(m.t, retiredAtOnce) {
				gone.mu.Lock()
				f := g.lease(ctx, gone, m, nil)
				gone.mu.Unlock()
				start(gone, f)
			}
			limits = append(limits, l.keys.all()...)
		}
		for _, one := range limits {
			if all {
				errs = append(errs, one.land(ctx))
			}
			one.mu.Lock()
			s := &one.leases
			due := s.settle != nil || all && !one.outbox.due().IsZero() || s.open != nil && (all || !s.ready(m, 1))
			var f *flight
			if due && s.call == nil && !one.gone {
				f = g.lease(ctx, one, m, nil)
			}
			one.mu.Unlock()
			start(nil, f)
		}
	}
	finish()
	return errors.Join(errs...)
}

// stays says whether a shared store is to be told once more that a key is forgotten: its leases may count a little longer by the limit's time.
// Where they count for much longer, another gateway uses the key, and will forget it.
func (l *limit) stays() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.leases.stays > 0 && l.leases.stays < retiredAgain
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
