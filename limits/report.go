package limits

import (
	"crypto/rand"
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

// report answers what is to be told now; nil: nothing.
func (o *outbox) report() *Report {
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
	return &Report{By: o.by, Seq: o.seq, Tallies: o.sending}
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
