package backend

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/candor-gateway/candor/internal/wire"
)

// errLost ends the attempt that another one of the same call was faster than.
var errLost = errors.New("another attempt answered first")

// hedgeNumber is the number of every hedge among its call's attempts: it stands beside the first.
const hedgeNumber = 2

// hedge is a second attempt beside the first, made when the first takes longer than most do (Dean and Barroso, The Tail at Scale,
// 2013). It begins when its time has come, the budget pays for it, and there is a place for it that nobody waits for.
type hedge struct {
	b       *Backend
	terms   Terms
	request wire.Frame
	size    int
	// beside is the replica that the first attempt asks; nil: the backend has one address.
	beside *replica
	conn   *sharedConn
	// parent is the call's context; ctx, below it, ends with the hedge.
	parent, ctx context.Context
	end         context.CancelCauseFunc
	// overtake ends the first attempt.
	overtake context.CancelCauseFunc
	timer    *time.Timer

	mu sync.Mutex
	// over: the first attempt has ended the call, or the result has been taken.
	over bool
	// ran is closed when the attempt has ended; nil: it was never made.
	ran chan struct{}

	start time.Time
	told  Attempt
	x     *exchange
	// response is there from the end of an attempt that was answered until somebody has taken it; took is how long that was.
	response *wire.Response
	took     time.Duration
	failure  *Failure
	permit   *permit
}

// arm makes a hedge for a call that begins now, and the context of its first attempt. nil: there is none, because nobody wants it or
// too little is known.
func (b *Backend) arm(ctx context.Context, t Terms, now time.Time, beside *replica, request *wire.Frame) (*hedge, context.Context) {
	if b.latencies == nil || t.Once {
		return nil, ctx
	}
	after, known := b.latencies.percentile(now, b.set.hedge)
	if end := callersEnd(ctx, t.Until); !known || !end.IsZero() && end.Sub(now)-after < b.set.minTimeout {
		return nil, ctx
	}
	h := &hedge{b: b, terms: t, parent: ctx, size: request.Len(), beside: beside}
	request.Share(&h.request)
	h.ctx, h.end = context.WithCancelCause(ctx)
	ctx, h.overtake = context.WithCancelCause(ctx)
	b.hedging.Add(1)
	h.timer = time.AfterFunc(after, h.run)
	return h, ctx
}

// run makes the attempt. In the timer's goroutine nobody else recovers: what panics here costs the second attempt, and what it holds is
// given back all the same.
func (h *hedge) run() {
	defer h.b.hedging.Done()
	h.b.guard.Whole("a second attempt", func() {
		now := time.Now()
		seat, ok := h.b.limiter.spare(h.terms.caller())
		if !ok {
			return
		}
		says, took := loadUnknown, time.Duration(0)
		var response *wire.Response
		var failure *Failure
		made := func() bool {
			defer func() { h.b.limiter.release(seat, time.Now(), says, took) }()
			ctx := h.allowed(now)
			if ctx == nil {
				return false
			}
			response, failure = h.attempt(ctx)
			says, took = loadOf(failure), time.Since(now)
			return true
		}()
		if !made {
			return
		}
		defer h.conn.release()
		defer close(h.ran)
		if h.settle(response, failure, took) {
			h.conclude()
		}
	})
}

// allowed begins the attempt and answers its context; nil: there is to be none.
func (h *hedge) allowed(now time.Time) (ctx context.Context) {
	permit := h.b.breaker.allow(h.b.set.timeout)
	if permit == nil {
		return nil
	}
	defer func() {
		if ctx == nil {
			permit.report(ignored)
		}
	}()
	if permit.probe || !h.b.budget.spend(now) {
		return nil
	}
	defer func() {
		if ctx == nil {
			h.b.budget.refund(now)
		}
	}()
	return h.begin(permit, now)
}

// begin answers the attempt's context; nil: the first attempt was faster, and there is to be none.
func (h *hedge) begin(p *permit, now time.Time) context.Context {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.over {
		return nil
	}
	// First: after a panic of theirs there is no attempt.
	ctx := h.ctx
	if h.terms.Headers != nil {
		ctx = h.terms.Headers.Again(ctx, hedgeNumber)
	}
	h.conn = h.b.conns.takeOther(h.beside)
	h.b.counters.hedges.Add(1)
	h.permit, h.start, h.x, h.ran = p, now, newExchange(), make(chan struct{})
	return ctx
}

// settle notes how the attempt ended, and says whether this goroutine is to conclude it.
func (h *hedge) settle(response *wire.Response, failure *Failure, took time.Duration) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.failure, h.took = failure, took
	if failure != nil {
		return true
	}
	h.response = response
	if h.over {
		return true
	}
	// The first attempt's goroutine takes it over from here.
	h.overtake(errLost)
	return false
}

// attempt makes the call. A panic is this attempt's failure, and not the model server's.
func (h *hedge) attempt(ctx context.Context) (response *wire.Response, failure *Failure) {
	defer func() {
		if p := recover(); p != nil {
			response, failure = nil, h.b.defect("a second attempt", p)
		}
	}()
	response, _, failure = h.b.attempt(ctx, time.Now(), h.conn, h.terms.Until, h.permit, h.x, &h.request, nil)
	h.terms.excuse(failure)
	return response, failure
}

// conclude tells of an attempt whose answer nobody takes. One goroutine calls it, once, without mu.
func (h *hedge) conclude() {
	defer h.permit.report(ignored) // where what comes before the report panics
	h.b.counters.hedgesLost.Add(1)
	h.mu.Lock()
	f, response := h.failure, h.response
	h.response = nil
	h.mu.Unlock()
	if f == nil {
		response.Free()
	}
	if f == nil || context.Cause(h.ctx) == errLost {
		f = h.b.lost()
	}
	f.Attempts, f.Replica = 1, h.conn.place()
	h.b.finish(f, h.start)
	h.permit.report(h.conn.heard(outcomeOf(f, Verdict{}), h.start))
	h.tell(f, Verdict{}, h.took, 0)
}

// won holds the answer that result gave against check, in the goroutine of the call, and tells of it.
func (h *hedge) won(check func(*wire.Response) Verdict) (*Answer, *Failure) {
	// A panic in check must not keep the permit.
	defer h.permit.report(ignored)
	b, took := h.b, h.took
	response, verdict, failure := b.hold(h.response, check)
	size := response.Frame().Len()
	if failure != nil {
		failure.Attempts, failure.Replica = 1, h.conn.place()
		b.finish(failure, h.start)
		b.counters.hedgesLost.Add(1)
	} else {
		b.counters.count(nil, verdict)
		b.counters.hedgesWon.Add(1)
	}
	h.permit.report(h.conn.heard(b.outcome(time.Now(), failure, verdict), h.start))
	h.tell(failure, verdict, took, size)
	if failure != nil {
		return nil, failure
	}
	return &Answer{Response: response, Duration: took, Verdict: verdict, Replica: h.conn.place()}, nil
}

// tell keeps what became of the attempt, and tells the observer.
func (h *hedge) tell(f *Failure, v Verdict, took time.Duration, size int) {
	told := h.ended(f, v, took, size)
	h.mu.Lock()
	h.told = told
	h.mu.Unlock()
	if h.b.observer != nil {
		h.b.observer.Attempt(h.parent, told)
	}
}

func (h *hedge) ended(f *Failure, v Verdict, took time.Duration, size int) Attempt {
	return Attempt{
		Backend: h.b.name, Model: h.b.set.model, Version: h.b.set.version, Number: hedgeNumber, Hedge: true, Start: h.start, Duration: took,
		RequestBytes: h.size, ResponseBytes: size, Failure: copied(f), Verdict: v, Lost: f != nil && f.lost, Replica: h.conn.place(),
	}
}

// attempted is the attempt of a hedge that was made. One that is still under way is given up at this moment.
func (h *hedge) attempted() Attempt {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.told.Number > 0 {
		return h.told
	}
	return h.ended(h.b.lost(), Verdict{}, time.Since(h.start), 0)
}

// stop says that the first attempt has answered, or was refused. It answers whether a second was made.
func (h *hedge) stop() bool {
	if h.timer.Stop() {
		h.b.hedging.Done()
	}
	made, answered := h.giveUp()
	if answered {
		h.conclude()
	}
	return made
}

// giveUp ends the second attempt, and says whether there was one, and whether both have answered.
func (h *hedge) giveUp() (made, answered bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.over = true
	h.end(errLost)
	h.overtake(nil)
	if h.ran == nil {
		h.request.Free()
	}
	return h.ran != nil, h.response != nil
}

// result waits for the second attempt, when the first has ended without an answer. made: there was one. response is nil where it
// has no answer either. Whoever takes a response concludes it by won.
func (h *hedge) result() (response *wire.Response, made bool) {
	h.mu.Lock()
	ran := h.ran
	if ran == nil {
		h.over = true // nor will there be
	}
	h.mu.Unlock()
	if ran == nil {
		return nil, h.stop()
	}
	<-ran
	h.mu.Lock()
	defer h.mu.Unlock()
	h.over = true
	h.end(nil)
	h.overtake(nil)
	return h.response, true
}

// lost is what an attempt ends with that another was faster than. It says nothing about the model server.
func (b *Backend) lost() *Failure {
	f := cancelled()
	f.Message, f.lost = errLost.Error(), true
	return f
}
