package backend

import (
	"context"
	"math/rand/v2"
	"time"
)

// When a request goes on another stream. The rule is that of retry.go: what a model server did not begin to answer is repeated, where it
// could not be reached, broke the connection or said UNAVAILABLE, within the same budget and the same number of attempts. Of a stream
// with several requests, all that may be repeated wait together, and are paid for one by one.

// Repeatable says of the Failure of a stream that nothing had come on it, neither a message nor the headers before one, and that its
// requests may fare better on another.
func (f *Failure) Repeatable() bool { return f.repeatable() }

// Again says whether the request may be sent once more after own, which Fail answered, and pays for it; it then has a new permit, and
// goes on a new stream. others says that what came on the stream was surely for other requests. patience is all the time that the request has: a
// model server that wants to be asked later than that is not asked, also where ctx never ends.
func (t *Turn) Again(ctx context.Context, own *Failure, others bool, patience time.Duration) bool {
	b, now := t.b, time.Now()
	f := *own
	f.began = f.began && !others || t.wasAnswered()
	if t.terms.Once || t.attempts >= b.set.retry.attempts || !f.repeatable() || ctx.Err() != nil || b.life.Err() != nil {
		return false
	}
	if end := callersEnd(ctx, t.terms.Until); !end.IsZero() && end.Sub(now) < b.set.minTimeout+f.pushback.wait {
		return false
	}
	if f.pushback.wait > patience-b.set.minTimeout {
		return false
	}
	if !b.budget.spend(now) {
		b.counters.unaffordable.Add(1)
		return false
	}
	permit := b.breaker.allow(b.set.timeout)
	if permit == nil {
		b.budget.refund(now)
		return false
	}
	b.counters.retries.Add(1)
	t.off()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.permit, t.stream = permit, nil
	t.attempts++
	return true
}

// Pause waits before the requests of a stream that ended with f are sent again; false: they need not be, because ctx has ended.
func (b *Backend) Pause(ctx context.Context, f *Failure) bool {
	wait := f.pushback.wait
	if !f.pushback.given {
		wait = rand.N(backoffBase)
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
	case <-b.life.Done():
	}
	return false
}

func (t *Turn) wasAnswered() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.answers > 0
}
