package backend

import (
	"context"
	"sync"
	"time"

	"google.golang.org/grpc/codes"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/wire"
)

// Turn is one request on a Stream, from before it is sent until nothing more comes for it. To the breaker, to the places in flight and
// to the retry budget it is a call: it holds a place until it is owed nothing, and its first answer, or what came instead, reports its
// permit. Further answers of a decoupled model count like calls of their own.
//
// It is safe for concurrent use, but for On, Again and OpenStream, which are for the one who sends it.
type Turn struct {
	b     *Backend
	terms Terms
	bytes int
	// tried are the replicas that it was sent to, of a backend with several; attempts how often it was sent.
	tried    []*replica
	attempts int

	mu     sync.Mutex
	permit *permit
	// stream carries it; nil: none yet.
	stream *Stream
	// last is when it was sent, or when its last answer came.
	last    time.Time
	answers int
	// placed: it holds a place in flight, seat. waits: its stream counts it.
	placed, waits bool
	seat          seat
	// queued: others were waiting for their answers when it was sent, so its time is theirs, too.
	queued bool
}

// Begin lets a request of size bytes onto a stream, or refuses it as Infer would, with a Failure that has been counted. It waits for a
// place in flight as Infer does; with queued, which says that others on the same stream wait for their answers, for up to an attempt's
// time, because it keeps its sender from sending more. The Turn needs its End.
func (b *Backend) Begin(ctx context.Context, t Terms, size int, queued bool) (*Turn, *Failure) {
	start := time.Now()
	if f := b.admit(ctx, start, t.Until, size); f != nil {
		return nil, b.finish(f, start)
	}
	var patience time.Duration
	if queued {
		patience = b.set.timeout
	}
	seat, _, f := b.place(ctx, &t, start, patience)
	if f != nil {
		return nil, b.finish(f, start)
	}
	permit := b.breaker.allow(b.set.timeout)
	if permit == nil {
		b.limiter.release(seat, time.Now(), loadUnknown, 0)
		return nil, b.finish(b.shut(), start)
	}
	b.budget.call(start)
	return &Turn{b: b, terms: t, bytes: size, permit: permit, last: time.Now(), queued: queued, placed: true, seat: seat, attempts: 1}, nil
}

// shut is the Failure of a call that an open breaker refuses.
func (b *Backend) shut() *Failure {
	f := inferred(Failed, candorv1.Reason_REASON_BREAKER_OPEN, codes.Unavailable, "the breaker is open after failures; no call was made")
	f.RetryAfter = b.breaker.left()
	return f
}

// On says which stream the request is sent on.
func (t *Turn) On(s *Stream) {
	s.enter()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stream, t.waits, t.last = s, true, time.Now()
}

// Answer judges a response to this request as Infer judges its answer: what every answer must keep, then check, which may be nil
// where there is nothing to check (an empty response that only says that no more come). paid says that nothing more is owed: then the
// request gives its place back.
func (t *Turn) Answer(ctx context.Context, response *wire.Response, paid bool, check func(*wire.Response) Verdict) (*Answer, *Failure) {
	response, verdict, failure := t.b.hold(response, check)
	began, took, number := t.next(true)
	if check == nil && failure == nil && number > 1 {
		if paid {
			t.vacate(loadUnknown, 0)
		}
		return &Answer{Response: response, Duration: took, Attempts: t.attempts, Replica: t.place()}, nil
	}
	alone := number == 1 && !t.queued
	if alone {
		t.b.tempo.answered(time.Now(), took)
		t.timed(began, took)
	}
	if paid {
		// How long a whole answer takes is known of those alone that came in one piece, and waited for no other.
		says := loadUnknown
		if alone {
			says = loadOf(failure)
		}
		t.vacate(says, took)
	}
	if failure != nil {
		t.complete(failure, took)
	} else {
		t.b.counters.count(nil, verdict)
	}
	t.report(t.told(t.b.outcome(time.Now(), failure, verdict), began))
	t.observe(ctx, number, took, response.Frame().Len(), failure, verdict)
	if failure != nil {
		failure.Attempts = t.attempts
		return nil, failure
	}
	return &Answer{Response: response, Duration: took, Attempts: t.attempts, Verdict: verdict, Replica: t.place()}, nil
}

// Said is the Failure of an error that the model server sent for this request.
func (t *Turn) Said(ctx context.Context, message string, paid bool) *Failure {
	f := said(message)
	t.terms.excuse(f)
	began, took, number := t.next(true)
	if paid {
		t.vacate(loadOf(f), took)
	}
	return t.failed(ctx, f, began, took, number)
}

// Fail is the Failure of this request when its stream has ended with f, which is not changed. A stream that is cut fails all of
// its requests, and is one failure of the model server: counted says for which of them.
func (t *Turn) Fail(ctx context.Context, f *Failure, counted bool) *Failure {
	began, took, number := t.next(false)
	own := *f
	if !counted {
		own.Backend, own.Duration, own.Attempts = t.b.name, took, t.attempts
		own.Message = sanitize(own.Message, t.b.set.host)
		t.report(ignored)
		return &own
	}
	return t.failed(ctx, &own, began, took, number)
}

// failed counts a Failure of this request, and tells everybody.
func (t *Turn) failed(ctx context.Context, f *Failure, began time.Time, took time.Duration, number int) *Failure {
	t.complete(f, took)
	t.report(t.told(outcomeOf(f, Verdict{}), began))
	t.observe(ctx, number, took, 0, f, Verdict{})
	f.Attempts = t.attempts
	return f
}

// End gives back what the request holds. One that was never answered then counts neither way. After the first it does nothing.
func (t *Turn) End() {
	t.vacate(loadUnknown, 0)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.permit != nil {
		t.permit.report(ignored)
		t.permit = nil
	}
}

// Rest says that nothing is owed any more, though more may come: the request gives its place back.
func (t *Turn) Rest() { t.vacate(loadUnknown, 0) }

// vacate gives the place back, and says what the model server's load was.
func (t *Turn) vacate(says load, took time.Duration) {
	t.off()
	t.mu.Lock()
	placed := t.placed
	t.placed = false
	t.mu.Unlock()
	if placed {
		t.b.limiter.release(t.seat, time.Now(), says, took)
	}
}

// off says that the request doesn't wait on its stream any more.
func (t *Turn) off() {
	t.mu.Lock()
	s, waits := t.stream, t.waits
	t.waits = false
	t.mu.Unlock()
	if waits {
		s.leave()
	}
}
