package limits

import "sort"

// window holds what one limit released, and when: sorted by time, the newest that come to max in all. With max kept, "less than max
// within the window" is decided exactly, so older ones needn't be remembered; a window that never passes max forgets nothing but
// what has left it.
//
// It is a ring of 16 bytes for each release that grows as it fills: 16 MB for a million. What comes to more entries than that is
// merged, see merge: a release then counts a little longer than it has to.
type window struct {
	buf  []entry
	head int // index in buf of the oldest
	n    int
	max  int64
	sum  int64
	// span is how long a release counts.
	span int64
	// lost is the latest release of which something was dropped because max are kept; gone is that or the latest that has left. 0:
	// none was.
	lost, gone int64
}

// entry is what was released at t, in nanoseconds since the epoch: n answers, or units.
type entry struct{ t, n int64 }

const (
	// smallestWindow is the first allocation, in entries: most limits are met a few times in a window.
	smallestWindow = 4
	// largestWindow is the most entries.
	largestWindow = 1_000_000
	// mergedInto is how many spans of time a full window is merged into: a release counts one part in so many of it longer at most.
	mergedInto = 1 << 18
)

func newWindow(d Definition) window { return window{max: d.most(), span: int64(d.Window)} }

// at answers the i-th oldest.
func (w *window) at(i int) entry { return w.buf[w.slot(i)] }

func (w *window) slot(i int) int {
	s := w.head + i
	if s >= len(w.buf) {
		s -= len(w.buf)
	}
	return s
}

// expire drops every release at or before bound.
func (w *window) expire(bound int64) {
	for w.n > 0 && w.buf[w.head].t <= bound {
		w.dropOldest()
	}
}

func (w *window) dropOldest() {
	e := w.buf[w.head]
	w.gone, w.sum = max(w.gone, e.t), w.sum-e.n
	w.head = w.slot(1)
	w.n--
}

// after adds up the releases later than bound, and drops nothing.
func (w *window) after(bound int64) int64 {
	sum := w.sum
	for i := 0; i < w.n && w.at(i).t <= bound; i++ {
		sum -= w.at(i).n
	}
	return sum
}

// last answers the time of the release with which those later than bound come to n; of fewer it is the latest.
func (w *window) last(bound, n int64) (t int64) {
	for i := 0; i < w.n && n > 0; i++ {
		if e := w.at(i); e.t > bound {
			t = e.t
			n -= e.n
		}
	}
	return t
}

// insert adds a release of n. Times mostly rise, but what is recovered after a crash may lie a lease ahead of the clock.
func (w *window) insert(t, n int64) {
	if n <= 0 {
		return
	}
	if n > w.max { // far more may be stored than an int64 has room for
		n, w.lost, w.gone = w.max, max(w.lost, t), max(w.gone, t)
	}
	switch {
	case w.n == largestWindow:
		w.merge()
	case w.n == len(w.buf):
		w.grow()
	}
	w.sum += n
	i := w.n
	for i > 0 && w.at(i-1).t > t {
		i--
	}
	if i > 0 && w.at(i-1).t == t {
		w.buf[w.slot(i-1)].n += n
	} else {
		w.n++
		for j := w.n - 1; j > i; j-- {
			w.buf[w.slot(j)] = w.at(j - 1)
		}
		w.buf[w.slot(i)] = entry{t, n}
	}
	w.trim()
}

// trim drops the oldest above max.
func (w *window) trim() {
	for w.sum > w.max {
		oldest := &w.buf[w.head]
		w.lost, w.gone = max(w.lost, oldest.t), max(w.gone, oldest.t)
		if over := w.sum - w.max; oldest.n > over {
			oldest.n -= over
			w.sum = w.max
			return
		}
		w.dropOldest()
	}
}

func (w *window) grow() {
	bigger := make([]entry, min(max(2*len(w.buf), smallestWindow), largestWindow))
	for i := range w.n {
		bigger[i] = w.at(i)
	}
	w.buf, w.head = bigger, 0
}

// merge makes one entry of those in each part of the span, at the time of the last of them: nothing leaves the window earlier than it
// has to. The parts begin at multiples of their length, so that what was merged before isn't merged with more.
func (w *window) merge() {
	for part := max(1, w.span/mergedInto); w.n > largestWindow/2; part *= 2 {
		kept := 0
		for i := 1; i < w.n; i++ {
			e, last := w.at(i), &w.buf[w.slot(kept)]
			if e.t/part == last.t/part {
				last.t, last.n = e.t, last.n+e.n
				continue
			}
			kept++
			w.buf[w.slot(kept)] = e
		}
		w.n = kept + 1
	}
}

// raise makes room for more releases. How much was dropped when there was less isn't known: the room stays taken until the latest
// of them has left the window. bound is the time at or before which releases have left it. A smaller max changes nothing: what is
// remembered may be wanted again.
func (w *window) raise(d Definition, bound int64) {
	w.span = max(w.span, int64(d.Window))
	more := d.most() - w.max
	if more <= 0 {
		return
	}
	w.max += more
	if w.lost > bound {
		w.insert(w.lost, more)
	}
}

// remove takes back a release of n made at t. It does nothing when something of that time has left the window.
func (w *window) remove(t, n int64) {
	i := sort.Search(w.n, func(i int) bool { return w.at(i).t >= t })
	if t <= w.gone || i == w.n {
		return
	}
	// At t, or merged into what came next.
	e := &w.buf[w.slot(i)]
	n = min(n, e.n)
	e.n, w.sum = e.n-n, w.sum-n
	if e.n > 0 {
		return
	}
	for ; i < w.n-1; i++ { // what is taken back is recent: few come after it
		w.buf[w.slot(i)] = w.at(i + 1)
	}
	w.n--
}
