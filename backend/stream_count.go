package backend

import (
	"context"
	"time"
)

// How a Turn's answers and failures are counted, and who is told.

// next answers when the wait for this answer began, how long it took, and its number from 1; answered: it is no failure of the stream.
func (t *Turn) next(answered bool) (time.Time, time.Duration, int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now, began := time.Now(), t.last
	t.last = now
	if answered {
		t.answers++
		return began, now.Sub(began), t.answers
	}
	return began, now.Sub(began), t.answers + 1
}

// sent is when the request was sent, or last answered.
func (t *Turn) sent() time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.last
}

// complete makes f one of this backend's, and counts it.
func (t *Turn) complete(f *Failure, took time.Duration) {
	f.Attempts = 1
	if place := t.place(); place != "" {
		f.Replica = place
	}
	t.b.finish(f, time.Now().Add(-took))
}

// place is the replica that has it; empty where there is one address, or it has not been sent.
func (t *Turn) place() string {
	if s := t.carrier(); s != nil {
		return s.conn.place()
	}
	return ""
}

func (t *Turn) carrier() *Stream {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.stream
}

// told tells the replica, and answers what the breaker is to be told. Of a stream that could not be opened the replica knows.
func (t *Turn) told(o outcome, began time.Time) outcome {
	if s := t.carrier(); s != nil {
		return s.conn.heard(o, began)
	}
	return o
}

// timed tells the replica how long the first answer took.
func (t *Turn) timed(began time.Time, took time.Duration) {
	if s := t.carrier(); s != nil {
		s.conn.timed(began, took)
	}
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
		RequestBytes: t.bytes, ResponseBytes: size, Failure: f, Verdict: v, Replica: t.place(),
	})
}
