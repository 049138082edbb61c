package backend

import (
	"context"
	"math"
	"slices"
	"sync"
	"time"
)

// timed is the context of an attempt: it ends with the call's, or by its timer when the attempt's time is up. It is
// context.WithDeadlineCause in one piece with the attempt, but for two things.
//
// It keeps no map of children: gRPC derives one context of it, and package context asks who has AfterFunc to be told of the end.
//
// Its Deadline is what gRPC tells the model server about how long the caller waits (grpc-timeout): the time left, rounded up to two
// digits. A header that is new in every call has to be spelled out and remembered by both sides (HPACK), for digits that no model server
// needs: ours is the timer that ends the attempt, and the server hears of it by the stream's reset.
type timed struct {
	context.Context
	told  time.Duration
	cause error // of an end by the timer
	timer *time.Timer
	quit  func() bool // ends waiting for the call's end
	done  chan struct{}

	mu sync.Mutex
	// err and ended are why it has ended; nil: it hasn't.
	err, ended error
	heirs      []*heir
	room       [1]*heir
	one        heir
}

// heir is who is told of the end.
type heir struct {
	of  *timed
	end func()
}

// begin makes it the context of an attempt below ctx that began at start, may take up to given, and ends with cause then. Who begins it
// calls stop.
func (t *timed) begin(ctx context.Context, start time.Time, given time.Duration, cause error) {
	t.Context, t.told, t.cause, t.done = ctx, twoDigits(given), cause, make(chan struct{})
	t.timer = time.AfterFunc(given-time.Since(start), t.timeUp) // on a busy machine start can be a while ago
	t.quit = context.AfterFunc(ctx, t.above)
	if ctx.Err() != nil {
		t.above()
	}
}

// stop ends it, and gives back what it took.
func (t *timed) stop() {
	t.timer.Stop()
	t.quit()
	t.finish(context.Canceled, context.Canceled)
}

func (t *timed) timeUp() { t.finish(context.DeadlineExceeded, t.cause) }

// above ends it because the context above has ended.
func (t *timed) above() { t.finish(t.Context.Err(), context.Cause(t.Context)) }

// finish ends it, unless it has ended.
func (t *timed) finish(err, cause error) {
	for _, h := range t.bequeath(err, cause) {
		h.end() // without mu: they ask why
	}
}

// bequeath ends it and answers who is to be told.
func (t *timed) bequeath(err, cause error) []*heir {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err != nil {
		return nil
	}
	t.err, t.ended = err, cause
	close(t.done)
	heirs := t.heirs
	t.heirs = nil
	return heirs
}

// ender is why it has ended, as context.Cause would have it; nil: it hasn't.
func (t *timed) ender() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err == nil {
		return context.Cause(t.Context) // of which this one is only about to hear
	}
	return t.ended
}

// AfterFunc calls f when the context has ended; stop is context.AfterFunc's.
func (t *timed) AfterFunc(f func()) (stop func() bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err != nil {
		go f()
		return func() bool { return false }
	}
	h := &t.one
	if h.of != nil {
		h = new(heir)
	} else {
		t.heirs = t.room[:0]
	}
	h.of, h.end = t, f
	t.heirs = append(t.heirs, h)
	return h.renounce
}

// renounce says whether it wasn't told, nor will be.
func (h *heir) renounce() bool {
	h.of.mu.Lock()
	defer h.of.mu.Unlock()
	i := slices.Index(h.of.heirs, h)
	if i < 0 {
		return false
	}
	h.of.heirs = slices.Delete(h.of.heirs, i, i+1)
	return true
}

func (t *timed) Done() <-chan struct{} { return t.done }

func (t *timed) Err() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.err
}

// Deadline moves with the clock, so that what is left of it is always the same.
func (t *timed) Deadline() (time.Time, bool) { return time.Now().Add(t.told), true }

// twoDigits rounds up to two significant decimal digits.
func twoDigits(d time.Duration) time.Duration {
	if d < 100 {
		return max(d, 1)
	}
	unit := time.Duration(math.Pow10(int(math.Log10(float64(d))) - 1))
	return (d + unit - 1) / unit * unit
}
