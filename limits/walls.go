package limits

import (
	"crypto/rand"
	"sync"
	"time"
)

// Walls is what one process has learned of how far the wall clocks of other gateways are from its own, from all accounts in which it asked
// after them. Safe for concurrent use; nil knows nothing and learns nothing.
//
// A gateway that asks after another sees both wall clocks, and what has passed in between. If it knows that by what it has seen itself, the
// difference is how far the clocks are apart. If it goes by the server's clock, a difference may as well be a step of that. But it can tell
// that the server's clock wasn't set, on balance, since an earlier such question, and a step that comes before each of its questions
// and goes again before the next of the other's is no step any more that somebody made. So what was the same at surely questions,
// while the server's clock went as the process's own did, is how far the clocks are apart.
type Walls struct {
	id string
	// told of another gateway whose wall clock is found to be apart by more than agreed, or by another amount than before, or no more; nil: nobody.
	told func(by time.Duration)

	mu sync.Mutex
	of map[string]*otherWall
}

// surely is how often in a row the same must be seen.
const surely = 3

// steady is how much of agreed what was seen may differ: the rest is left for the answer that goes by it.
const steady = agreed / 2

// mostWalls bounds how many others are remembered: processes that are started anew have new names.
const mostWalls = 256

// otherWall is how far the wall clock of another gateway is behind this process's own.
type otherWall struct {
	// by is in force where it is known; what was seen last was so times in a row. told is what somebody was told of it.
	by, seen, told time.Duration
	known          bool
	times          int
	// server and process are the clocks when seen was new, and last is when it was seen last.
	server, process, last time.Time
}

// newWalls are of a process that has asked for nothing yet.
func newWalls(told func(by time.Duration)) *Walls {
	return &Walls{id: rand.Text(), told: told, of: map[string]*otherWall{}}
}

// apart is Gate.WallsApart at now, a reading of the process's clock.
func (w *Walls) apart(now time.Time) (most time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range w.of {
		if a.known && now.Sub(a.last) < time.Hour {
			most = max(most, a.by.Abs())
		}
	}
	return most
}

// name is what others know the process by; it is random.
func (w *Walls) name() string {
	if w == nil {
		return ""
	}
	return w.id
}

// behind answers how far the other's wall clock is behind; 0 where nothing is known, as it should be, or so little that it says less about
// clocks than about answers.
func (w *Walls) behind(other string) time.Duration {
	if w == nil {
		return 0
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if a := w.of[other]; a != nil && a.known && a.by.Abs() > steady {
		return a.by
	}
	return 0
}

// learn is told at a question that so much has passed since the other asked, whose wall clock showed wall. What took long says nothing, since
// a clock may have been read much earlier than the other.
func (w *Walls) learn(other string, wall time.Time, passed time.Duration, at Readings) {
	if w == nil || other == "" || other == w.id || at.Slow() {
		return
	}
	if by, news := w.see(other, at.Wall.Sub(wall)-passed, at); news && w.told != nil {
		w.told(by)
	}
}

// see answers whether there is something new to tell of the other.
func (w *Walls) see(other string, by time.Duration, at Readings) (_ time.Duration, news bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	a := w.of[other]
	if a == nil {
		w.makeRoom()
		a = &otherWall{}
		w.of[other] = a
	}
	went := at.After.Sub(a.process)
	set := at.Server.Sub(a.server) - went
	if a.times == 0 || (by-a.seen).Abs() > steady || set.Abs() > steady+went/driftShare {
		a.times, a.server, a.process = 0, at.Server, at.After
	}
	a.seen, a.last = by, at.After
	if a.times++; a.times >= surely {
		a.by, a.known = by, true
		news = (by - a.told).Abs() > agreed
	}
	if news {
		a.told = by
	}
	return by, news
}

// makeRoom forgets whoever was heard of least lately. w.mu is held.
func (w *Walls) makeRoom() {
	if len(w.of) < mostWalls {
		return
	}
	var oldest string
	for name, a := range w.of {
		if oldest == "" || a.last.Before(w.of[oldest].last) {
			oldest = name
		}
	}
	delete(w.of, oldest)
}
