package backend

import (
	"context"
	"sync"
	"time"

	"google.golang.org/grpc/codes"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/wire"
)

// Turn is one request on a Stream, from before it is sent until nothing more comes for it. To the breaker and to max_in_flight it is
// a call: it holds a slot until End, and its first answer, or what came instead, reports its permit. Further answers of a
// decoupled model count like calls of their own.
//
// It is safe for concurrent use.
type Turn struct {
	b     *Backend
	bytes int

	mu     sync.Mutex
	permit *permit
	// last is when it was sent, or when its last answer came.
	last    time.Time
	answers int
	ended   bool
	// queued: others were waiting for their answers when it was sent, so its time is theirs, too.
	queued bool
}

// Begin lets a request of size bytes onto a stream, or refuses it as Infer would, with a Failure that has been counted.
// queued says that others on the same stream wait for their answers. The Turn needs its End.
func (b *Backend) Begin(ctx context.Context, size int, queued bool) (*Turn, *Failure) {
	start := time.Now()
	if f := b.admit(ctx, start, time.Time{}, size); f != nil {
		return nil, b.finish(f, start)
	}
	// The adaptive limit measures calls of their own; on a stream one waits for the others.
	if !b.limiter.try(candorv1.Priority_PRIORITY_UNSPECIFIED, true) {
		return nil, b.finish(inferred(Overload, candorv1.Reason_REASON_OVERLOAD, codes.ResourceExhausted,
			"%d calls are in flight, as many as max_in_flight allows", b.set.maxInFlight), start)
	}
	permit := b.breaker.allow(b.set.timeout)
	if permit == nil {
		b.limiter.release(time.Now(), loadUnknown, 0)
		return nil, b.finish(inferred(Failed, candorv1.Reason_REASON_BREAKER_OPEN, codes.Unavailable,
			"the breaker is open after failures; no call was made"), start)
	}
	return &Turn{b: b, bytes: size, permit: permit, last: start, queued: queued}, nil
}

// Answer judges a response to this request as Infer judges its answer: what every answer must keep, then check, which may be nil
// where there is nothing to check (an empty response that only says that no more come).
func (t *Turn) Answer(ctx context.Context, response *wire.Response, check func(*wire.Response) Verdict) (*Answer, *Failure) {
	response, verdict, failure := t.b.hold(response, check)
	took, number := t.next()
	if check == nil && failure == nil && number > 1 {
		return &Answer{Response: response, Duration: took, Attempts: 1}, nil
	}
	if number == 1 && !t.queued {
		t.b.tempo.answered(time.Now(), took)
	}
	if failure != nil {
		t.complete(failure, took)
	} else {
		t.b.counters.count(nil, verdict)
	}
	t.report(t.b.outcome(failure, verdict))
	t.observe(ctx, number, took, response.Frame().Len(), failure, verdict)
	if failure != nil {
		return nil, failure
	}
	return &Answer{Response: response, Duration: took, Attempts: 1, Verdict: verdict}, nil
}

// Said is the Failure of an error that the model server sent for this request.
func (t *Turn) Said(ctx context.Context, message string) *Failure {
	return t.Fail(ctx, said(message), true)
}

// Fail is the Failure of this request when its stream has ended with f, which is not changed. A stream that is cut fails all of
// its requests, and is one failure of the model server: counted says for which of them.
func (t *Turn) Fail(ctx context.Context, f *Failure, counted bool) *Failure {
	took, number := t.next()
	own := *f
	if !counted {
		own.Backend, own.Duration, own.Attempts = t.b.name, took, 1
		own.Message = sanitize(own.Message, t.b.set.host)
		t.report(ignored)
		return &own
	}
	t.complete(&own, took)
	t.report(outcomeOf(&own, Verdict{}))
	t.observe(ctx, number, took, 0, &own, Verdict{})
	return &own
}

// End gives the slot back. A request that was never answered then counts neither way. After the first it does nothing.
func (t *Turn) End() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended {
		return
	}
	t.ended = true
	t.b.limiter.release(time.Now(), loadUnknown, 0)
	if t.permit != nil {
		t.permit.report(ignored)
	}
}

// next answers how long this answer took, and its number from 1.
func (t *Turn) next() (time.Duration, int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	took := now.Sub(t.last)
	t.last = now
	t.answers++
	return took, t.answers
}

// complete makes f one of this backend's, and counts it.
func (t *Turn) complete(f *Failure, took time.Duration) {
	f.Attempts = 1
	t.b.finish(f, time.Now().Add(-took))
}

// report tells the breaker.
func (t *Turn) report(o outcome) {
	t.mu.Lock()
	p := t.permit
	t.permit = nil
	t.mu.Unlock()
	if p == nil && o != ignored {
		// The request's own permit has been reported: this is a further answer. An open breaker has no use for it.
		p = t.b.breaker.allow(t.b.set.timeout)
	}
	if p != nil {
		p.report(o)
	}
}

func (t *Turn) observe(ctx context.Context, number int, took time.Duration, size int, f *Failure, v Verdict) {
	if t.b.observer == nil {
		return
	}
	t.b.observer.Attempt(ctx, Attempt{
		Backend: t.b.name, Model: t.b.set.model, Version: t.b.set.version, Number: number, Start: time.Now().Add(-took), Duration: took,
		RequestBytes: t.bytes, ResponseBytes: size, Failure: f, Verdict: v,
	})
}
