package backend

import (
	"context"
	"errors"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/gen/inference"
	"github.com/candor-gateway/candor/internal/oiptest"
	"github.com/candor-gateway/candor/internal/wire"
)

func TestLatencies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := new(latencies)
		for i := range 99 {
			l.add(time.Now(), time.Duration(i+1)*time.Millisecond)
		}
		if _, known := l.percentile(time.Now(), 0.95); known {
			t.Error("a percentile of 99 is known")
		}
		l.add(time.Now(), 100*time.Millisecond)
		for _, share := range []float64{0.5, 0.95, 0.99} {
			want := share * 100 * float64(time.Millisecond)
			if got, known := l.percentile(time.Now(), share); !known || float64(got) < want || float64(got) > want*math.Exp2(2./latencyPerOctave) {
				t.Errorf("percentile %v is %v, want about %v", share, got, time.Duration(want))
			}
		}
		time.Sleep(latencySpan)
		if _, known := l.percentile(time.Now(), 0.5); !known {
			t.Error("forgotten after one span")
		}
		time.Sleep(latencySpan)
		if _, known := l.percentile(time.Now(), 0.5); known {
			t.Error("remembered after two spans")
		}
		for range latencyLeast {
			l.add(time.Now(), time.Hour)
			l.add(time.Now(), 0)
		}
		if _, known := l.percentile(time.Now(), 0.99); !known {
			t.Error("no percentile of extremes")
		}
	})
}

// hedged is a backend that knows how fast its model server is.
func hedged(t *testing.T, server *oiptest.Server, o Options) *Backend {
	t.Helper()
	cfg := digitsConfig(server.Addr())
	cfg.Hedge = &candorv1.HedgeConfig{Percentile: proto.Float64(0.9)}
	cfg.AdaptiveLimit = proto.Bool(false) // which would take the sudden slowness for load
	b := dial(t, cfg, o)
	for range 10 { // the first wait for the connection; too few to hedge
		if _, f := infer(t, t.Context(), b, digitsRequest(t, 1)); f != nil {
			t.Fatal(f)
		}
	}
	// As if answers took so long: the second attempt begins when the first has surely got to the model server, and to its script, also on a
	// machine that is busy with other tests.
	const usual = 500 * time.Millisecond
	b.latencies = new(latencies)
	for range latencyLeast {
		b.latencies.add(time.Now(), usual)
	}
	return b
}

// stuck waits until its call is given up, and says so.
func stuck(gone chan<- struct{}) oiptest.Responder {
	return func(ctx context.Context, _ *inference.ModelInferRequest) (*inference.ModelInferResponse, error) {
		<-ctx.Done()
		close(gone)
		return nil, ctx.Err()
	}
}

func TestHedgeAnswersForASlowAttempt(t *testing.T) {
	server := oiptest.Start(t, digitsModel())
	watch := new(recorder)
	b := hedged(t, server, Options{Observer: watch})
	before, already := b.Status(), server.Calls()
	gone := make(chan struct{})
	server.Script(stuck(gone))
	checks := 0
	answer, err := b.Infer(t.Context(), Terms{}, wire.NewFrame(digitsRequest(t, 1)), func(*wire.Response) Verdict { checks++; return Verdict{} })
	if err != nil || answer.Attempts != 2 || checks != 1 || server.Calls()-already != 2 {
		t.Fatalf("answer %+v, failure %v, %d checks, %d calls", answer, err, checks, server.Calls()-already)
	}
	<-gone // the slow one was cancelled
	s := b.Status()
	if s.Hedges-before.Hedges != 1 || s.HedgesWon-before.HedgesWon != 1 || s.Calls-before.Calls != 2 || s.InFlight != 0 || s.Breaker != closed ||
		s.Failures != 0 || s.Excluded != before.Excluded {
		t.Errorf("status %+v, before %+v", s, before)
	}
	attempts, _ := watch.seen()
	lost, won := attempts[len(attempts)-2], attempts[len(attempts)-1]
	if !lost.Lost || lost.Failure == nil || lost.Number != 1 || won.Lost || won.Failure != nil || won.Number != 2 {
		t.Errorf("attempts %+v, %+v", lost, won)
	}
}

func TestHedgeThatLosesCountsForNothing(t *testing.T) {
	server := oiptest.Start(t, digitsModel())
	b := hedged(t, server, Options{})
	before := b.Status()
	gone, second := make(chan struct{}), make(chan struct{})
	server.Script(func(ctx context.Context, req *inference.ModelInferRequest) (*inference.ModelInferResponse, error) {
		<-second // slow, but first
		return oiptest.Const(0.25, 0.75)(ctx, req)
	}, func(ctx context.Context, req *inference.ModelInferRequest) (*inference.ModelInferResponse, error) {
		close(second)
		return stuck(gone)(ctx, req)
	})
	answer, f := infer(t, t.Context(), b, digitsRequest(t, 1))
	if f != nil || answer.Attempts != 2 {
		t.Fatalf("answer %+v, failure %v", answer, f)
	}
	<-gone
	eventually(t, "the loser's place back", func() bool { return b.Status().InFlight == 0 })
	if s := b.Status(); s.Hedges-before.Hedges != 1 || s.HedgesWon != before.HedgesWon || s.Failures != 0 || s.Breaker != closed {
		t.Errorf("status %+v", s)
	}
}

// Where both fail, the first one's failure is told, and what each did counts.
func TestHedgeThatFailsToo(t *testing.T) {
	server := oiptest.Start(t, digitsModel())
	b := hedged(t, server, Options{})
	second := make(chan struct{})
	server.Script(func(ctx context.Context, req *inference.ModelInferRequest) (*inference.ModelInferResponse, error) {
		<-second
		return oiptest.Fail(codes.Internal, "first")(ctx, req)
	}, func(ctx context.Context, req *inference.ModelInferRequest) (*inference.ModelInferResponse, error) {
		close(second)
		return oiptest.Fail(codes.Internal, "second")(ctx, req)
	})
	_, f := infer(t, t.Context(), b, digitsRequest(t, 1))
	if f == nil || f.Message != "first" || f.Attempts != 2 {
		t.Errorf("failure %+v", f)
	}
	if s := b.Status(); s.Failures != 2 || s.InFlight != 0 {
		t.Errorf("status %+v", s)
	}
}

// A hedge's answer is checked like any other.
func TestHedgeThatBreaksTheCard(t *testing.T) {
	server := oiptest.Start(t, digitsModel())
	b := hedged(t, server, Options{})
	server.Script(stuck(make(chan struct{})))
	_, err := b.Infer(t.Context(), Terms{}, wire.NewFrame(digitsRequest(t, 1)), func(*wire.Response) Verdict { return Verdict{Unusable: "bent"} })
	var f *Failure
	if !errors.As(err, &f) || f.Reason != candorv1.Reason_REASON_CONTRACT_FAILURE || b.Status().ContractFailures != 1 {
		t.Errorf("failure %v, status %+v", err, b.Status())
	}
}

// All answers become slow at once: hedges stay within the budget.
func TestHedgesStayWithinTheBudget(t *testing.T) {
	server := oiptest.Start(t, digitsModel())
	b := hedged(t, server, Options{})
	const calls, slow = 200, 50 * time.Millisecond
	b.latencies = new(latencies)
	for range latencyLeast {
		b.latencies.add(time.Now(), slow)
	}
	steps := make([]oiptest.Responder, 2*calls)
	for i := range steps {
		steps[i] = func(ctx context.Context, req *inference.ModelInferRequest) (*inference.ModelInferResponse, error) {
			select {
			case <-time.After(slow):
			case <-ctx.Done():
			}
			return oiptest.Const(0.25, 0.75)(ctx, req)
		}
	}
	server.Script(steps...)
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			for range calls / 10 {
				if _, err := b.Infer(t.Context(), Terms{}, wire.NewFrame(digitsRequest(t, 1)), nil); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	made := calls + latencyLeast + 10
	if n := server.Calls(); n > made*12/10 || n == made {
		t.Errorf("%d calls of the model server for %d calls", n, made)
	}
}
