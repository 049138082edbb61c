package gateway

import (
	"context"
	"sync"
	"time"
)

// bounded is a context with an earlier deadline, that takes a timer only when somebody waits for it: most calls ask the primary,
// whose attempt has a timer of its own, and wait for nothing else. stop releases what it took.
type bounded struct {
	context.Context
	until time.Time

	once   sync.Once
	waited context.Context
	cancel context.CancelFunc
}

// timed is the context with its timer, for those who derive others from it.
func (b *bounded) timed() context.Context {
	b.once.Do(func() { b.waited, b.cancel = context.WithDeadline(b.Context, b.until) })
	return b.waited
}

// stop ends the context, and gives back its timer if it has one. Nobody else uses it any more but those who hold what timed gave.
func (b *bounded) stop() {
	b.once.Do(func() {})
	if b.cancel != nil {
		b.cancel()
	}
}

// Deadline is the earlier one, the parent's or ours.
func (b *bounded) Deadline() (time.Time, bool) {
	if d, ok := b.Context.Deadline(); ok && d.Before(b.until) {
		return d, true
	}
	return b.until, true
}

// Done makes the timer.
func (b *bounded) Done() <-chan struct{} { return b.timed().Done() }

// Err looks at the clock instead.
func (b *bounded) Err() error {
	if err := b.Context.Err(); err != nil {
		return err
	}
	if !time.Now().Before(b.until) {
		return context.DeadlineExceeded
	}
	return nil
}
