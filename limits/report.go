package limits

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"time"
)

// Tally is a number of answers of a ratio's denominator. It may be negative: answers that were counted before and have been taken back.
type Tally struct {
	// From is when the first of them was released, or earlier: a whole microsecond of the limit's time where one gateway has the store,
	// and a reading of the process's clock, with its monotonic part, where it is shared.
	From  time.Time
	Count int64
}

// Report tells a store, once, what a gateway has counted since its last report. One whose effect is unknown is told again with the same
// Seq and the same tallies before the next: a store ignores a report that isn't newer than the last it has from By.
type Report struct {
	// By is random, of one limit in one process.
	By string
	// Seq rises from 1.
	Seq int64
	// Width is how long the parts of the window are that it was counted in, above 0.
	Width time.Duration
	// Tallies of at most tallyParts parts of the window, and a few more.
	Tallies []Tally
}

// outbox holds what a ratio's denominator was in this process until a store has it.
type outbox struct {
	by  string
	seq int64
	// sending is in the report of seq, whose effect isn't known yet; waiting came since.
	sending, waiting []Tally
}

// add counts answers of the part that begins at from.
func (o *outbox) add(from time.Time, count int64) {
	for i := len(o.waiting) - 1; i >= 0 && !o.waiting[i].From.Before(from); i-- {
		if o.waiting[i].From.Equal(from) {
			o.waiting[i].Count += count
			return
		}
	}
	o.waiting = append(o.waiting, Tally{from, count})
}

// addLately counts answers at now, of a clock that doesn't go back, in parts that begin with their first answer and are this wide. What has
// waited for longer than the window has left it.
func (o *outbox) addLately(now time.Time, count int64, width, window time.Duration) {
	if n := len(o.waiting); n > 0 && now.Sub(o.waiting[n-1].From) < width {
		o.waiting[n-1].Count += count
		return
	}
	o.forget(now.Add(-window))
	o.waiting = append(o.waiting, Tally{now, count})
}

// forget drops what waits and began at or before t: nobody will count it any more.
func (o *outbox) forget(t time.Time) {
	gone := 0
	for gone < len(o.waiting) && !o.waiting[gone].From.After(t) {
		gone++
	}
	o.waiting = o.waiting[gone:]
}

// report answers what is to be told now, in parts of this width; nil: nothing.
func (o *outbox) report(width time.Duration) *Report {
	if o.sending == nil {
		if len(o.waiting) == 0 {
			return nil
		}
		if o.by == "" {
			o.by = rand.Text()
		}
		o.seq++
		o.sending, o.waiting = o.waiting, nil
	}
	return &Report{By: o.by, Seq: o.seq, Width: width, Tallies: o.sending}
}

// told: the store has the report.
func (o *outbox) told(r *Report) {
	if r != nil && r.Seq == o.seq {
		o.sending = nil
	}
}

// due is since when something waits to be told; zero: nothing does.
func (o *outbox) due() time.Time {
	switch {
	case len(o.sending) > 0:
		return o.sending[0].From
	case len(o.waiting) > 0:
		return o.waiting[0].From
	}
	return time.Time{}
}

// reportEvery is how long what was counted waits for a lease to go with, and reportsAtOnce how many limits tell the store each time.
const (
	reportEvery   = time.Second
	reportsAtOnce = 128
)

// report tells the store what ratios count in their denominators and no lease has told it yet: so the numerators of other gateways profit
// from it, and a crash loses little. Of many limits those come first that have waited longest. It answers the errors of the store, joined.
func (g *Gate) report(ctx context.Context, m moment) error {
	clock := time.Unix(0, m.t)
	if g.shared {
		clock = m.process
	}
	type waiting struct {
		limit *limit
		since time.Time
	}
	var due []waiting
	look := func(l *limit) {
		l.mu.Lock()
		since := l.outbox.due()
		l.mu.Unlock()
		if !since.IsZero() && clock.Sub(since) >= reportEvery {
			due = append(due, waiting{l, since})
		}
	}
	for l := range g.roster.Load().all() {
		switch {
		case l.def.Ratio == nil:
		case l.keys == nil:
			look(l)
		default:
			for _, one := range l.keys.all() {
				look(one)
			}
		}
	}
	slices.SortFunc(due, func(a, b waiting) int { return a.since.Compare(b.since) })
	var errs []error
	var calls []*flight
	for _, d := range due[:min(len(due), reportsAtOnce)] {
		d.limit.mu.Lock()
		if d.limit.leases.call == nil && !d.limit.gone {
			calls = append(calls, g.send(ctx, d.limit, m, nil))
		}
		d.limit.mu.Unlock()
	}
	for _, f := range calls {
		errs = append(errs, f.wait(ctx))
	}
	return errors.Join(errs...)
}
