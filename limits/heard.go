package limits

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

var errUnheard = errors.New("the stored stops can't be read")

// hearing is what a Gate knows of latches that others may have stored meanwhile.
type hearing struct {
	mu sync.Mutex
	// at is the process's clock before the last reading that worked, so that what was stored until then holds here.
	at time.Time
	// err of the last reading; nil: it worked.
	err error
	// next is closed when the next reading has ended, either way.
	next chan struct{}
}

func newHearing(at time.Time) *hearing { return &hearing{at: at, next: make(chan struct{})} }

// heard notes how a reading ended that began at began.
func (h *hearing) heard(began time.Time, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.err = err
	if err == nil && began.After(h.at) {
		h.at = began
	}
	close(h.next)
	h.next = make(chan struct{})
}

func (h *hearing) now() (at time.Time, next <-chan struct{}, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.at, h.next, h.err
}

// Heard makes sure that a stop which was stored longer than within ago holds here, whichever Gate stored it: ok. Then nothing else is
// said about the answer. Otherwise it is withheld, with the verdict: Unavailable, by the name of the stop that can't be ruled out.
//
// It looks at when Follow last read the store. Where that is too long ago it waits for the reading that is under way or due, no longer than
// ctx; once a reading has failed it waits for none. Where nobody else uses the store, it is always ok.
func (g *Gate) Heard(ctx context.Context, a Answer, within time.Duration) (v Verdict, ok bool) {
	if !g.shared {
		return Verdict{}, true
	}
	for {
		at, next, err := g.hearing.now()
		silent := since(at, g.process())
		if silent <= within {
			return Verdict{}, true
		}
		if err == nil {
			select {
			case <-next:
				continue
			case <-ctx.Done():
				err = fmt.Errorf("%w: %w", errUnheard, context.Cause(ctx))
			}
		}
		name := StopOfModel(a.Model)
		if a.Action != "" {
			name = StopOfAction(a.Action)
		}
		v = Verdict{Limit: name, OnTrip: g.cautious(name), Unavailable: true, Err: fmt.Errorf("limits: %s: nothing is known of the last %v: %w", name, silent, err)}
		if g.opts.OnStoreError != nil {
			g.opts.OnStoreError(name, v.Err)
		}
		return v, false
	}
}

// since is how long ago began was at most: the monotonic clock goes on while the process is stopped, the wall clock while the machine is.
func since(began, now time.Time) time.Duration {
	return max(now.Sub(began), now.Round(0).Sub(began.Round(0)))
}
