package backend

import (
	"context"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/oiptest"
	"github.com/candor-gateway/candor/internal/wire"
)

// heals calls until the backend answers and its breaker is closed.
func heals(t *testing.T, b *Backend) {
	t.Helper()
	eventually(t, "an answer, and the breaker closed", func() bool {
		_, f := infer(t, t.Context(), b, digitsRequest(t, 1))
		return f == nil && b.Status().Breaker == closed
	})
}

func TestFailuresOpenTheBreakerAndItHeals(t *testing.T) {
	server := oiptest.Start(t, digitsModel())
	watch := new(recorder)
	cfg := digitsConfig(server.Addr())
	cfg.Breaker.OpenFor = durationpb.New(time.Hour)
	stuck := dial(t, cfg, Options{})
	b := dial(t, digitsConfig(server.Addr()), Options{Observer: watch})
	watch.backend = b

	server.FailWith(status.Error(codes.Internal, "boom"))
	for range 4 {
		infer(t, t.Context(), stuck, digitsRequest(t, 1))
		infer(t, t.Context(), b, digitsRequest(t, 1))
	}
	before := server.Calls()
	_, f := infer(t, t.Context(), stuck, digitsRequest(t, 1))
	if f == nil || f.Class != Failed || f.Reason != candorv1.Reason_REASON_BREAKER_OPEN || f.Code != codes.Unavailable ||
		f.Source != candorv1.FailureSource_FAILURE_SOURCE_INFERRED || f.Attempts != 0 || server.Calls() != before {
		t.Errorf("failure %+v after %d calls", f, server.Calls()-before)
	}
	if s := stuck.Status(); s.Breaker != open || s.Refused != 1 || s.Failures != 4 || s.Calls != 4 || s.Opened != 1 || s.LastFailure != "boom" {
		t.Errorf("status %+v", s)
	}

	server.FailWith(nil)
	heals(t, b)
	if s := b.Status(); s.Opened != 1 || s.Closed != 1 {
		t.Errorf("status %+v", s)
	}
	_, changes := watch.seen()
	if len(changes) < 3 || changes[0] != (change{closed, open}) || changes[len(changes)-1] != (change{halfOpen, closed}) {
		t.Errorf("changes %v", changes)
	}
	for i := 1; i < len(changes); i++ {
		if changes[i].from != changes[i-1].to {
			t.Errorf("changes out of order: %v", changes)
		}
	}
}

// Clients can't open breakers.
func TestBadInputAndCancelsDoNotOpenTheBreaker(t *testing.T) {
	server := oiptest.Start(t, digitsModel())
	watch := new(recorder)
	cfg := digitsConfig(server.Addr())
	cfg.MaxInFlight, cfg.AdaptiveLimit = proto.Uint32(500), proto.Bool(false)
	b := dial(t, cfg, Options{Observer: watch})
	request := digitsRequest(t, 1)

	server.FailWith(status.Error(codes.InvalidArgument, "bad tensor"))
	for range 500 {
		if _, f := infer(t, t.Context(), b, request); f == nil || f.Class != Alive {
			t.Fatalf("failure %v", f)
		}
	}
	server.FailWith(nil)

	server.Hang()
	// All of them reach the server, then their callers go away.
	together := func(ctx context.Context, n int) {
		var all sync.WaitGroup
		for range n {
			all.Go(func() {
				if _, err := b.Infer(ctx, Terms{}, wire.NewFrame(request), nil); err.(*Failure).Class != Excluded {
					t.Errorf("failure %v", err)
				}
			})
		}
		all.Wait()
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		_ = server.AwaitCalls(t.Context(), 1000)
		cancel()
	}()
	together(ctx, 500)
	ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	together(ctx, 200)

	if _, changes := watch.seen(); len(changes) > 0 || b.Status().Breaker != closed || b.Status().Failures != 0 {
		t.Errorf("changes %v, status %+v", changes, b.Status())
	}
}

func TestSlowDeathOpensTheBreaker(t *testing.T) {
	server := oiptest.Start(t, digitsModel())
	cfg := digitsConfig(server.Addr())
	cfg.Timeout = durationpb.New(100 * time.Millisecond)
	b := dial(t, cfg, Options{})
	heals(t, b) // connected: what follows is slow, not broken
	server.Hang()
	before := b.Status()
	for b.Status().Opened == before.Opened {
		if _, f := infer(t, t.Context(), b, digitsRequest(t, 1)); f == nil || f.Reason != candorv1.Reason_REASON_DEADLINE || f.Class != Failed {
			t.Fatalf("failure %v", f)
		}
		if n := b.Status().Calls - before.Calls; n > 10 {
			t.Fatalf("not open after %d calls that hung", n)
		}
	}
	// Probes hang too: each ends at its time, and the breaker opens again.
	eventually(t, "a probe that hung", func() bool {
		_, f := infer(t, t.Context(), b, digitsRequest(t, 1))
		return f != nil && f.Reason == candorv1.Reason_REASON_DEADLINE
	})
	server.Resume()
	heals(t, b)
}

// wedge is an interceptor that ignores the call's context, as no client should.
func wedge(gate func() <-chan struct{}) grpc.DialOption {
	return grpc.WithUnaryInterceptor(func(ctx context.Context, method string, req, reply any, conn *grpc.ClientConn, next grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		if g := gate(); g != nil {
			<-g
		}
		return next(ctx, method, req, reply, conn, opts...)
	})
}

func TestWedgedProbeHeals(t *testing.T) {
	server := oiptest.Start(t, digitsModel())
	var mu sync.Mutex
	var gate chan struct{}
	set := func(g chan struct{}) {
		mu.Lock()
		defer mu.Unlock()
		gate = g
	}
	cfg := digitsConfig(server.Addr())
	cfg.Timeout = durationpb.New(50 * time.Millisecond)
	b := dial(t, cfg, Options{DialOptions: []grpc.DialOption{wedge(func() <-chan struct{} {
		mu.Lock()
		defer mu.Unlock()
		return gate
	})}})

	server.FailWith(status.Error(codes.Internal, "boom"))
	for range 4 {
		infer(t, t.Context(), b, digitsRequest(t, 1))
	}
	server.FailWith(nil)
	eventually(t, "half-open", func() bool { return b.Status().Breaker == halfOpen })

	stuck := make(chan struct{})
	set(stuck)
	wedged := make(chan *Failure, 1)
	go func() {
		_, f := infer(t, context.Background(), b, digitsRequest(t, 1))
		wedged <- f
	}()
	eventually(t, "the probe in flight", func() bool { return b.Status().InFlight == 1 })
	set(nil)
	heals(t, b) // while the probe is still stuck
	close(stuck)
	if f := <-wedged; f == nil {
		t.Error("a call that wedged beyond its time was answered")
	}
	if s := b.Status(); s.Breaker != closed {
		t.Errorf("the late report changed the breaker: %+v", s)
	}
}

func TestPanicInCheckKeepsNoPermit(t *testing.T) {
	server := oiptest.Start(t, digitsModel())
	cfg := digitsConfig(server.Addr())
	cfg.MaxInFlight = proto.Uint32(1)
	b := dial(t, cfg, Options{})
	server.FailWith(status.Error(codes.Internal, "boom"))
	for range 4 {
		infer(t, t.Context(), b, digitsRequest(t, 1))
	}
	server.FailWith(nil)
	eventually(t, "half-open", func() bool { return b.Status().Breaker == halfOpen })
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		_, _ = b.Infer(t.Context(), Terms{}, wire.NewFrame(digitsRequest(t, 1)), func(*wire.Response) Verdict { panic("a bug in the check") })
	}()
	if s := b.Status(); s.Breaker != halfOpen || s.InFlight != 0 {
		t.Fatalf("status %+v", s)
	}
	if _, f := infer(t, t.Context(), b, digitsRequest(t, 1)); f != nil {
		t.Errorf("the next probe was refused: %v", f)
	}
}

func TestContractFailuresOpenTheBreaker(t *testing.T) {
	for _, test := range []struct {
		name    string
		verdict Verdict
		used    bool
	}{
		{"whole answer", Verdict{Unusable: "another shape"}, false},
		{"some rows", Verdict{BadRows: 1, Detail: "row 1: NaN"}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := oiptest.Start(t, digitsModel())
			cfg := digitsConfig(server.Addr())
			cfg.Breaker.OpenFor = durationpb.New(time.Hour)
			b := dial(t, cfg, Options{})
			for range 4 {
				answer, err := b.Infer(t.Context(), Terms{}, wire.NewFrame(digitsRequest(t, 2)), func(*wire.Response) Verdict { return test.verdict })
				f := failureOf(t, err)
				if test.used && (f != nil || answer.Verdict != test.verdict) {
					t.Fatalf("answer %+v, failure %v", answer, f)
				}
				if !test.used && (f == nil || f.Reason != candorv1.Reason_REASON_CONTRACT_FAILURE || f.Message != "another shape") {
					t.Fatalf("failure %+v", f)
				}
			}
			if s := b.Status(); s.Breaker != open || s.ContractFailures != 4 || s.Failures != 4 {
				t.Errorf("status %+v", s)
			}
		})
	}
}
