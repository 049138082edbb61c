package faultproxy

import (
	"sync"
	"time"
)

// Fault is how the network misbehaves; the zero value is a good one. It holds for both directions.
type Fault struct {
	// Latency is how much later each piece of what is sent arrives. Order is kept.
	Latency time.Duration
	// BytesPerSecond bounds each direction of each connection: a slow reader or a thin line. 0: no bound.
	BytesPerSecond int
	// Blackhole swallows nothing and passes nothing: bytes wait until it ends, as they do behind a partition that TCP outlives.
	// New connections are accepted and stay silent.
	Blackhole bool
	// Refuse resets new connections at once.
	Refuse bool
}

// weather is the fault in force, and a signal of its changes. Safe for concurrent use.
type weather struct {
	mu      sync.Mutex
	fault   Fault
	changed chan struct{} // closed and replaced with every change
}

func newWeather() *weather { return &weather{changed: make(chan struct{})} }

func (w *weather) set(f Fault) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fault = f
	close(w.changed)
	w.changed = make(chan struct{})
}

func (w *weather) now() (Fault, <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.fault, w.changed
}

// pass waits until n bytes may pass that came at an instant, on a line that is busy until another, and answers until when they keep
// it busy; false: done was closed first.
func (w *weather) pass(came, busy time.Time, n int, done <-chan struct{}) (time.Time, bool) {
	for {
		f, changed := w.now()
		var due time.Time
		var timer <-chan time.Time
		if !f.Blackhole {
			due = came.Add(f.Latency)
			if f.BytesPerSecond > 0 {
				if due.Before(busy) {
					due = busy
				}
				due = due.Add(time.Duration(float64(n) / float64(f.BytesPerSecond) * float64(time.Second)))
			}
			left := time.Until(due)
			if left <= 0 {
				return due, true
			}
			timer = time.After(left)
		}
		select {
		case <-timer: // looks again: it may be worse now
		case <-changed:
		case <-done:
			return time.Time{}, false
		}
	}
}
