package limits

import "sort"

// window holds the times, in nanoseconds since the epoch, at which one limit released answers: sorted, the newest max of
// them. With max kept, "fewer than max within the window" is decided exactly, so older ones needn't be remembered; a window
// that never passes max forgets nothing but what has left it.
//
// It is a ring of 8 bytes for each release that grows as it fills: max bounds its memory (8 MB for a million).
type window struct {
	buf  []int64
	head int // index in buf of the oldest
	n    int
	max  int
	// lost is the latest release that was dropped because max others are kept; 0: none was.
	lost int64
}

// smallestWindow is the first allocation, in releases: most limits are met a few times in a window.
const smallestWindow = 16

func newWindow(max int64) window { return window{max: int(max)} }

// at answers the i-th oldest.
func (w *window) at(i int) int64 { return w.buf[w.slot(i)] }

func (w *window) slot(i int) int {
	s := w.head + i
	if s >= len(w.buf) {
		s -= len(w.buf)
	}
	return s
}

// expire drops every release at or before bound.
func (w *window) expire(bound int64) {
	for w.n > 0 && w.buf[w.head] <= bound {
		w.dropOldest()
	}
}

func (w *window) dropOldest() {
	w.head = w.slot(1)
	w.n--
}

// after counts the releases later than bound, and drops nothing.
func (w *window) after(bound int64) int {
	return w.n - sort.Search(w.n, func(i int) bool { return w.at(i) > bound })
}

// insert adds a release. Times mostly rise, but what is recovered after a crash may lie a lease ahead of the clock.
func (w *window) insert(t int64) {
	if w.n == w.max {
		if t <= w.at(0) {
			w.lost = max(w.lost, t)
			return
		}
		w.lost = max(w.lost, w.at(0))
		w.dropOldest()
	}
	if w.n == len(w.buf) {
		w.grow()
	}
	i := w.n
	w.n++
	for i > 0 && w.at(i-1) > t {
		w.buf[w.slot(i)] = w.at(i - 1)
		i--
	}
	w.buf[w.slot(i)] = t
}

func (w *window) grow() {
	bigger := make([]int64, min(max(2*len(w.buf), smallestWindow), w.max))
	for i := range w.n {
		bigger[i] = w.at(i)
	}
	w.buf, w.head = bigger, 0
}

// raise makes room for more releases. How many were dropped when there was less isn't known: the room stays taken until the latest
// of them has left the window. bound is the time at or before which releases have left it. A smaller max changes nothing: what is
// remembered may be wanted again.
func (w *window) raise(most, bound int64) {
	more := int(most) - w.max
	if more <= 0 {
		return
	}
	w.max += more
	if w.lost <= bound {
		return
	}
	taken := w.lost
	for range more {
		w.insert(taken)
	}
}

// remove takes back one release made at t. It does nothing when that has left the window.
func (w *window) remove(t int64) {
	i := sort.Search(w.n, func(i int) bool { return w.at(i) > t }) - 1
	if i < 0 || w.at(i) != t {
		return
	}
	for ; i < w.n-1; i++ { // what is taken back is recent: few come after it
		w.buf[w.slot(i)] = w.at(i + 1)
	}
	w.n--
}
