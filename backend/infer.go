package backend

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/wire"
)

// Answer is what a model server answered. Nothing in it is changed any more.
type Answer struct {
	Response *wire.Response
	Duration time.Duration
	Attempts int
	// Replica is the address of the replica that answered; empty where the backend has one address. It is for operators.
	Replica string
	// Verdict is what the check said; its Unusable is empty.
	Verdict Verdict
}

// Verdict is what a check says about an answer. The zero Verdict finds nothing wrong. Anything else counts against the
// backend, even when the good rows are used.
type Verdict struct {
	// Unusable says why the whole answer can't be used: Infer then fails with REASON_CONTRACT_FAILURE.
	Unusable string
	// BadRows is how many rows, or fields of rows, can't be used, Detail what is wrong with the first.
	BadRows int
	Detail  string
}

// Causes of an attempt's context that a timer ended: ours, or the end of what the caller leaves.
var (
	errTimeUp    = errors.New("the attempt's time is up")
	errCallerOut = errors.New("the caller's time is up")
)

// Infer sends request, an encoded inference.ModelInferRequest, which it takes over, and answers what came back after check has
// seen it; the answer is the caller's to free. check may
// be nil; it runs in this goroutine. The error is always a *Failure. Outgoing metadata in ctx goes along as it is.
//
// An attempt lasts at most the backend's timeout, and never beyond until (when that isn't zero) and ctx, which are the caller's
// time: giving until spares a timer. One that our own timer ended counts against the model
// server as a time-out; one that ended with the caller's deadline does so only if the model server usually answers in less
// time than the caller left (see tempo).
func (b *Backend) Infer(ctx context.Context, until time.Time, request *wire.Frame, check func(*wire.Response) Verdict) (*Answer, error) {
	start, size := time.Now(), request.Len()
	if f := b.admit(ctx, start, until, size); f != nil {
		return nil, b.finish(f, start)
	}
	if !b.slots.take() {
		return nil, b.finish(inferred(Overload, candorv1.Reason_REASON_OVERLOAD, codes.ResourceExhausted,
			"%d calls are in flight, as many as max_in_flight allows", b.set.maxInFlight), start)
	}
	defer b.slots.release()
	permit := b.breaker.allow(b.set.timeout)
	if permit == nil {
		return nil, b.finish(inferred(Failed, candorv1.Reason_REASON_BREAKER_OPEN, codes.Unavailable,
			"the breaker is open after failures; no call was made"), start)
	}
	// A panic in check says nothing about the model server, and must not keep the permit. After a report it does nothing.
	defer permit.report(ignored)

	conn := b.conns.take()
	defer conn.release()
	response, verdict, failure := b.attempt(ctx, conn, until, permit, request, check)
	told := conn.heard(outcomeOf(failure, verdict), start)
	took := time.Since(start)
	attempt := Attempt{
		Backend: b.name, Model: b.set.model, Version: b.set.version, Number: 1, Start: start, Duration: took,
		RequestBytes: size, Verdict: verdict, Replica: conn.place(),
	}
	if response != nil {
		attempt.ResponseBytes = response.Frame().Len()
	}
	if failure != nil {
		failure.Attempts, failure.Replica = 1, conn.place()
		b.finish(failure, start)
		attempt.Failure = failure
	} else {
		b.counters.count(nil, verdict)
	}
	permit.report(told)
	if b.observer != nil {
		b.observer.Attempt(ctx, attempt)
	}
	if failure != nil {
		return nil, failure
	}
	return &Answer{Response: response, Duration: took, Attempts: 1, Verdict: verdict, Replica: conn.place()}, nil
}

// admit refuses what shall not be tried.
func (b *Backend) admit(ctx context.Context, now, until time.Time, size int) *Failure {
	if err := ctx.Err(); errors.Is(err, context.Canceled) {
		return inferred(Excluded, candorv1.Reason_REASON_DEADLINE, codes.Canceled, "the caller cancelled the call")
	}
	if deadline := callersEnd(ctx, until); !deadline.IsZero() {
		if left := deadline.Sub(now); left < b.set.minTimeout {
			return inferred(Excluded, candorv1.Reason_REASON_DEADLINE, codes.DeadlineExceeded,
				"%v are left, an attempt needs %v (min_timeout)", max(left, 0).Round(time.Microsecond), b.set.minTimeout)
		}
	}
	if size > b.maxBytes {
		return inferred(Excluded, candorv1.Reason_REASON_BACKEND_FAILURE, codes.ResourceExhausted,
			"the request has %d bytes, more than max_message_bytes, %d", size, b.maxBytes)
	}
	return nil
}

// callersEnd is when the caller's time is up; zero: never.
func callersEnd(ctx context.Context, until time.Time) time.Time {
	if deadline, ok := ctx.Deadline(); ok && (until.IsZero() || deadline.Before(until)) {
		return deadline
	}
	return until
}

// attempt makes one call on conn.
func (b *Backend) attempt(ctx context.Context, conn *sharedConn, until time.Time, p *permit, request *wire.Frame, check func(*wire.Response) Verdict) (*wire.Response, Verdict, *Failure) {
	start := time.Now()
	given, ours, cause := b.set.timeout, true, errTimeUp
	if deadline := callersEnd(ctx, until); !deadline.IsZero() {
		if left := deadline.Sub(start); left < given {
			given, ours, cause = left, false, errCallerOut
		}
	}
	timed, cancel := context.WithDeadlineCause(ctx, start.Add(given), cause)
	defer cancel()

	reply := new(wire.Frame)
	var trailer metadata.MD
	err := conn.Invoke(tell(timed, given), b.Speech().infer, request, reply, grpc.Trailer(&trailer))
	p.answered.Store(true)
	if err != nil {
		e := ended{status: status.Convert(err), ours: ours, elapsed: time.Since(start), given: given, enough: b.tempo.enough(given)}
		e.said, e.trailer = saidIt(trailer, e.status.Message()), trailer
		ender := context.Cause(timed)
		if ender == nil && !e.said && e.status.Code() == codes.Canceled && float64(e.elapsed) >= nearlyAll*float64(given) {
			// The model server's own timer reset the stream a moment before ours fired.
			ender = cause
		}
		switch {
		case errors.Is(ender, errTimeUp):
			e.timeUp = true
		case errors.Is(ender, errCallerOut), errors.Is(ender, context.DeadlineExceeded):
			e.callerGone, e.callerLate = true, true
		case ender != nil:
			e.callerGone = true
		}
		return nil, Verdict{}, b.judge(e)
	}
	b.tempo.answered(time.Since(start))
	return b.read(reply, check)
}

// judge classifies an attempt's error.
func (b *Backend) judge(e ended) *Failure {
	if b.life.Err() != nil && !e.said {
		return inferred(Excluded, candorv1.Reason_REASON_BACKEND_FAILURE, codes.Canceled, "the gateway closed the connection")
	}
	speech := b.Speech()
	f := classify(speech.Dialect, b.maxBytes, e)
	if f.Code == codes.Unimplemented {
		b.tongue.detected.renew(b.detect)
		b.alarm.Do(func() {
			text := "the model server does not implement ModelInfer of " + speech.Wire.Service + "; check address and dialect"
			b.counters.setAlarm(text)
			b.log.Error(text, "said", sanitize(f.Message, b.set.host))
		})
	}
	return f
}

// read views an answer and holds it against what every answer must keep, then against check.
func (b *Backend) read(data *wire.Frame, check func(*wire.Response) Verdict) (*wire.Response, Verdict, *Failure) {
	response, err := wire.ScanResponse(data)
	if err != nil {
		return nil, Verdict{}, broken("the answer is not a ModelInferResponse: %v", err)
	}
	return b.hold(response, check)
}

// hold is what read does with an answer that has been scanned.
func (b *Backend) hold(response *wire.Response, check func(*wire.Response) Verdict) (*wire.Response, Verdict, *Failure) {
	if err := response.Validate(); err != nil {
		return response, Verdict{}, broken("%v", err)
	}
	// Some servers have no versions and say nothing; what they say must be the version that the card describes.
	if v := response.ModelVersion; v != "" && v != b.set.version {
		return response, Verdict{}, broken("version %q answered, version %q is pinned", v, b.set.version)
	}
	var verdict Verdict
	if check != nil {
		verdict = check(response)
	}
	if verdict.Unusable != "" {
		return response, verdict, broken("%s", verdict.Unusable)
	}
	return response, verdict, nil
}

// broken is an answer that breaks the model's card. That it is bad we say ourselves.
func broken(format string, args ...any) *Failure {
	return inferred(Failed, candorv1.Reason_REASON_CONTRACT_FAILURE, codes.Internal, format, args...)
}

// finish completes a Failure and counts it.
func (b *Backend) finish(f *Failure, start time.Time) *Failure {
	f.Backend, f.Duration = b.name, time.Since(start)
	f.Message = sanitize(f.Message, b.set.host)
	b.counters.count(f, Verdict{})
	return f
}

// outcomeOf is what a call tells the breaker.
func outcomeOf(f *Failure, v Verdict) outcome {
	switch {
	case f == nil && v.BadRows > 0:
		return failed
	case f == nil:
		return succeeded
	case f.Class == Failed && f.outlier:
		return ignored
	case f.Class == Failed:
		return failed
	case f.Class == Alive:
		return alive
	}
	return ignored
}

// String describes a Verdict for logs.
func (v Verdict) String() string {
	switch {
	case v.Unusable != "":
		return "unusable: " + v.Unusable
	case v.BadRows > 0:
		return fmt.Sprintf("%d bad rows: %s", v.BadRows, v.Detail)
	}
	return "good"
}
