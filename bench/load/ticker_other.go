//go:build !linux

package load

import (
	"os"
	"time"
)

// ticker is as exact as the timers of Go's runtime; the benchmark itself runs on Linux.
type ticker struct {
	t    *time.Ticker
	done chan struct{}
}

func newTicker(every time.Duration) (*ticker, error) {
	return &ticker{t: time.NewTicker(every), done: make(chan struct{})}, nil
}

func (t *ticker) wait() error {
	select {
	case <-t.t.C:
		return nil
	case <-t.done:
		return os.ErrClosed
	}
}

func (t *ticker) close() {
	t.t.Stop()
	select {
	case <-t.done:
	default:
		close(t.done)
	}
}
