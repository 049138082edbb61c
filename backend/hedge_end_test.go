package backend

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/gen/inference"
	"github.com/candor-gateway/candor/internal/oiptest"
	"github.com/candor-gateway/candor/internal/wire"
)

// An attempt that failed by itself counts as that, and gives its place back, while the hedge that answers in the end is still under way.
func TestFailureBesideAHedgeThatWins(t *testing.T) {
	server := oiptest.Start(t, digitsModel())
	b := hedged(t, server, Options{})
	second := make(chan struct{})
	var meanwhile Status
	server.Script(func(ctx context.Context, req *inference.ModelInferRequest) (*inference.ModelInferResponse, error) {
		<-second
		return oiptest.Fail(codes.Internal, "first")(ctx, req)
	}, func(ctx context.Context, req *inference.ModelInferRequest) (*inference.ModelInferResponse, error) {
		close(second)
		for meanwhile = b.Status(); meanwhile.Failures == 0 && ctx.Err() == nil; meanwhile = b.Status() {
			time.Sleep(time.Millisecond)
		}
		return oiptest.Const(0.25, 0.75)(ctx, req)
	})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	answer, f := infer(t, ctx, b, digitsRequest(t, 1))
	if f != nil || answer.Attempts != 2 {
		t.Fatalf("answer %+v, failure %v; meanwhile %+v", answer, f, meanwhile)
	}
	if meanwhile.InFlight != 1 || meanwhile.Breaker != closed {
		t.Errorf("%d in flight, want the hedge alone", meanwhile.InFlight)
	}
	if s := b.Status(); s.Failures != 1 || s.HedgesWon != 1 || s.LastFailure != "first" {
		t.Errorf("status %+v", s)
	}
}

// A hedge's answer that breaks what every answer must keep is one failure, and told once.
func TestHedgeThatAnswersNonsense(t *testing.T) {
	server := oiptest.Start(t, digitsModel())
	watch := new(recorder)
	b := hedged(t, server, Options{Observer: watch})
	already, _ := watch.seen()
	second := make(chan struct{})
	server.Script(func(ctx context.Context, req *inference.ModelInferRequest) (*inference.ModelInferResponse, error) {
		<-second
		return oiptest.Fail(codes.Internal, "first")(ctx, req)
	}, func(ctx context.Context, req *inference.ModelInferRequest) (*inference.ModelInferResponse, error) {
		close(second)
		resp, err := oiptest.Const(0.25, 0.75)(ctx, req)
		resp.ModelVersion = "another"
		return resp, err
	})
	_, f := infer(t, t.Context(), b, digitsRequest(t, 1))
	if f == nil || f.Message != "first" || f.Attempts != 2 {
		t.Errorf("failure %+v", f)
	}
	if s := b.Status(); s.Failures != 2 || s.ContractFailures != 1 || s.HedgesWon != 0 || s.HedgesLost != 1 {
		t.Errorf("status %+v", s)
	}
	if attempts, _ := watch.seen(); len(attempts)-len(already) != 2 {
		t.Errorf("%d attempts were told of, want 2", len(attempts)-len(already))
	}
}

// Of two that answer at once, the hedge is the loser: it is told of, and nothing of it is left.
func TestHedgeThatAnswersAtTheSameTime(t *testing.T) {
	server := oiptest.Start(t, digitsModel())
	watch := new(recorder)
	b := hedged(t, server, Options{Observer: watch})
	b.latencies = new(latencies)
	for range latencyLeast {
		b.latencies.add(time.Now(), 0)
	}
	before := b.Status()
	h, _ := b.arm(t.Context(), Terms{}, time.Now(), nil, wire.NewFrame(digitsRequest(t, 1)))
	if h == nil {
		t.Fatal("no hedge")
	}
	eventually(t, "the hedge's answer", func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		return h.response != nil
	})
	if !h.stop() {
		t.Error("a hedge was made, and nobody knows")
	}
	attempts, _ := watch.seen()
	if last := attempts[len(attempts)-1]; !last.Lost || last.Number != 2 {
		t.Errorf("the last attempt told of: %+v", last)
	}
	if s := b.Status(); s.Calls-before.Calls != 1 || s.HedgesLost-before.HedgesLost != 1 || s.HedgesWon != before.HedgesWon || s.InFlight != 0 || h.response != nil {
		t.Errorf("status %+v, response left: %v", s, h.response)
	}
}

// Who looks at the answer and breaks takes the hedge with them.
func TestNoHedgeAfterAPanic(t *testing.T) {
	server := oiptest.Start(t, digitsModel())
	b := hedged(t, server, Options{})
	func() {
		defer func() { _ = recover() }()
		_, _ = b.Infer(t.Context(), Terms{}, wire.NewFrame(digitsRequest(t, 1)), func(*wire.Response) Verdict { panic("a defect") })
	}()
	b.hedging.Wait()
	if s := b.Status(); s.Hedges != 0 || s.InFlight != 0 {
		t.Errorf("status %+v", s)
	}
}

// touchy breaks where it is told of a first attempt, once it is armed.
type touchy struct {
	recorder
	armed atomic.Bool
}

func (o *touchy) Attempt(ctx context.Context, a Attempt) {
	if o.armed.Load() && !a.Hedge {
		panic("a defect of the observer")
	}
	o.recorder.Attempt(ctx, a)
}

// So does who is told of the first and breaks: the second ends with it, and is told of.
func TestPanicAfterTheFirstOfTwo(t *testing.T) {
	server := oiptest.Start(t, digitsModel())
	watch := new(touchy)
	b := hedged(t, server, Options{Observer: watch})
	second, broke := make(chan struct{}), make(chan struct{})
	server.Script(func(ctx context.Context, req *inference.ModelInferRequest) (*inference.ModelInferResponse, error) {
		<-second
		return oiptest.Const(0.25, 0.75)(ctx, req)
	}, func(ctx context.Context, req *inference.ModelInferRequest) (*inference.ModelInferResponse, error) {
		close(second)
		<-broke
		return oiptest.Const(0.25, 0.75)(ctx, req)
	})
	watch.armed.Store(true)
	func() {
		defer func() { _ = recover() }()
		_, _ = b.Infer(t.Context(), Terms{}, wire.NewFrame(digitsRequest(t, 1)), nil)
		t.Error("nothing broke")
	}()
	close(broke)
	eventually(t, "the end of the hedge", func() bool { s := b.Status(); return s.HedgesLost == 1 && s.InFlight == 0 })
	b.hedging.Wait()
	if attempts, _ := watch.seen(); !attempts[len(attempts)-1].Hedge || !attempts[len(attempts)-1].Lost {
		t.Errorf("the last attempt told of: %+v", attempts[len(attempts)-1])
	}
}

// A defect that shows in a hedge alone, in whose goroutine no handler would recover, ends that hedge and nothing else.
func TestPanicInAHedge(t *testing.T) {
	server := oiptest.Start(t, digitsModel())
	second := make(chan struct{})
	var armed, calls atomic.Int64
	b := hedged(t, server, Options{DialOptions: []grpc.DialOption{grpc.WithUnaryInterceptor(
		func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
			if armed.Load() > 0 && calls.Add(1) == 2 {
				defer close(second)
				panic("a defect")
			}
			return invoke(ctx, method, req, reply, cc, opts...)
		})}})
	server.Script(func(ctx context.Context, req *inference.ModelInferRequest) (*inference.ModelInferResponse, error) {
		<-second
		return oiptest.Const(0.25, 0.75)(ctx, req)
	})
	armed.Store(1)
	answer, f := infer(t, t.Context(), b, digitsRequest(t, 1))
	if f != nil || answer.Attempts != 2 {
		t.Fatalf("answer %+v, failure %v", answer, f)
	}
	eventually(t, "the hedge's place back", func() bool { return b.Status().InFlight == 0 })
	if s := b.Status(); s.HedgesLost != 1 || s.Failures != 0 || s.Breaker != closed {
		t.Errorf("status %+v", s)
	}
}

// clumsy breaks where it is told of a hedge, or asked for the headers of one.
type clumsy struct{ hedges, headers atomic.Int64 }

func (c *clumsy) Attempt(_ context.Context, a Attempt) {
	if a.Hedge {
		c.hedges.Add(1)
		panic("a defect of the observer")
	}
}

func (c *clumsy) BreakerChanged(string, candorv1.BreakerState, candorv1.BreakerState) {}

func (c *clumsy) Again(context.Context, int) context.Context {
	c.headers.Add(1)
	panic("a defect of the headers")
}

// So does one before it or after it, and what the hedge held is given back.
func TestPanicBesideAHedge(t *testing.T) {
	for _, tc := range []struct {
		name  string
		terms func(*clumsy) Terms
		told  int64 // of the hedge
	}{
		{"before", func(c *clumsy) Terms { return Terms{Headers: c} }, 0},
		{"after", func(*clumsy) Terms { return Terms{} }, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			server := oiptest.Start(t, digitsModel())
			var panics atomic.Int64
			broke := new(clumsy)
			b := hedged(t, server, Options{Observer: broke, Panicked: func() { panics.Add(1) }})
			server.Script(func(ctx context.Context, req *inference.ModelInferRequest) (*inference.ModelInferResponse, error) {
				for panics.Load() == 0 && ctx.Err() == nil {
					time.Sleep(time.Millisecond)
				}
				return oiptest.Const(0.25, 0.75)(ctx, req)
			}, oiptest.Fail(codes.Internal, "second"))
			answer, err := b.Infer(t.Context(), tc.terms(broke), wire.NewFrame(digitsRequest(t, 1)), nil)
			if err != nil || answer.Attempts != 1+int(tc.told) {
				t.Fatalf("answer %+v, %v", answer, err)
			}
			b.hedging.Wait()
			if s := b.Status(); s.InFlight != 0 || s.Hedges != tc.told || s.Breaker != closed {
				t.Errorf("status %+v", s)
			}
			b.budget.mu.Lock()
			_, extra := b.budget.sums(b.budget.number(time.Now()))
			b.budget.mu.Unlock()
			if extra != tc.told {
				t.Errorf("%d further attempts are on the budget, %d were made", extra, tc.told)
			}
			if panics.Load() != 1 || broke.hedges.Load() != tc.told || broke.headers.Load() != 1-tc.told {
				t.Errorf("%d panics; told of %d hedges, asked for %d headers", panics.Load(), broke.hedges.Load(), broke.headers.Load())
			}
			if n := b.conns.only.carried(); n != 0 {
				t.Errorf("the connections carry %d calls", n)
			}
		})
	}
}

// A request that the model server refuses is wrong whoever answers: its hedge is stopped, and nobody waits for it.
func TestRefusalEndsTheHedge(t *testing.T) {
	server := oiptest.Start(t, digitsModel())
	b := hedged(t, server, Options{})
	second, gone := make(chan struct{}), make(chan struct{})
	server.Script(func(ctx context.Context, req *inference.ModelInferRequest) (*inference.ModelInferResponse, error) {
		<-second
		return oiptest.Fail(codes.InvalidArgument, "x must be positive")(ctx, req)
	}, func(ctx context.Context, req *inference.ModelInferRequest) (*inference.ModelInferResponse, error) {
		close(second)
		return stuck(gone)(ctx, req)
	})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, f := infer(t, ctx, b, digitsRequest(t, 1))
	if f == nil || f.Class != Alive || f.Message != "x must be positive" || f.Attempts != 2 || len(f.Tried) != 2 || !f.Tried[1].Lost || ctx.Err() != nil {
		t.Errorf("failure %+v", f)
	}
	<-gone
	eventually(t, "the hedge's place back", func() bool { return b.Status().InFlight == 0 })
	if s := b.Status(); s.HedgesLost != 1 || s.HedgesWon != 0 || s.Breaker != closed {
		t.Errorf("status %+v", s)
	}
}

// A model server that wants no other attempt says so to whichever it answers.
func TestPushbackOfAHedge(t *testing.T) {
	for _, test := range []struct {
		name  string
		hedge oiptest.Responder
		calls int
		none  bool
	}{{"nothing said", unavailable, 3, false}, {"asked to stay away", pushedBack("-1"), 2, true}} {
		t.Run(test.name, func(t *testing.T) {
			server := oiptest.Start(t, digitsModel())
			b := hedged(t, server, Options{})
			b.set.retry.attempts = 3
			already := server.Calls()
			second := make(chan struct{})
			server.Script(func(ctx context.Context, req *inference.ModelInferRequest) (*inference.ModelInferResponse, error) {
				<-second
				return unavailable(ctx, req)
			}, func(ctx context.Context, req *inference.ModelInferRequest) (*inference.ModelInferResponse, error) {
				defer close(second)
				return test.hedge(ctx, req)
			}, unavailable)
			_, f := infer(t, t.Context(), b, digitsRequest(t, 1))
			if f == nil || f.Code != codes.Unavailable || f.Attempts != test.calls || server.Calls()-already != test.calls || (f.RetryAfter < 0) != test.none {
				t.Errorf("failure %+v after %d calls", f, server.Calls()-already)
			}
		})
	}
}

// A hedge that begins at the very moment at which the first attempt has failed is waited for, or isn't made: never is one taken for made of
// which nothing is known.
func TestHedgeThatBeginsAsTheFirstFails(t *testing.T) {
	server := oiptest.Start(t, digitsModel())
	b := hedged(t, server, Options{})
	for range 20 {
		for range 5 { // so that the budget pays for each hedge
			b.budget.call(time.Now())
		}
		request := wire.NewFrame(digitsRequest(t, 1))
		h, _ := b.arm(t.Context(), Terms{}, time.Now(), nil, request)
		request.Free()
		h.timer.Stop() // the test is the timer
		h.mu.Lock()
		var both sync.WaitGroup
		both.Go(h.run)
		both.Go(func() {
			response, made := h.result()
			h.mu.Lock()
			unknown := made && response == nil && h.failure == nil
			h.mu.Unlock()
			if unknown {
				t.Error("a second attempt was made, and has neither an answer nor a failure")
			}
			if response != nil {
				answer, f := h.won(nil)
				if f != nil {
					t.Error(f)
					return
				}
				answer.Response.Free()
			}
		})
		// A lock that was waited for for so long, and was taken by somebody else all the same, goes from one of those who wait to the next,
		// and not to who comes at the moment at which it is free: so both take turns with it.
		for range 2 {
			time.Sleep(2 * time.Millisecond)
			h.mu.Unlock()
			h.mu.Lock()
		}
		h.mu.Unlock()
		both.Wait()
	}
	if s := b.Status(); s.InFlight != 0 || s.Hedges != s.HedgesWon+s.HedgesLost {
		t.Errorf("status %+v", s)
	}
}

// A second attempt is a guess. It takes no place that a call waits for, however low that one's priority is.
func TestHedgeTakesNoPlaceThatACallWaitsFor(t *testing.T) {
	b := hedged(t, oiptest.Start(t, digitsModel()), Options{})
	b.limiter = newLimiter(100, true)
	b.limiter.g.limit = 1
	held, ok := b.limiter.try(caller{class: class(candorv1.Priority_PRIORITY_NORMAL)})
	if !ok {
		t.Fatal("no place")
	}
	var waits sync.WaitGroup
	defer waits.Wait()
	waits.Go(func() {
		s, f := b.limiter.take(t.Context(), time.Now(), wish{caller: caller{class: lowest}, patience: time.Hour})
		if f != nil {
			t.Error(f)
			return
		}
		b.limiter.release(s, time.Now(), loadUnknown, 0)
	})
	eventually(t, "a call waits", func() bool { return b.Status().Queued == 1 })
	request := wire.NewFrame(digitsRequest(t, 1))
	defer request.Free()
	h, _ := b.arm(t.Context(), Terms{Priority: candorv1.Priority_PRIORITY_HIGH}, time.Now(), nil, request)
	h.timer.Stop() // the test is the timer
	h.run()
	if h.stop() {
		t.Error("a second attempt was made while a call waited for a place")
	}
	b.limiter.release(held, time.Now(), loadUnknown, 0)
}

// When both attempts have failed, the next comes no sooner than the model server asked in either.
func TestRetryHeedsWhatAHedgeWasTold(t *testing.T) {
	server := oiptest.Start(t, digitsModel())
	b := hedged(t, server, Options{})
	b.set.retry.attempts = 3
	const wait = 300 * time.Millisecond
	second := make(chan struct{})
	server.Script(func(ctx context.Context, req *inference.ModelInferRequest) (*inference.ModelInferResponse, error) {
		<-second
		return unavailable(ctx, req)
	}, func(ctx context.Context, req *inference.ModelInferRequest) (*inference.ModelInferResponse, error) {
		close(second)
		return pushedBack("300")(ctx, req)
	})
	answer, f := infer(t, t.Context(), b, digitsRequest(t, 1))
	if f != nil || len(answer.Tried) != 3 {
		t.Fatalf("answer %+v, failure %v", answer, f)
	}
	hedge, last := answer.Tried[1], answer.Tried[2]
	if paused := last.Start.Sub(hedge.Start.Add(hedge.Duration)); paused < wait {
		t.Errorf("the next attempt came after %v, the model server asked for %v", paused, wait)
	}
}
