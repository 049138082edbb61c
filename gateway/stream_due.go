package gateway

import (
	"time"

	"github.com/candor-gateway/candor/backend"
)

// A request that waits on a stream behind others has a time of its own for its first answer, as a unary call would have: what its client
// leaves, or listen.default_deadline, and half of that where a fallback stands behind the primary. The stream goes on without it: the
// others on it are in time, and what the model server says of it later is nobody's any more.
//
// Only requests in frames of Triton's have one. In bare ones nobody knows whose a response is, and the model may wait for the client.

// firstBy is when the first answer to a request should be there, and own, how long that is from its beginning.
func (q *question) firstBy() (by time.Time, own time.Duration) {
	c := q.template
	own = c.until.Sub(c.start)
	if len(c.model.tiers) > 0 {
		own /= reserveMostDiv
	}
	return c.start.Add(own), own
}

// dueLocked needs mu, and is when a request's time is over; false: it has none, or no longer. The time in which the gateway dealt with a
// response, such as one that its client was slow to take, is not the request's.
func (l *lane) dueLocked(q *question) (time.Time, bool) {
	if !q.behind || q.got || q.heard || q.overdue.Load() != 0 {
		return time.Time{}, false
	}
	by, _ := q.firstBy()
	return by.Add(l.dealt - q.dealtBefore), true
}

// lineUpLocked needs mu, and notes that a request is on the stream behind others, where it is.
func (l *lane) lineUpLocked(q *question, others bool) {
	q.behind = others && !l.primary.StreamsBare()
	q.dealtBefore = l.dealt
	if due, ok := l.dueLocked(q); ok && (!l.watched || due.Before(l.next)) {
		l.watchLocked()
	}
}

// watchLocked needs mu, and has somebody look when the next request's time is over.
func (l *lane) watchLocked() {
	next := time.Time{}
	for _, q := range l.asked {
		if due, ok := l.dueLocked(q); ok && (next.IsZero() || due.Before(next)) {
			next = due
		}
	}
	l.next, l.watched = next, !next.IsZero()
	if !l.watched {
		return
	}
	if wait := time.Until(next); l.alarm == nil {
		l.alarm = time.AfterFunc(wait, func() { l.s.guarded(l.expire) })
	} else {
		l.alarm.Reset(wait)
	}
}

// expire tells the clients of requests whose time is over.
func (l *lane) expire() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.busy != nil {
		// Looked at again when that has been dealt with: it may be what they wait for.
		l.watched, l.unwatched = false, true
		return
	}
	now := time.Now()
	for _, q := range l.asked {
		if due, ok := l.dueLocked(q); ok && !now.Before(due) {
			q.overdue.Store(2)
			// Whoever receives is there as long as asked has a request, and is waited for: so is this.
			l.s.receiver.Add(1)
			l.s.g.streaming.Go(func() {
				defer l.s.receiver.Done()
				l.s.guarded(func() { l.late(q, due) })
			})
		}
	}
	l.watchLocked()
}

// late lets an overdue request take its route. It keeps its room and its place until the model server is done with it, too: so what the
// client may send meanwhile is bounded by what the model server has.
func (l *lane) late(q *question, due time.Time) {
	defer l.s.finish(q)
	by, own := q.firstBy()
	q.until = q.template.until.Add(due.Sub(by))
	f := q.turn.Fail(l.s.ctx, backend.Overdue(own), true)
	if !l.s.over() {
		l.s.failed(q, f, true)
	}
}
