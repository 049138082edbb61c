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
// bounds those in flight and those that wait together; a part of it more (spareDiv) may wait of those with less than their share. Who waits
// is served by priority, then fairly between consumers, as crowd says, then in order; when nobody more may wait, the newest of the lowest
// priority makes room, or of the consumer with the most. Safe for concurrent use.
type limiter struct {
	// adaptive: gradient moves the limit. Otherwise it is most, and nobody waits but those with less than their share, and none of
	// them in the lowest class.
	adaptive bool
	most     int

	mu     sync.Mutex
	g      gradient
	used   int
	crowd  crowd
	queued int
	// spared counts those of them in flight that began beyond the limit because their consumers have few.
	spared int
	// shed counts calls that were refused, by priority.
	shed [priorities]int64
	// waited counts those that got a place after they had waited for it.
	waited int64
	delays delays
}

// waiter is a call that waits for a place. done gets true with a place, seat, and false without.
type waiter struct {
	done chan bool
	seat seat
	// stood is its number among those that have begun to wait.
	stood uint64
}

func newLimiter(most int, adaptive bool) *limiter {
	l := &limiter{adaptive: adaptive, most: most, g: newGradient(most)}
	l.g.own = l.delays.mean
	return l
}

// wish is what a call needs of a limiter beside a place.
type wish struct {
	caller caller
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

// take takes a place, for which it may wait. A Failure says why there is none; it is nobody's failing but one of load, or of ctx.
func (l *limiter) take(ctx context.Context, now time.Time, w wish) (seat, *Failure) {
	l.mu.Lock()
	at := l.crowd.line(w.caller)
	if s, ok := l.seat(at); ok {
		l.mu.Unlock()
		return s, nil
	}
	ahead := l.crowd.ahead(at)
	wait := l.expected(ahead, w.usual)
	longest := l.longest(now, at.class, w)
	switch {
	case l.adaptive && wait > longest:
		f := l.refused(at, wait, "%d calls are in flight, as many as the model server can do at once, and %d wait before this one", l.used, ahead)
		l.mu.Unlock()
		return seat{}, f
	case !l.adaptive && !l.few(at) || !l.room(at):
		f := l.refused(at, wait, "%d calls are in flight, as many as max_in_flight allows", l.used+l.queued)
		l.mu.Unlock()
		return seat{}, f
	}
	me := &waiter{done: make(chan bool, 1)}
	l.crowd.stand(at, me)
	l.queued++
	l.handOn()
	l.mu.Unlock()
	f := l.await(ctx, at, me, wait, longest)
	if f != nil {
		return seat{}, f
	}
	return me.seat, nil
}

// await waits until the waiter has a place, and no longer than longest.
func (l *limiter) await(ctx context.Context, at *line, me *waiter, wait, longest time.Duration) *Failure {
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
	if i := slices.Index(at.waiting, me); i >= 0 {
		l.crowd.quit(at, i)
		l.queued--
		l.handOn() // the shares of those who are left have grown
	} else if !decided {
		// Somebody has decided meanwhile.
		if <-me.done {
			if ctx.Err() == nil {
				return nil
			}
			l.leave(me.seat)
		}
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return cancelled()
	}
	if ctx.Err() != nil {
		return inferred(Excluded, candorv1.Reason_REASON_DEADLINE, codes.DeadlineExceeded, "the caller's time ended while the call waited for a place")
	}
	if !late {
		return l.refused(at, wait, "a call of higher priority, or of a consumer with fewer calls, took the place that this one waited for")
	}
	return l.refused(at, wait, "there was no place within %v, the model server is as busy as it can be", longest.Round(time.Millisecond))
}

// release gives a place back. ended tells what the call says about load, took how long the model server needed.
func (l *limiter) release(s seat, now time.Time, ended load, took time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.adaptive {
		switch ended {
		case loadAnswered:
			if l.g.slow(took) {
				l.delays.look(now)
			}
			l.g.answered(now, took)
		case loadRefused:
			l.g.drop(now)
		}
	}
	l.leave(s)
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
func (l *limiter) leave(s seat) {
	l.used--
	if s.spared {
		l.spared--
	}
	l.crowd.end(s.at)
	l.handOn()
}

// handOn gives free places to those who wait. It needs mu.
func (l *limiter) handOn() {
	if l.queued == 0 {
		return
	}
	for p := priorities - 1; p >= 0; p-- {
		for at := l.crowd.next(p); at != nil && l.used < l.bound(at); at = l.crowd.next(p) {
			l.queued--
			l.waited++
			s := l.occupy(at)
			next := l.crowd.serve(at)
			next.seat = s
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
	l.g.peak, l.g.own = peak, l.delays.mean
	l.handOn()
}

// expected is how long one would wait that has so many before it. It needs mu.
func (l *limiter) expected(ahead int, usual time.Duration) time.Duration {
	return usual * time.Duration(ahead+1) / time.Duration(max(1, l.allowed()))
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

// refused makes the Failure of a call that gets no place. It needs mu.
func (l *limiter) refused(at *line, wait time.Duration, format string, args ...any) *Failure {
	l.shed[at.class]++
	l.crowd.party(at.caller).shed++
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
	s.Consumers = l.crowd.loads()
	s.ShedLow, s.ShedNormal, s.ShedHigh = l.shed[candorv1.Priority_PRIORITY_LOW], l.shed[candorv1.Priority_PRIORITY_NORMAL], l.shed[candorv1.Priority_PRIORITY_HIGH]
}
