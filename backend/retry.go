package backend

import (
	"context"
	"math/rand/v2"
	"strconv"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// A retry waits for a random time between nothing and backoffBase, twice that for the next, and so on up to backoffMost ("full jitter":
// Brooker, Exponential Backoff And Jitter, 2015), so that calls that failed together don't come back together.
const (
	backoffBase = 25 * time.Millisecond
	backoffMost = 250 * time.Millisecond
)

// pushback is what a model server said about another attempt, per gRFC A6. The zero value: nothing.
type pushback struct {
	given bool
	// wait before the next attempt; below 0: there shall be none.
	wait time.Duration
}

// pushbackOf reads grpc-retry-pushback-ms. What can't be read counts as "don't", as A6 has it.
func pushbackOf(trailer metadata.MD) pushback {
	values := trailer.Get(pushbackHeader)
	if len(values) == 0 {
		return pushback{}
	}
	ms, err := strconv.ParseInt(values[0], 10, 32)
	if err != nil || ms < 0 || len(values) > 1 {
		return pushback{given: true, wait: -1}
	}
	return pushback{given: true, wait: time.Duration(ms) * time.Millisecond}
}

// repeatable says whether another attempt may end better: the model server could not be reached or said UNAVAILABLE, or says when
// it wants to be asked again; and nothing of an answer had come. An error of the model itself would come again, and a time-out has
// used up the time.
func (f *Failure) repeatable() bool {
	switch {
	case f.began || f.pushback.wait < 0:
		return false
	case f.Class == Overload:
		return f.pushback.given
	}
	return f.Class == Failed && f.Code == codes.Unavailable && f.Reason == candorv1.Reason_REASON_BACKEND_FAILURE
}

// heed notes what came about another attempt with the failure of one that was made beside it: that there shall be none, or that it shall come
// later.
func (f *Failure) heed(beside pushback) {
	switch {
	case beside.wait < 0:
		f.pushback, f.RetryAfter = beside, beside.wait
	case beside.wait > f.pushback.wait && f.repeatable():
		f.pushback = beside
	}
}

// retry says whether an attempt, the number-th of its call, that ended with f is to be followed by another, and waits until then. at
// is when that was paid for.
func (b *Backend) retry(ctx context.Context, t Terms, number int, f *Failure) (at time.Time, ok bool) {
	if t.Once || number >= b.set.retry.attempts || !f.repeatable() {
		return at, false
	}
	wait := f.pushback.wait
	if !f.pushback.given {
		wait = rand.N(min(backoffBase<<(number-1), backoffMost))
	}
	at = time.Now()
	if end := callersEnd(ctx, t.Until); !end.IsZero() && end.Sub(at)-wait < b.set.minTimeout {
		return at, false
	}
	if !b.budget.spend(at) {
		b.counters.unaffordable.Add(1)
		return at, false
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return at, true
	case <-ctx.Done():
	case <-b.life.Done():
	}
	b.budget.refund(at)
	return at, false
}
