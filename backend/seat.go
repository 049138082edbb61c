package backend

import candorv1 "github.com/candor-gateway/candor/gen/candor/v1"

// seat is a place in flight, until it is released.
type seat struct {
	at     *line
	spared bool
}

// What may be in flight beyond the limit, by these parts of it and by one place at least. What is measured leaves room for it; and without it
// calls of others that never end would keep out those of high priority (headroomDiv), and those of consumers that have less than their share
// (spareDiv).
const (
	headroomDiv = 4
	spareDiv    = 8
)

const (
	lowest  = int(candorv1.Priority_PRIORITY_LOW)
	highest = int(candorv1.Priority_PRIORITY_HIGH)
)

// bound is how many calls may be in flight when one of a line begins. It needs mu.
func (l *limiter) bound(at *line) int {
	n := l.allowed()
	spare, out := max(1, n/spareDiv), n
	if at.class == highest {
		// What others were spared isn't taken from it.
		out += max(1, n/headroomDiv) + min(l.spared, spare)
	}
	if (at.class != highest || l.crowd.sharing(at) > 1) && l.few(at) {
		out += spare
	}
	return min(out, l.most)
}

// few says that a line has less than its share, and is of a class that is spared something for that. It needs mu.
func (l *limiter) few(at *line) bool {
	share, has := l.crowd.share(at, min(l.allowed(), l.most))
	return at.class != lowest && has < share
}

// room says that there is room for one call more of a line, in flight or waiting, and makes some where there must be. It needs mu.
func (l *limiter) room(at *line) bool {
	all := l.used + l.queued
	return all < l.most || l.makeRoom(at) || all < l.most+max(1, l.most/spareDiv) && l.few(at)
}

// try takes a place if one is free for somebody who doesn't wait.
func (l *limiter) try(who caller) (seat, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.seat(l.crowd.line(who))
}

// spare takes a place for an attempt that need not be, if one is free that nobody waits for, whatever their priority.
func (l *limiter) spare(who caller) (seat, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.queued > 0 {
		return seat{}, false
	}
	return l.seat(l.crowd.line(who))
}

// seat takes a place for a call of a line if it has one at once: one is free, and nobody of its class or a higher one waits for it. It
// needs mu.
func (l *limiter) seat(at *line) (seat, bool) {
	if l.queued > 0 || l.used >= min(l.allowed(), l.most) {
		if l.used >= l.bound(at) || l.awaited(at.class) {
			return seat{}, false
		}
		if !l.room(at) {
			return seat{}, false
		}
	}
	s := l.occupy(at)
	l.crowd.begin(at)
	l.handOn() // who made room may have left others a larger share
	return s, true
}

// awaited says that somebody who waits, of class p or a higher one, could take a place now. It needs mu.
func (l *limiter) awaited(p int) bool {
	for q := p; q < priorities; q++ {
		if at := l.crowd.next(q); at != nil && l.used < l.bound(at) {
			return true
		}
	}
	return false
}

// occupy needs mu, and leaves it to its caller to count the call in the crowd.
func (l *limiter) occupy(at *line) seat {
	s := seat{at: at, spared: at.class != highest && l.used >= l.allowed()}
	if s.spared {
		l.spared++
	}
	l.used++
	l.g.busy(l.used)
	return s
}

// makeRoom refuses a waiter for a call of a line, if there is one that must make room for it. It needs mu.
func (l *limiter) makeRoom(at *line) bool {
	from := l.crowd.yields(at)
	if from == nil {
		return false
	}
	l.crowd.quit(from, len(from.waiting)-1).done <- false
	l.queued--
	return true
}
