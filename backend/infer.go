package backend

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc/codes"

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
	// Tried are the attempts, where there was more than one; the others than the one that answered have a Failure. Waited is how long they
	// waited for places in flight, all together.
	Tried  []Attempt
	Waited time.Duration
}

// Verdict is what a check says about an answer. The zero Verdict finds nothing wrong. Anything else counts against the
// backend, even when the good rows are used.
type Verdict struct {
	// Unusable says why the whole answer can't be used: Infer then fails with REASON_CONTRACT_FAILURE.
	Unusable string
	// BadRows is how many rows, or fields of rows, can't be used, Detail what is wrong with the first.
	BadRows int
	Detail  string
	// Scored is how many rows, or fields of rows, have a confidence, and Unsure how many of them have one below Backend.UnsureBelow.
	Scored, Unsure int
}

// Terms are what holds for one prediction beside its content. The zero Terms work.
type Terms struct {
	// Until is when the caller's time is up; zero: when ctx ends. Giving it spares a timer.
	Until time.Time
	// Once: the model server keeps something of this request (it is part of a sequence), so it is never sent twice.
	Once bool
	// Priority of the caller, where there are too few places for all; unspecified: normal. Between calls of one priority places are shared
	// fairly between Consumers, and, of one whose calls have Addresses, between these. Both are names and no more; empty: one of its own.
	Priority          candorv1.Priority
	Consumer, Address string
	// Timed: the request itself says how long it may wait at the model server, as Triton's parameter timeout does. That this has passed says
	// nothing about load.
	Timed bool
	// Headers of attempts after the first; nil: they are sent what the first is.
	Headers Headers
}

// caller is for whom the call is, to a limiter.
func (t *Terms) caller() caller { return caller{class(t.Priority), t.Consumer, t.Address} }

// Headers gives an attempt after the first outgoing metadata of its own, in a context below ctx. number is the attempt's. It may be asked by
// several goroutines at once, but never after the attempt's Infer has returned.
type Headers interface {
	Again(ctx context.Context, number int) context.Context
}

// Infer sends request, an encoded inference.ModelInferRequest, which it takes over, and answers what came back after check has
// seen it; the answer is the caller's to free. check may
// be nil; it runs in this goroutine, once for each attempt that was answered. The error is always a *Failure: that of the last attempt
// that was made. Outgoing metadata in ctx goes along as it is.
//
// An attempt lasts at most the backend's timeout, and never beyond the caller's time. One that our own timer ended counts against the
// model server as a time-out; one that ended with the caller's deadline does so only if the model server usually answers in less
// time than the caller left (see tempo). What is retried, and when, is in retry.go.
func (b *Backend) Infer(ctx context.Context, t Terms, request *wire.Frame, check func(*wire.Response) Verdict) (*Answer, error) {
	start := time.Now()
	if f := b.admit(ctx, start, t.Until, request.Len()); f != nil {
		return nil, b.finish(f, start)
	}
	began := start
	var last *Failure
	var paid time.Time
	var tried []*replica
	var made []Attempt
	var waited time.Duration
	for number := 1; ; number++ {
		var again *wire.Frame
		x := newExchange()
		x.tried = tried
		if !t.Once && number < b.set.retry.attempts {
			again = &x.again
			request.Share(again)
		}
		answer, f := b.once(ctx, &t, began, number, x, request, check)
		made, waited = append(made, x.made...), waited+x.waited
		switch {
		case f == nil:
			if answer.Attempts += number - 1; answer.Attempts > 1 {
				answer.Duration = time.Since(start)
			}
		case f.Attempts == 0 && last != nil:
			// Refused by us: what the model server said before tells more, but not when to come back.
			b.budget.refund(paid)
			last.RetryAfter = max(last.RetryAfter, f.RetryAfter)
			f = last
			f.Duration = time.Since(start)
		default:
			f.Duration, f.Attempts = time.Since(start), number-1+f.Attempts
			var ok bool
			if paid, ok = b.retry(ctx, t, f.Attempts, f); ok {
				number = f.Attempts // a hedge counts
				request, last, tried, began = again, f, x.tried, time.Now()
				continue
			}
		}
		if again != nil {
			again.Free()
		}
		if len(made) < 2 {
			made = nil
		}
		if f != nil {
			f.Tried, f.Waited = made, waited
			return nil, f
		}
		answer.Tried, answer.Waited = made, waited
		return answer, nil
	}
}

// once makes one attempt inside of the breaker, now, at start, and a hedge beside it, or refuses it: its Failure then has no Attempts.
func (b *Backend) once(ctx context.Context, t *Terms, start time.Time, number int, x *exchange, request *wire.Frame, check func(*wire.Response) Verdict) (*Answer, *Failure) {
	var told Attempt
	answer, second, failure := b.first(ctx, t, start, number, x, request, check, &told)
	if told.Number == 0 {
		return nil, failure // refused
	}
	made := 1
	if second != nil {
		if answer != nil || failure.Class == Alive {
			// The first has the last word: what refuses the request would do so again.
			if second.stop() {
				made++
			}
		} else if overtaking, ran := second.result(); ran {
			made++
			if overtaking != nil {
				answer, failure = second.won(check)
			} else {
				failure.heed(second.failure.pushback)
			}
		}
	}
	if number > 1 || made > 1 || told.Failure != nil {
		x.made = append(x.made, told)
	}
	if made > 1 {
		x.made = append(x.made, second.attempted())
	}
	if failure != nil {
		failure.Attempts = made
		return nil, failure
	}
	answer.Attempts = made
	return answer, nil
}

// first makes the attempt that is no hedge, and concludes it: whatever comes after, it holds nothing any more. second is to be asked for
// its result, or stopped; nil: there is none. told becomes what is to be told of the attempt, and stays as it is where none was made.
func (b *Backend) first(ctx context.Context, t *Terms, start time.Time, number int, x *exchange, request *wire.Frame, check func(*wire.Response) Verdict, told *Attempt) (_ *Answer, second *hedge, _ *Failure) {
	size := request.Len()
	seat, waited, f := b.place(ctx, t, start, 0)
	x.waited = waited
	if f != nil {
		return nil, nil, b.finish(f, start)
	}
	// Two moments are enough of an attempt that waits for nothing: when it began, and when its answer had been checked.
	says, asked, ended := loadUnknown, start, start
	defer func() { b.limiter.release(seat, ended, says, x.took) }()
	permit := b.breaker.allow(b.set.timeout)
	if permit == nil {
		return nil, nil, b.finish(b.shut(), start)
	}
	// A panic in check says nothing about the model server, and must not keep the permit. After a report it does nothing.
	defer permit.report(ignored)
	if number == 1 {
		b.budget.call(start)
	} else {
		b.counters.retries.Add(1)
	}
	conn := b.conns.takeOther(x.tried...)
	defer conn.release()
	x.asked(conn.replica)
	if waited > 0 {
		asked = time.Now()
	}
	within := ctx
	if number == 1 {
		second, within = b.arm(ctx, *t, asked, conn.replica, request)
	} else if t.Headers != nil {
		within = t.Headers.Again(ctx, number)
	}
	whole := false
	defer func() {
		if second != nil && !whole {
			second.stop() // after a panic nobody asks for its result
		}
	}()
	response, verdict, failure := b.attempt(within, asked, conn, t.Until, permit, x, request, check)
	ended = time.Now()
	took := ended.Sub(asked)
	t.excuse(failure)
	if failure != nil && context.Cause(within) == errLost {
		failure = b.lost()
		b.latencies.add(ended, took) // at least
		conn.timed(asked, took)
	}
	says = loadOf(failure)
	*told = Attempt{
		Backend: b.name, Model: b.set.model, Version: b.set.version, Number: number, Start: asked, Duration: took, Waited: x.waited,
		RequestBytes: size, Verdict: verdict, Replica: conn.place(),
	}
	if response != nil {
		told.ResponseBytes = response.Frame().Len()
	}
	if failure != nil {
		failure.Attempts, failure.Replica = 1, conn.place()
		b.finish(failure, asked)
		told.Failure, told.Lost = copied(failure), failure.lost
	} else {
		b.counters.count(nil, verdict)
	}
	permit.report(conn.heard(b.outcome(ended, failure, verdict), asked))
	if b.observer != nil {
		b.observer.Attempt(ctx, *told)
	}
	whole = true
	if failure != nil {
		return nil, second, failure
	}
	return &Answer{Response: response, Duration: ended.Sub(start), Attempts: 1, Verdict: verdict, Replica: conn.place()}, second, nil
}

// place takes a place in flight, for which it may wait: shortly, or with patience. waited is how long it did.
func (b *Backend) place(ctx context.Context, t *Terms, now time.Time, patience time.Duration) (_ seat, waited time.Duration, _ *Failure) {
	if s, ok := b.limiter.try(t.caller()); ok {
		return s, 0, nil
	}
	mean, _ := b.tempo.typical()
	s, f := b.limiter.take(ctx, now, wish{caller: t.caller(), end: callersEnd(ctx, t.Until), least: b.set.minTimeout, usual: mean, patience: patience})
	if f == nil && !callersEnd(ctx, t.Until).IsZero() && time.Until(callersEnd(ctx, t.Until)) < b.set.minTimeout {
		b.limiter.release(s, time.Now(), loadUnknown, 0)
		return seat{}, time.Since(now), inferred(Excluded, candorv1.Reason_REASON_DEADLINE, codes.DeadlineExceeded, "the caller's time ended while the call waited for a place")
	}
	return s, time.Since(now), f
}

// admit refuses what shall not be tried.
func (b *Backend) admit(ctx context.Context, now, until time.Time, size int) *Failure {
	if err := ctx.Err(); errors.Is(err, context.Canceled) {
		return cancelled()
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

// finish completes a Failure and counts it.
func (b *Backend) finish(f *Failure, start time.Time) *Failure {
	f.Backend, f.Duration = b.name, time.Since(start)
	f.Message = sanitize(f.Message, b.set.host)
	b.counters.count(f, Verdict{})
	return f
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
