package limits

import (
	"crypto/rand"
	"sync"
	"time"
)

// Walls is what one process has learned of how far the wall clocks of other gateways are behind its own. Safe for concurrent use; nil knows
// nothing and learns nothing.
//
// A gateway that asks about a limit after another sees what both wall clocks said, and what has passed in between. If it knows that by what it
// has seen itself, the difference is how far the clocks are apart. If it goes by the server's clock, it may as well be a step of that. But of
// one limit, each of its questions that comes after another question of the other one is of another span. A step in each of them
// that the server's clock doesn't show from one such question to the next must have been undone before the other's next question. So what was
// the same of surely spans, while the server's clock went as the process's own did, is how far the clocks are apart.
//
// It is true as long as nobody sets one of the two. A process whose wall clock is set, or whose machine was suspended, finds that out by
// its monotonic one, takes another name and begins anew.
type Walls struct {
	mu sync.Mutex
	id string
	// process and wall are the clocks when the name was taken.
	process, wall time.Time
	of            map[string]*otherWall
	// news is how far others were found to be behind who are apart by more than agreed, or by another amount than before, or no more.
	news []time.Duration
}

const (
	// surely is of how many spans the same must be seen.
	surely = 3
	// steady is how much of agreed what was seen may differ: the rest is left for the answer that goes by it.
	steady = agreed / 2
	// knownFor is how long what is known of one of whom nothing more is heard holds.
	knownFor = time.Hour
	// seriesFor is how long questions about one limit are waited for before those about another are looked at instead.
	seriesFor = time.Minute
	// mostWalls bounds how many others are remembered: processes that are started anew have new names.
	mostWalls = 256
)

// otherWall is how far the wall clock of another gateway is behind this process's own.
type otherWall struct {
	// by is in force where it is known. told is what somebody was told of it, and heard when a question came after one of the other's last.
	by, told time.Duration
	known    bool
	heard    time.Time
	// seen is what was the same so many times in a row, of one limit: last after a question of the other whose wall clock said wall.
	// server and process are the clocks when it was seen first, and last is when it was seen last.
	seen                  time.Duration
	times                 int
	limit                 string
	wall                  time.Time
	server, process, last time.Time
}

func newWalls() *Walls { return &Walls{} }

// apart is Gate.WallsApart at now, a reading of the process's clock.
func (w *Walls) apart(now time.Time) (most time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range w.of {
		if a.knows(now) {
			most = max(most, a.by.Abs())
		}
	}
	return most
}

func (a *otherWall) knows(now time.Time) bool { return a.known && now.Sub(a.heard) < knownFor }

// name is what others know the process by, as long as its wall clock isn't set: it is random.
func (w *Walls) name(at Readings) string {
	if w == nil {
		return ""
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if set := at.Wall.Sub(w.wall) - at.After.Sub(w.process); w.id == "" || set.Abs() > steady {
		w.id, w.process, w.wall, w.of = rand.Text(), at.After, at.Wall, map[string]*otherWall{}
	}
	return w.id
}

// behind answers how far the other's wall clock is behind; 0 where nothing is known, as it should be, or so little that it says less about
// clocks than about answers.
func (w *Walls) behind(other string, at Readings) time.Duration {
	if w == nil {
		return 0
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if a := w.of[other]; a != nil && a.knows(at.After) && a.by.Abs() > steady {
		return a.by
	}
	return 0
}

// span is what has passed since the last question about a limit, of another gateway whose wall clock said wall. sighted: it is known by what the
// process has seen itself, and not by the server's clock.
type span struct {
	limit, other string
	wall         time.Time
	passed       time.Duration
	sighted      bool
}

// learn is told of a span at the question that ends it. One that took long says nothing, since a clock may have been read much earlier than the other.
func (w *Walls) learn(s span, at Readings) {
	if w == nil || s.other == "" || at.After.Sub(at.Before) > steady {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if s.other == w.id {
		return
	}
	a := w.of[s.other]
	if a == nil {
		w.makeRoom()
		a = &otherWall{}
		w.of[s.other] = a
	}
	a.heard = at.After
	by := at.Wall.Sub(s.wall) - s.passed
	if s.sighted && (by-a.by).Abs() > agreed {
		a.known = false
	}
	if a.see(s, by, at) && (by-a.told).Abs() > agreed {
		a.told, w.news = by, append(w.news, by)
	}
}

// see answers whether it was seen often enough.
func (a *otherWall) see(s span, by time.Duration, at Readings) bool {
	switch {
	case a.times > 0 && s.limit != a.limit && at.After.Sub(a.last) < seriesFor:
		return false
	case a.times > 0 && s.limit == a.limit && !s.wall.After(a.wall):
		// The question before wasn't committed, and this is the same span.
		return false
	}
	went := at.After.Sub(a.process)
	set := at.Server.Sub(a.server) - went
	if s.limit != a.limit || (by-a.seen).Abs() > steady || set.Abs() > steady+min(went/driftShare, steady) {
		a.times, a.limit, a.server, a.process = 0, s.limit, at.Server, at.After
	}
	a.seen, a.wall, a.last = by, s.wall, at.After
	if a.times++; a.times < surely {
		return false
	}
	a.by, a.known = by, true
	return true
}

// makeRoom forgets whoever was heard of least lately. w.mu is held.
func (w *Walls) makeRoom() {
	if len(w.of) < mostWalls {
		return
	}
	var oldest string
	for name, a := range w.of {
		if oldest == "" || a.heard.Before(w.of[oldest].heard) {
			oldest = name
		}
	}
	delete(w.of, oldest)
}

// tell tells somebody what is new.
func (w *Walls) tell(somebody func(behind time.Duration)) {
	w.mu.Lock()
	news := w.news
	w.news = nil
	w.mu.Unlock()
	for _, by := range news {
		if somebody != nil {
			somebody(by)
		}
	}
}
