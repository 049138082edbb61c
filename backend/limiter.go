package backend

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc/codes"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// Waiting for a place. It comes off the caller's time, so it is short: no more than a part of what is left, and no more than a little
// longer than an answer usually takes. Who would wait longer is refused at once, while there is time to go elsewhere.
const (
	waitShareDiv = 4
	waitUsual    = 2
	waitLeast    = 100 * time.Millisecond
)

// retrySoonest is the least that a caller who was refused is told to wait.
const retrySoonest = 100 * time.Millisecond

// priorities are the classes of callers, and Priority the index of one.
const priorities = int(candorv1.Priority_PRIORITY_HIGH) + 1

// limiter bounds the calls in flight: by what the model server can do at once, as gradient finds it, and by max_in_flight, which
// bounds those in flight and those that wait together. Who waits is served by priority, then in order; when nobody more may wait,
// the newest of the lowest priority makes room. Safe for concurrent use.
type limiter struct {
	// adaptive: gradient moves the limit. Otherwise it is most, and nobody waits.
	adaptive bool
	most     int

	mu      sync.Mutex
	g       gradient
	used    int
	waiting [priorities][]*waiter
	queued  int
	// shed counts calls that were refused, by priority.
	shed [priorities]int64
	// waited counts those that got a place after they had waited for it.
	waited int64
}

// waiter is a call that waits for a place. done gets true with a place, false without.
type waiter struct {
	done chan bool
}

func newLimiter(most int, adaptive bool) *limiter {
	return &limiter{adaptive: adaptive, most: most, g: newGradient(most)}
}

// wish is what a call needs of a limiter beside a place.
type wish struct {
	priority candorv1.Priority
	// end of the caller's time; zero: never. least of it must be left for an attempt. usual is how long an answer takes; 0: not known.
	end          time.Time
	least, usual time.Duration
	// patience is how long it may wait although answers come sooner; 0: no longer than that.
	patience time.Duration
}

// class is the index of a priority; unspecified is normal.
func class(p candorv1.Priority) int {
	if p <= candorv1.Priority_PRIORITY_UNSPECIFIED || int(p) >= priorities {
		return int(candorv1.Priority_PRIORITY_NORMAL)
	}
	return int(p)
}

// allowed is the limit now. It needs mu.
func (l *limiter) allowed() int {
	if l.adaptive {
		return l.g.allowed()
	}
	return l.most
}

// headroomDiv: by this part, and by one place at least, calls of high priority may pass what the others may be in flight together. What is
// measured leaves room for it; and without it calls of others that never end would keep out those that matter most.
const headroomDiv = 4

// bound is how many calls may be in flight when one of class p begins. It needs mu.
func (l *limiter) bound(p int) int {
	n := l.allowed()
	if p == int(candorv1.Priority_PRIORITY_HIGH) {
		n += max(1, n/headroomDiv)
	}
	return min(n, l.most)
}

// try takes a place if one is free for somebody who doesn't wait.
func (l *limiter) try(p candorv1.Priority) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.seat(class(p))
}

// spare takes a place for an attempt that need not be, if one is free that nobody waits for, whatever their priority.
func (l *limiter) spare(p candorv1.Priority) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.queued == 0 && l.seat(class(p))
}

// seat takes a place for a call of class p if it has one at once: one is free, and nobody of its class or a higher one waits for it. It
// needs mu.
func (l *limiter) seat(p int) bool {
	if l.queued > 0 && l.ahead(p) > 0 || l.used >= l.bound(p) {
		return false
	}
	if l.used+l.queued >= l.most && !l.makeRoom(p) {
		return false
	}
	l.occupy()
	return true
}

// occupy needs mu.
func (l *limiter) occupy() {
	l.used++
	l.g.busy(l.used)
}

// take takes a place, for which it may wait. A Failure says why there is none; it is nobody's failing but one of load, or of ctx.
func (l *limiter) take(ctx context.Context, now time.Time, w wish) *Failure {
	l.mu.Lock()
	p := class(w.priority)
	if l.seat(p) {
		l.mu.Unlock()
		return nil
	}
	wait, ahead := l.expected(p, w.usual), l.ahead(p)
	longest := l.longest(now, p, w)
	switch {
	case l.adaptive && wait > longest:
		f := l.refused(p, wait, "%d calls are in flight, as many as the model server can do at once, and %d wait before this one", l.used, ahead)
		l.mu.Unlock()
		return f
	case !l.adaptive || l.used+l.queued >= l.most && !l.makeRoom(p):
		f := l.refused(p, wait, "%d calls are in flight, as many as max_in_flight allows", l.used+l.queued)
		l.mu.Unlock()
		return f
	}
	me := &waiter{done: make(chan bool, 1)}
	l.waiting[p] = append(l.waiting[p], me)
	l.queued++
	l.mu.Unlock()
	return l.await(ctx, p, me, wait, longest)
}

// await waits until the waiter has a place, and no longer than longest.
func (l *limiter) await(ctx context.Context, p int, me *waiter, wait, longest time.Duration) *Failure {
	timer := time.NewTimer(longest)
	defer timer.Stop()
	granted, decided, late := false, false, false
	select {
	case granted = <-me.done:
		decided = true
	case <-timer.C:
		late = true
	case <-ctx.Done():
	}
	if granted {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := slices.Index(l.waiting[p], me); i >= 0 {
		l.waiting[p] = slices.Delete(l.waiting[p], i, i+1)
		l.queued--
	} else if !decided {
		// Somebody has decided meanwhile.
		if <-me.done {
			if ctx.Err() == nil {
				return nil
			}
			l.leave()
		}
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return cancelled()
	}
	if ctx.Err() != nil {
		return inferred(Excluded, candorv1.Reason_REASON_DEADLINE, codes.DeadlineExceeded, "the caller's time ended while the call waited for a place")
	}
	if !late {
		return l.refused(p, wait, "a call of higher priority took the place that this one waited for")
	}
	return l.refused(p, wait, "there was no place within %v, the model server is as busy as it can be", longest.Round(time.Millisecond))
}

// release gives a place back. ended tells what the call says about load.
func (l *limiter) release(now time.Time, ended load, took time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.adaptive {
		switch ended {
		case loadAnswered:
			l.g.answered(now, took)
		case loadRefused:
			l.g.drop(now)
		}
	}
	l.leave()
}

// load is what the end of a call says about the model server's load.
type load int

const (
	// loadUnknown: it failed early, or was cut off.
	loadUnknown load = iota
	loadAnswered
	loadRefused
)

// loadOf is what the end of an attempt says about load. One that ran out of our time waited at least that long.
func loadOf(f *Failure) load {
	switch {
	case f == nil, f.Class == Failed && f.Reason == candorv1.Reason_REASON_DEADLINE, f.Class == Failed && f.Reason == candorv1.Reason_REASON_CONTRACT_FAILURE:
		return loadAnswered
	case f.Class == Overload:
		return loadRefused
	}
	return loadUnknown
}

// leave frees a place and hands free ones on. It needs mu.
func (l *limiter) leave() {
	l.used--
	for p := priorities - 1; p >= 0; p-- {
		for len(l.waiting[p]) > 0 && l.used < l.bound(p) {
			next := l.waiting[p][0]
			l.waiting[p] = l.waiting[p][1:]
			l.queued--
			l.waited++
			l.occupy()
			next.done <- true
		}
	}
}

// reset forgets what was measured: the model server was away.
func (l *limiter) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	peak := l.g.peak
	l.g = newGradient(l.most)
	l.g.peak = peak
}

// ahead is how many waiters would be served before one of class p. It needs mu.
func (l *limiter) ahead(p int) int {
	n := 0
	for q := p; q < priorities; q++ {
		n += len(l.waiting[q])
	}
	return n
}

// expected is how long one of class p would wait. It needs mu.
func (l *limiter) expected(p int, usual time.Duration) time.Duration {
	return usual * time.Duration(l.ahead(p)+1) / time.Duration(max(1, l.allowed()))
}

// longest is how long one of class p may wait; the lowest waits half as long, so that it is refused before the others are.
func (l *limiter) longest(now time.Time, p int, w wish) time.Duration {
	out := max(waitLeast, waitUsual*w.usual, w.patience)
	if !w.end.IsZero() {
		out = min(out, max(0, w.end.Sub(now)-w.least)/waitShareDiv)
	}
	if p == int(candorv1.Priority_PRIORITY_LOW) {
		out /= 2
	}
	return out
}

// makeRoom refuses the newest waiter of the lowest class below p, if there is one. It needs mu.
func (l *limiter) makeRoom(p int) bool {
	for q := range p {
		if n := len(l.waiting[q]); n > 0 {
			l.waiting[q][n-1].done <- false
			l.waiting[q] = l.waiting[q][:n-1]
			l.queued--
			return true
		}
	}
	return false
}

// refused makes the Failure of a call that gets no place. It needs mu.
func (l *limiter) refused(p int, wait time.Duration, format string, args ...any) *Failure {
	l.shed[p]++
	f := inferred(Overload, candorv1.Reason_REASON_OVERLOAD, codes.ResourceExhausted, format, args...)
	f.RetryAfter = max(retrySoonest, wait)
	return f
}

// fill shows the limiter in a Status.
func (l *limiter) fill(s *Status) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s.MaxInFlight, s.Measured, s.Waited = int64(l.most), l.adaptive, l.waited
	s.Limit, s.InFlight, s.Queued = int64(min(l.allowed(), l.most)), int64(l.used), int64(l.queued)
	s.ShedLow, s.ShedNormal, s.ShedHigh = l.shed[candorv1.Priority_PRIORITY_LOW], l.shed[candorv1.Priority_PRIORITY_NORMAL], l.shed[candorv1.Priority_PRIORITY_HIGH]
}
