package backend

import (
	"context"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/gen/inference"
	"github.com/candor-gateway/candor/internal/oiptest"
	"github.com/candor-gateway/candor/internal/wire"
)

var unavailable = oiptest.Fail(codes.Unavailable, "going down")

// pushedBack fails with UNAVAILABLE and what the model server says of another attempt.
func pushedBack(pushback string) oiptest.Responder {
	return func(ctx context.Context, req *inference.ModelInferRequest) (*inference.ModelInferResponse, error) {
		if err := grpc.SetTrailer(ctx, metadata.Pairs(pushbackHeader, pushback)); err != nil {
			return nil, err
		}
		return unavailable(ctx, req)
	}
}

// tornOff fails after the answer's headers have left.
func tornOff(ctx context.Context, req *inference.ModelInferRequest) (*inference.ModelInferResponse, error) {
	if err := grpc.SendHeader(ctx, metadata.Pairs("x-began", "yes")); err != nil {
		return nil, err
	}
	return unavailable(ctx, req)
}

func TestRetry(t *testing.T) {
	for _, test := range []struct {
		name     string
		first    oiptest.Responder
		terms    Terms
		retry    *candorv1.RetryConfig
		calls    int
		answered bool
	}{
		{"unavailable", unavailable, Terms{}, nil, 2, true},
		{"with time left", unavailable, Terms{Until: time.Now().Add(time.Hour)}, nil, 2, true},
		{"an error of the model", oiptest.Fail(codes.Internal, "CUDA error"), Terms{}, nil, 1, false},
		{"overload", oiptest.Fail(codes.ResourceExhausted, "queue full"), Terms{}, nil, 1, false},
		{"bad input", oiptest.Fail(codes.InvalidArgument, "x"), Terms{}, nil, 1, false},
		{"part of a sequence", unavailable, Terms{Once: true}, nil, 1, false},
		{"an answer had tornOff", tornOff, Terms{}, nil, 1, false},
		{"asked to come back", pushedBack("1"), Terms{}, nil, 2, true},
		{"asked to stay away", pushedBack("-1"), Terms{}, nil, 1, false},
		{"asked in words that nobody knows", pushedBack("soon"), Terms{}, nil, 1, false},
		{"asked to come back when the time is up", pushedBack("60000"), Terms{Until: time.Now().Add(30 * time.Second)}, nil, 1, false},
		{"one attempt", unavailable, Terms{}, &candorv1.RetryConfig{MaxAttempts: proto.Uint32(1)}, 1, false},
		{"no budget", unavailable, Terms{}, &candorv1.RetryConfig{Budget: proto.Float64(0)}, 1, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := oiptest.Start(t, digitsModel())
			cfg := digitsConfig(server.Addr())
			cfg.Retry = test.retry
			watch := new(recorder)
			b := dial(t, cfg, Options{Observer: watch})
			server.Script(test.first)
			answer, err := b.Infer(t.Context(), test.terms, wire.NewFrame(digitsRequest(t, 1)), nil)
			f := failureOf(t, err)
			if server.Calls() != test.calls || (f == nil) != test.answered {
				t.Fatalf("%d calls, failure %v; want %d calls", server.Calls(), f, test.calls)
			}
			if f == nil && answer.Attempts != test.calls || f != nil && f.Attempts != test.calls {
				t.Errorf("answer %+v, failure %+v", answer, f)
			}
			attempts, _ := watch.seen()
			if len(attempts) != test.calls || attempts[len(attempts)-1].Number != test.calls {
				t.Errorf("attempts %+v", attempts)
			}
			if s := b.Status(); s.Calls != int64(test.calls) || s.Retries != int64(test.calls-1) || s.InFlight != 0 {
				t.Errorf("status %+v", s)
			}
		})
	}
}

// The second attempt is sent what the first was, to the byte, though gRPC has given up the buffers of the first.
func TestRetrySendsTheSameBytes(t *testing.T) {
	server := oiptest.Start(t, digitsModel())
	b := dial(t, digitsConfig(server.Addr()), Options{})
	// A frame that was received, whose buffers are pooled.
	request := new(wire.Frame)
	source, err := wire.Codec{}.Marshal(wire.NewFrame(digitsRequest(t, 300)))
	if err != nil {
		t.Fatal(err)
	}
	if err := (wire.Codec{}).Unmarshal(source, request); err != nil {
		t.Fatal(err)
	}
	server.Script(unavailable)
	if _, err := b.Infer(t.Context(), Terms{}, request, nil); err != nil {
		t.Fatal(err)
	}
	calls := server.History()
	if len(calls) != 2 || string(calls[0].Bytes) != string(calls[1].Bytes) {
		t.Errorf("%d calls, or other bytes", len(calls))
	}
}

func TestRetryAfterACutConnection(t *testing.T) {
	server := oiptest.Start(t, digitsModel())
	b := dial(t, digitsConfig(server.Addr()), Options{})
	server.Hang()
	result := make(chan *Failure, 1)
	go func() {
		_, f := infer(t, context.Background(), b, digitsRequest(t, 1))
		result <- f
	}()
	if err := server.AwaitCalls(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	server.Kill()
	if f := <-result; f == nil || f.Attempts != 2 {
		t.Errorf("failure %+v, want a second attempt", f)
	}
}

// All calls fail: the model server gets at most 1.2 times what was meant for it.
func TestNoRetryStorm(t *testing.T) {
	server := oiptest.Start(t, digitsModel())
	server.FailWith(status.Error(codes.Unavailable, "down"))
	cfg := digitsConfig(server.Addr())
	cfg.Breaker.MinCalls = proto.Uint32(1 << 30)
	cfg.Retry = &candorv1.RetryConfig{MaxAttempts: proto.Uint32(5)}
	b := dial(t, cfg, Options{})
	request := digitsRequest(t, 1)
	const callers, each = 20, 50
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			for range each {
				if _, err := b.Infer(t.Context(), Terms{}, wire.NewFrame(request), nil); err == nil {
					t.Error("answered")
				}
			}
		})
	}
	all.Wait()
	if n := server.Calls(); n > callers*each*12/10 || n <= callers*each {
		t.Errorf("%d calls of the model server for %d calls", n, callers*each)
	}
	if s := b.Status(); s.RetriesUnaffordable == 0 {
		t.Errorf("status %+v", s)
	}
}

// An open breaker ends the retries, and the failure is what the model server said.
func TestNoRetryIntoAnOpenBreaker(t *testing.T) {
	server := oiptest.Start(t, digitsModel())
	server.FailWith(status.Error(codes.Unavailable, "down"))
	cfg := digitsConfig(server.Addr())
	cfg.Breaker.MinCalls, cfg.Breaker.OpenFor = proto.Uint32(1), durationpb.New(time.Hour)
	b := dial(t, cfg, Options{})
	_, f := infer(t, t.Context(), b, digitsRequest(t, 1))
	if f == nil || f.Attempts != 1 || f.Message != "down" || server.Calls() != 1 {
		t.Errorf("failure %+v after %d calls", f, server.Calls())
	}
	if s := b.Status(); s.BudgetLeft != budgetLeast || s.Retries != 0 {
		t.Errorf("%d are left of the budget, want %d, and %d retries: none was made", s.BudgetLeft, budgetLeast, s.Retries)
	}
}
