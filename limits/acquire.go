package limits

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"
)

// Acquire asks every limit that bounds the answer for its release at now: for one answer, or its amount. All of them grant it and it is deducted from all,
// or it is withheld and deducted from none. The trip of a limit is durable before Acquire returns, as is every permit that
// it hands out.
//
// It waits for the store only where a lease has to be fetched or a trip to be stored, and no longer than ctx: with ctx over,
// or the store failing, the answer is withheld as Unavailable. now may step back between calls: the latest counts.
func (g *Gate) Acquire(ctx context.Context, now time.Time, a Answer) Verdict {
	if v, ok := g.stopped(a); ok {
		return v
	}
	var few [4]part   // no allocation for as many
	unleased := false // dry runs go on in memory once their store has failed
	for again := false; ; again = true {
		limits := g.roster.Load()
		parts, bad, err := g.match(limits, few[:0], &a, now, again)
		if err != nil {
			return Verdict{Limit: bad.def.Name, OnTrip: bad.def.OnTrip, Invalid: true, Err: err}
		}
		if len(parts) == 0 {
			return Verdict{Released: true}
		}
		gone := false
		for _, p := range parts {
			p.limit.mu.Lock()
			gone = gone || p.limit.gone
		}
		if gone || g.roster.Load() != limits {
			// The definitions have changed, and nothing may be decided by those of before; or a key was forgotten meanwhile.
			unlock(parts)
			continue
		}
		s := g.decide(ctx, parts, a, g.moment(now), unleased)
		unlock(parts)
		if s.decided {
			return g.conclude(ctx, a, s)
		}
		for _, w := range s.waits {
			err := w.call.wait(ctx)
			switch {
			case err == nil:
			case w.limit.def.DryRun:
				if !errors.Is(err, errStarved) {
					g.storeFailed(w.limit, err)
				}
				unleased = true
			default:
				g.storeFailed(w.limit, err)
				return Verdict{Limit: w.limit.def.Name, OnTrip: w.limit.def.OnTrip, Unavailable: true, Err: err}
			}
		}
	}
}

// step is what one look at all limits came to: a verdict, with trips to be stored before it is given, or leases to wait for
// before the next look.
type step struct {
	decided  bool
	verdict  Verdict
	deniedBy *limit
	waits    []wait
}

type wait struct {
	limit *limit
	call  *flight
}

func (s *step) await(l *limit, f *flight) {
	if f != nil {
		s.waits = append(s.waits, wait{l, f})
	}
}

func unlock(parts []part) {
	for _, p := range parts {
		p.limit.mu.Unlock()
	}
}

// decide looks at the limits, all of which are locked, at one moment. Limits that hold are asked before dry runs, and latched
// ones before all: an answer that is withheld anyway meets no other limit.
func (g *Gate) decide(ctx context.Context, parts []part, a Answer, m moment, unleased bool) (s step) {
	shut := g.shut()
	if i := slices.IndexFunc(parts, func(p part) bool { return p.need != counted }); i >= 0 && shut != nil {
		s.decided = true
		s.verdict = Verdict{Limit: parts[i].limit.def.Name, OnTrip: parts[i].limit.def.OnTrip, Unavailable: true, Err: shut}
		return s
	}
	for _, p := range parts {
		if !p.limit.def.DryRun && p.limit.latch.tripped && p.need != counted {
			return g.deny(ctx, p.limit)
		}
	}
	for _, p := range parts {
		if l := p.limit; !l.def.DryRun && p.need > 0 && l.full(m, p.need) {
			l.trip(a, m.t, p.need)
			return g.deny(ctx, l)
		}
	}
	for _, p := range parts {
		l := p.limit
		if p.need <= 0 || l.leases.ready(m, p.need) || l.def.DryRun && (unleased || l.latch.tripped || l.full(m, p.need)) {
			continue
		}
		remaining := int64(math.MaxInt64) // a shared store knows it
		if !l.shared {
			remaining = l.remaining(m.t)
		}
		w := want{answer: a, need: p.need, count: l.leases.size(remaining, g.opts.MaxLease, p.need)}
		w.answer.Inputs = nil
		s.await(l, g.lease(ctx, l, m, &w))
	}
	if len(s.waits) == 0 {
		g.grant(ctx, &s, parts, a, m)
	}
	return s
}

// deny withholds the answer by l, which is tripped and locked.
func (g *Gate) deny(ctx context.Context, l *limit) (s step) {
	l.latch.withheld++
	s.decided, s.deniedBy = true, l
	s.verdict = Verdict{Limit: l.def.Name, OnTrip: l.def.OnTrip, Trips: []Trip{l.latch.trip}}
	s.await(l, g.storeTrip(ctx, l))
	return s
}

// grant deducts from every limit what the answer needs; all are locked, and those that hold have the permits in hand.
func (g *Gate) grant(ctx context.Context, s *step, parts []part, a Answer, m moment) {
	s.decided, s.verdict.Released = true, true
	p := &permit{at: m.t}
	p.shares = p.few[:0]
	for _, part := range parts {
		l, need := part.limit, part.need
		switch need {
		case counted:
			l.tallyUp(m)
			p.shares = append(p.shares, share{limit: l, n: counted})
			continue
		case faulty:
			s.verdict.DryRunLimits = append(s.verdict.DryRunLimits, l.def.Name)
			continue
		}
		if l.def.DryRun && (l.latch.tripped || need > 0 && l.full(m, need)) {
			if !l.latch.tripped {
				l.trip(a, m.t, need)
			}
			l.latch.withheld++
			s.verdict.DryRunLimits, s.verdict.Trips = append(s.verdict.DryRunLimits, l.def.Name), append(s.verdict.Trips, l.latch.trip)
			s.await(l, g.storeTrip(ctx, l))
		}
		if need > 0 {
			p.shares = append(p.shares, share{limit: l, lease: l.release(m, need), n: need})
		}
	}
	s.verdict.Permit = Permit{p}
}

// conclude waits for the trips that the verdict goes with.
func (g *Gate) conclude(ctx context.Context, a Answer, s step) Verdict {
	for _, w := range s.waits {
		err := w.call.wait(ctx)
		if err == nil {
			continue
		}
		g.storeFailed(w.limit, err)
		if w.limit == s.deniedBy {
			s.verdict.Err = fmt.Errorf("the limit is reached and holds, but its latch isn't stored yet: %w", err)
		}
	}
	if s.deniedBy != nil && g.opts.OnDenied != nil {
		g.opts.OnDenied(s.deniedBy.def.Name, a)
	}
	return s.verdict
}

func (g *Gate) storeFailed(l *limit, err error) {
	if g.opts.OnStoreError != nil {
		g.opts.OnStoreError(l.def.Name, err)
	}
}
