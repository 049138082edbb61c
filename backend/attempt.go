package backend

import (
	"context"
	"errors"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/wire"
)

// Causes of an attempt's context that a timer ended: ours, or the end of what the caller leaves.
var (
	errTimeUp    = errors.New("the attempt's time is up")
	errCallerOut = errors.New("the caller's time is up")
)

// attempt makes one call on conn, which begins now, at start.
func (b *Backend) attempt(ctx context.Context, start time.Time, conn *sharedConn, until time.Time, p *permit, x *exchange, request *wire.Frame, check func(*wire.Response) Verdict) (*wire.Response, Verdict, *Failure) {
	given, ours, cause := b.set.timeout, true, errTimeUp
	if deadline := callersEnd(ctx, until); !deadline.IsZero() {
		if left := deadline.Sub(start); left < given {
			given, ours, cause = left, false, errCallerOut
		}
	}
	x.timed.begin(ctx, start, given, cause)
	defer x.timed.stop()

	err := conn.Invoke(&x.timed, b.Speech().infer, request, x, &x.head, &x.tail)
	p.answered.Store(true)
	now := time.Now()
	x.took = now.Sub(start)
	if err != nil {
		e := ended{status: status.Convert(err), ours: ours, elapsed: x.took, given: given, enough: b.tempo.enough(given)}
		e.said, e.trailer = saidIt(x.trailer, e.status.Message()), x.trailer
		ender := x.timed.ender()
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
		f := b.judge(e)
		f.began, f.pushback = x.began(), pushbackOf(x.trailer)
		if f.Class == Overload {
			f.RetryAfter = f.pushback.wait
		}
		x.answer.Free()
		return nil, Verdict{}, f
	}
	b.tempo.answered(now, x.took)
	if b.latencies != nil {
		b.latencies.add(now, x.took)
	}
	conn.timed(start, x.took)
	return b.read(&x.answer, check)
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

// outcome is outcomeOf, now, and fails an answer of a model that is suddenly unsure.
func (b *Backend) outcome(now time.Time, f *Failure, v Verdict) outcome {
	if out := outcomeOf(f, v); out != succeeded || !b.collapse.note(now, v) {
		return out
	}
	b.counters.unsure.Add(1)
	return failed
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
