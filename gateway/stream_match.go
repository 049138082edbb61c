package gateway

import (
	"slices"
	"time"
)

// What a lane knows of its requests: which is whose, and what is still owed.

// name finds the id under which the request is sent: the client's, if it can tell the request from the others.
func (l *lane) name(q *question) {
	l.mu.Lock()
	defer l.mu.Unlock()
	q.sent = q.id
	for i, other := range l.asked {
		if other.sent != q.sent {
			continue
		}
		if other.heard && other != l.busy {
			l.asked = slices.Delete(l.asked, i, i+1)
			l.s.finish(other)
			break
		}
		q.sent = ""
	}
	// Those that are on their way to another stream have a name of theirs, too, or will ask for it again.
	if slices.ContainsFunc(l.moving, func(other *question) bool { return other != q && other.sent == q.sent }) {
		q.sent = ""
	}
	if q.sent == "" {
		q.sent = q.template.id.String()
	}
}

// match finds whose a response is, by the id under which the request was sent; nil: nobody's. A server that has shown that it repeats
// ids is taken at its word: one that it makes up, or repeats after the request's last response, belongs to nobody. One that doesn't
// answers in order.
func (l *lane) match(id string) *question {
	l.mu.Lock()
	defer l.mu.Unlock()
	var byID, oldest, newest *question // oldest of those that are owed something, newest of the others
	owed := 0
	for _, q := range l.asked {
		switch {
		case q.heard:
			newest = q
		case oldest == nil:
			oldest = q
		}
		if !q.heard {
			owed++
		}
		if q.sent == id {
			byID = q
		}
	}
	switch {
	case l.vague() && id == l.first.sent:
		q := oldest
		if q == nil {
			q = newest
		}
		if q != nil {
			q.vague, q.id = true, l.first.id
		}
		return q
	case byID != nil:
		l.echoes = true
		return byID
	case l.echoes && (id != "" || owed != 1):
		return nil
	case owed == 1 || id == "" && owed > 0:
		return oldest
	case owed == 0:
		return newest
	}
	return nil
}

// vague needs mu. MLServer puts the first request's id into all responses of a stream, and its models may answer a request several
// times, or several at once: with more than one on it nobody can say whose a response is. The client sees what it would see without
// us, and nothing is done that would need to know.
func (l *lane) vague() bool { return l.primary.StreamsBare() && l.sent > 1 }

// settle notes that a response has come for q, before anybody hears of it: then its id is free for the client's next request.
// done: nothing more comes; open: nobody knows. An attempt's time begins anew for the request that has waited longest, when it gets a
// response or another takes its place: what comes for those behind it doesn't help it. overdue: nobody waits for the response any more.
func (l *lane) settle(q *question, done, open bool) (overdue bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	first := l.firstOwed()
	q.heard, q.got = q.heard || open, true
	if q.heard {
		l.s.unhold(q)
	}
	l.busy, l.busySince = q, time.Now()
	if done {
		l.asked = slices.DeleteFunc(l.asked, func(other *question) bool { return other == q })
	}
	if first == nil || first == q {
		l.expect()
	}
	return q.overdue.Load() > 0
}

// firstOwed needs mu, and is the request that has waited longest; nil: nothing is owed.
func (l *lane) firstOwed() *question {
	for _, q := range l.asked {
		if !q.heard {
			return q
		}
	}
	return nil
}

// settled notes that the response has been dealt with.
func (l *lane) settled(q *question, done bool) {
	l.mu.Lock()
	l.busy = nil
	l.dealt += time.Since(l.busySince)
	if l.unwatched {
		l.unwatched = false
		l.watchLocked()
	}
	l.mu.Unlock()
	if done {
		l.s.finish(q)
	}
	// Looked at after busy is empty: so either this finds q, or serve's own look does.
	if l.s.hungry.Load() {
		l.forget()
	}
}

// forget drops the requests that are kept only because more might come for them.
func (l *lane) forget() {
	if l.own {
		// Its stream is still open, and only the end of that tells that no more come.
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked = slices.DeleteFunc(l.asked, func(q *question) bool {
		done := q.heard && q != l.busy
		if done {
			l.s.finish(q)
		}
		return done
	})
}

// take empties the lane when its stream has ended.
func (l *lane) take() []*question {
	l.mu.Lock()
	defer l.mu.Unlock()
	asked := l.asked
	l.stream, l.asked = nil, nil
	if l.resending != nil {
		l.moving = asked
	}
	if l.alarm != nil {
		l.alarm.Stop()
		l.watched = false
	}
	return asked
}

// expect needs mu. It says how long the primary may be silent now: for ever while it owes nothing.
func (l *lane) expect() {
	if l.stream == nil {
		return
	}
	if l.owedLocked() > 0 || l.closed {
		l.stream.Expect(l.patience())
		return
	}
	l.stream.Expect(0)
}

func (l *lane) owes() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.owedLocked()
}

func (l *lane) owedLocked() int {
	n := 0
	for _, q := range l.asked {
		if !q.heard {
			n++
		}
	}
	return n
}
