package limits

import (
	"context"
	"fmt"
	"time"
)

var errStoreSlow error = storeSlow{}

// storeSlow is an error that passes, as those of a network do that say Timeout.
type storeSlow struct{}

func (storeSlow) Error() string { return "the store has not answered in time" }

// Timeout is true.
func (storeSlow) Timeout() bool { return true }

// flight is one call to the store that several answers may wait for. It isn't bound to the request that started it: a client
// that hangs up must neither undo a trip nor leave the effect of a lease in doubt for everybody else.
type flight struct {
	done chan struct{}   // closed when err is set
	late <-chan struct{} // closed when the store has had its time
	err  error
}

// fly starts call, which has timeout to end. A store that keeps no time limit and never answers costs its goroutine, and
// the limit stays unavailable; nobody waits longer than timeout for it.
func fly(ctx context.Context, timeout time.Duration, call func(context.Context) error) *flight {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
	f := &flight{done: make(chan struct{}), late: ctx.Done()}
	go func() {
		f.err = call(ctx)
		close(f.done)
		cancel()
	}()
	return f
}

// wait answers the flight's error, or why it wasn't waited for any longer.
func (f *flight) wait(ctx context.Context) error {
	select {
	case <-f.done:
		return f.err
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-f.late:
	}
	select {
	case <-f.done: // the two ended together
		return f.err
	default:
		return errStoreSlow
	}
}

// guarded turns a panic in a store into an error: a flight has no handler above it that would recover, and fail closed is
// what an unknown effect asks for.
func guarded(call func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the store panicked: %v", p)
		}
	}()
	return call()
}
