package backend

import (
	"runtime"
	"sync"
	"time"
)

const (
	// lookAfter is how long a look sleeps; lookGrain of it isn't a delay: a runtime that has nothing to do wakes for timers by the millisecond.
	lookAfter = time.Millisecond
	lookGrain = time.Millisecond
	// lookEvery bounds what looking costs.
	lookEvery = 5 * time.Millisecond
	// delayLasts is for how long a delay that was seen says something about answers.
	delayLasts = time.Second
)

// delays measure how long a goroutine of this process waits for a processor, because too many others are ready to run, or because the
// machine gives the process none. Answers wait for it like everybody, and that makes no model server slow. Somebody must ask for
// each look; it sleeps for a moment, goes to the end of the queue of those who are ready, and is late by as much. Safe for concurrent use.
type delays struct {
	mu    sync.Mutex
	timer *time.Timer
	// looking is since when a look is under way; zero: none is. looked is when the last ended.
	looking, looked time.Time
	sum             time.Duration
	count           int
}

// look begins a look, unless there is or has just been one.
func (d *delays) look(now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.looking.IsZero() || now.Sub(d.looked) < lookEvery {
		return
	}
	if now.Sub(d.looked) > delayLasts {
		d.sum, d.count = 0, 0
	}
	d.looking = now
	if d.timer == nil {
		d.timer = time.AfterFunc(lookAfter, d.seen)
		return
	}
	d.timer.Reset(lookAfter)
}

// seen ends a look.
func (d *delays) seen() {
	runtime.Gosched()
	now := time.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sum += late(d.looking, now)
	d.count++
	d.looking, d.looked = time.Time{}, now
}

// late is the delay of a look that ends now.
func late(began, now time.Time) time.Duration { return max(0, now.Sub(began)-lookAfter-lookGrain) }

// mean is the delay of late: the mean of what was seen since the last mean, with a look that is still under way, if that says more. From
// then on only what is seen later counts, and this mean as one look.
func (d *delays) mean(now time.Time) time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := time.Duration(0)
	if d.count > 0 && now.Sub(d.looked) <= delayLasts {
		out = d.sum / time.Duration(d.count)
		d.sum, d.count = out, 1
	}
	if !d.looking.IsZero() {
		out = max(out, late(d.looking, now))
	}
	return out
}
