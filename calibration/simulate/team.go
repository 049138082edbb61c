package simulate

import (
	"errors"
	"math/rand/v2"
	"time"
)

// Team is who looks at chosen rows. The zero Team judges everything at once and never errs.
type Team struct {
	// Reviewers work around the clock, each at PerHour rows; PerHour 0: without limit.
	Reviewers int
	PerHour   float64
	// Error is the probability that a verdict is wrong, in [0, 0.5).
	Error float64
	// Delay is the mean of an exponential time that a verdict takes beside the queue; for a wrong answer Slower times as much
	// (0: 1), because wrong answers often take longer to judge.
	Delay  time.Duration
	Slower float64
	// PerDay is how many rows the team is meant to look at in a day; 0: what its reviewers can do, or without limit. It sets
	// the probability with which deferred rows are admitted; the audits' share is reserved before.
	PerDay float64
	// Deadline, from a row's choice: without a verdict by then it ends without one. 0: none.
	Deadline time.Duration
}

// headroom is the part of its time that a team is planned to be busy: at all of it, a queue grows without end.
const headroom = 0.95

func (t *Team) check() error {
	switch {
	case t.PerHour < 0 || t.Reviewers < 0 || t.PerHour > 0 && t.Reviewers == 0:
		return errors.New("reviewers with an hourly rate are at least one; without a rate they work without limit")
	case !(t.Error >= 0 && t.Error < .5):
		return errors.New("the reviewers' error is a probability below 0.5")
	case t.Delay < 0 || t.Deadline < 0:
		return errors.New("delay and deadline aren't negative")
	case t.Slower != 0 && !(t.Slower >= 1 && t.Slower <= 1e6):
		return errors.New("wrong answers are judged 1 to 1000000 times slower")
	case !(t.PerDay >= 0 && t.PerDay <= 1e12):
		return errors.New("capacity is rows a day, from 0")
	}
	return nil
}

// capacity in rows a day; 0: without limit.
func (t *Team) capacity() float64 {
	if t.PerDay > 0 {
		return t.PerDay
	}
	return headroom * float64(t.Reviewers) * t.PerHour * 24
}

// desk is the team at work: when each reviewer is free, and what is on its way.
type desk struct {
	team  *Team
	free  []int64
	queue events
}

func (d *desk) reset(t *Team) {
	d.team, d.queue = t, d.queue[:0]
	d.free = d.free[:0]
	if t.PerHour > 0 {
		d.free = append(d.free, make([]int64, t.Reviewers)...)
	}
}

// event is what becomes of a chosen row, and when.
type event struct {
	atUS    int64
	ticket  ticket
	rule    int
	loss    float64
	missing bool
}

// finish says when and how the review of a row that comes at nowUS ends. Rows are taken up in their order; a reviewer who is
// free doesn't begin one that has run out of time.
func (d *desk) finish(rng *rand.Rand, wrong bool, nowUS int64) event {
	e := event{atUS: nowUS}
	judgedWrong := wrong
	if d.team.Error > 0 && rng.Float64() < d.team.Error {
		judgedWrong = !wrong
	}
	if judgedWrong {
		e.loss = 1
	}
	end := int64(0)
	if d.team.Deadline > 0 {
		end = nowUS + d.team.Deadline.Microseconds()
	}
	if len(d.free) > 0 {
		next := 0
		for i, at := range d.free {
			if at < d.free[next] {
				next = i
			}
		}
		e.atUS = max(nowUS, d.free[next])
		if end == 0 || e.atUS < end {
			e.atUS += int64(float64(time.Hour.Microseconds()) / d.team.PerHour)
			d.free[next] = e.atUS
		}
	}
	if d.team.Delay > 0 {
		mean := float64(d.team.Delay.Microseconds())
		if wrong && d.team.Slower > 1 {
			mean *= d.team.Slower
		}
		e.atUS += int64(mean * rng.ExpFloat64())
	}
	if end > 0 && e.atUS >= end {
		e.atUS, e.loss, e.missing = end, 1, true
	}
	return e
}

// events is a heap, soonest first.
type events []event

func (q *events) push(e event) {
	*q = append(*q, e)
	h := *q
	for i := len(h) - 1; i > 0; {
		up := (i - 1) / 2
		if h[up].atUS <= h[i].atUS {
			break
		}
		h[up], h[i] = h[i], h[up]
		i = up
	}
}

func (q *events) pop() event {
	h := *q
	first, last := h[0], len(h)-1
	h[0] = h[last]
	h = h[:last]
	for i := 0; ; {
		small := i
		for _, c := range [2]int{2*i + 1, 2*i + 2} {
			if c < last && h[c].atUS < h[small].atUS {
				small = c
			}
		}
		if small == i {
			break
		}
		h[i], h[small] = h[small], h[i]
		i = small
	}
	*q = h
	return first
}
