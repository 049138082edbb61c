package backend

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/gen/inference"
	"github.com/candor-gateway/candor/internal/oiptest"
	"github.com/candor-gateway/candor/internal/wire"
	"github.com/candor-gateway/candor/router"
)

func TestInferAnswers(t *testing.T) {
	server := oiptest.Start(t, digitsModel())
	watch := new(recorder)
	b := dial(t, digitsConfig(server.Addr()), Options{Observer: watch})

	var evidence []router.Evidence
	answer, err := b.Infer(t.Context(), Terms{}, wire.NewFrame(digitsRequest(t, 3)), func(r *wire.Response) Verdict {
		var v Verdict
		evidence, v = b.Card().Evidence(nil, "primary", r, 3, Reading{Method: candorv1.ConfidenceMethod_CONFIDENCE_METHOD_MAX_PROB})
		return v
	})
	if err != nil {
		t.Fatal(err)
	}
	if answer.Attempts != 1 || answer.Response.ModelVersion != "1" || answer.Verdict != (Verdict{}) {
		t.Errorf("answer %+v, version %q", answer, answer.Response.ModelVersion)
	}
	if len(evidence) != 3 || evidence[2].Label != "yes" || *evidence[2].Confidence != 0.75 {
		t.Errorf("evidence %+v", evidence)
	}
	s := b.Status()
	if s.Calls != 1 || s.Failures != 0 || s.InFlight != 0 || s.Breaker != candorv1.BreakerState_BREAKER_STATE_CLOSED {
		t.Errorf("status %+v", s)
	}
	attempts, _ := watch.seen()
	if len(attempts) != 1 || attempts[0].Number != 1 || attempts[0].Failure != nil || attempts[0].ResponseBytes == 0 {
		t.Errorf("attempts %+v", attempts)
	}
}

func TestInferForwardsOutgoingMetadata(t *testing.T) {
	got := make(chan []string, 1)
	server := oiptest.Start(t, oiptest.Model{Name: "digits", Infer: func(ctx context.Context, req *inference.ModelInferRequest) (*inference.ModelInferResponse, error) {
		md, _ := metadata.FromIncomingContext(ctx)
		got <- md.Get("traceparent")
		return oiptest.Const(1, 0)(ctx, req)
	}})
	b := dial(t, digitsConfig(server.Addr()), Options{})
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	if _, f := infer(t, metadata.AppendToOutgoingContext(t.Context(), "traceparent", parent), b, digitsRequest(t, 1)); f != nil {
		t.Fatal(f)
	}
	if h := <-got; len(h) != 1 || h[0] != parent {
		t.Errorf("traceparent %q", h)
	}
}

// Each status, as a real server sends it.
func TestInferClasses(t *testing.T) {
	pushback := func(ctx context.Context, req *inference.ModelInferRequest) (*inference.ModelInferResponse, error) {
		if err := grpc.SetTrailer(ctx, metadata.Pairs(pushbackHeader, "250")); err != nil {
			return nil, err
		}
		return oiptest.Fail(codes.Unavailable, "busy")(ctx, req)
	}
	for _, test := range []struct {
		name    string
		dialect candorv1.Dialect
		answer  oiptest.Responder
		class   Class
		reason  candorv1.Reason
		code    codes.Code
	}{
		{"unavailable", 0, oiptest.Fail(codes.Unavailable, "going down"), Failed, candorv1.Reason_REASON_BACKEND_FAILURE, codes.Unavailable},
		{"internal", 0, oiptest.Fail(codes.Internal, "boom"), Failed, candorv1.Reason_REASON_BACKEND_FAILURE, codes.Internal},
		{"unknown without a word", 0, oiptest.Fail(codes.Unknown, ""), Failed, candorv1.Reason_REASON_BACKEND_FAILURE, codes.Unknown},
		{"data loss", 0, oiptest.Fail(codes.DataLoss, "x"), Failed, candorv1.Reason_REASON_BACKEND_FAILURE, codes.DataLoss},
		{"cancelled by the server", 0, oiptest.Fail(codes.Canceled, "x"), Failed, candorv1.Reason_REASON_BACKEND_FAILURE, codes.Canceled},
		{"exhausted", 0, oiptest.Fail(codes.ResourceExhausted, "queue full"), Overload, candorv1.Reason_REASON_OVERLOAD, codes.ResourceExhausted},
		{"pushback", 0, pushback, Overload, candorv1.Reason_REASON_OVERLOAD, codes.Unavailable},
		{
			"triton's full queue", candorv1.Dialect_DIALECT_TRITON, oiptest.Fail(codes.Unavailable, "[request id: 1] Exceeds maximum queue size"),
			Overload, candorv1.Reason_REASON_OVERLOAD, codes.Unavailable,
		},
		{
			"the same words from another server", candorv1.Dialect_DIALECT_OIP, oiptest.Fail(codes.Unavailable, "Exceeds maximum queue size"),
			Failed, candorv1.Reason_REASON_BACKEND_FAILURE, codes.Unavailable,
		},
		{
			"kserve's crash", candorv1.Dialect_DIALECT_KSERVE, oiptest.Fail(codes.InvalidArgument, "CUDA error: an illegal memory access"),
			Failed, candorv1.Reason_REASON_BACKEND_FAILURE, codes.InvalidArgument,
		},
		{
			"kserve's bad input", candorv1.Dialect_DIALECT_KSERVE, oiptest.Fail(codes.InvalidArgument, "X has 3 features, but SVC expects 4"),
			Alive, candorv1.Reason_REASON_BACKEND_FAILURE, codes.InvalidArgument,
		},
		{
			"a crash by its words, of another server", candorv1.Dialect_DIALECT_MLSERVER, oiptest.Fail(codes.InvalidArgument, "CUDA error"),
			Alive, candorv1.Reason_REASON_BACKEND_FAILURE, codes.InvalidArgument,
		},
		{"not found", 0, oiptest.Fail(codes.NotFound, "x"), Alive, candorv1.Reason_REASON_BACKEND_FAILURE, codes.NotFound},
		{"precondition", 0, oiptest.Fail(codes.FailedPrecondition, "x"), Alive, candorv1.Reason_REASON_BACKEND_FAILURE, codes.FailedPrecondition},
		{"range", 0, oiptest.Fail(codes.OutOfRange, "x"), Alive, candorv1.Reason_REASON_BACKEND_FAILURE, codes.OutOfRange},
		{"unauthenticated", 0, oiptest.Fail(codes.Unauthenticated, "x"), Alive, candorv1.Reason_REASON_BACKEND_FAILURE, codes.Unauthenticated},
		{"denied", 0, oiptest.Fail(codes.PermissionDenied, "x"), Alive, candorv1.Reason_REASON_BACKEND_FAILURE, codes.PermissionDenied},
		{"unimplemented", 0, oiptest.Fail(codes.Unimplemented, "x"), Alive, candorv1.Reason_REASON_BACKEND_FAILURE, codes.Unimplemented},
		{"early deadline of the server's own", 0, oiptest.Fail(codes.DeadlineExceeded, "x"), Excluded, candorv1.Reason_REASON_DEADLINE, codes.DeadlineExceeded},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := oiptest.Start(t, oiptest.Model{Name: "digits", Infer: test.answer})
			cfg := digitsConfig(server.Addr())
			cfg.Dialect = test.dialect
			cfg.Retry = &candorv1.RetryConfig{MaxAttempts: proto.Uint32(1)}
			b := dial(t, cfg, Options{})
			answer, f := infer(t, t.Context(), b, digitsRequest(t, 1))
			if answer != nil || f == nil {
				t.Fatalf("answer %v, failure %v", answer, f)
			}
			if f.Class != test.class || f.Reason != test.reason || f.Code != test.code {
				t.Errorf("%v, %v, %v; want %v, %v, %v", f.Class, f.Reason, f.Code, test.class, test.reason, test.code)
			}
			if f.Source != candorv1.FailureSource_FAILURE_SOURCE_BACKEND || f.Backend != "primary" || f.Attempts != 1 || f.Message == "" {
				t.Errorf("failure %+v", f)
			}
		})
	}
}

func TestInferUnimplementedRaisesOneAlarm(t *testing.T) {
	server := oiptest.Start(t, oiptest.Model{Name: "digits"})
	var log bytes.Buffer
	b := dial(t, digitsConfig(server.Addr()), Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	for range 3 {
		if _, f := infer(t, t.Context(), b, digitsRequest(t, 1)); f == nil || f.Class != Alive {
			t.Fatalf("failure %v", f)
		}
	}
	if n := strings.Count(log.String(), "does not implement ModelInfer"); n != 1 || b.Status().Alarm == "" {
		t.Errorf("%d alarms in the log, status %+v\n%s", n, b.Status(), log.String())
	}
}

func TestInferConnectionFailureIsInferredAndHeals(t *testing.T) {
	server := oiptest.Start(t, digitsModel())
	b := dial(t, digitsConfig(server.Addr()), Options{})
	server.Kill()
	_, f := infer(t, t.Context(), b, digitsRequest(t, 1))
	if f == nil || f.Class != Failed || f.Code != codes.Unavailable || f.Source != candorv1.FailureSource_FAILURE_SOURCE_INFERRED {
		t.Fatalf("failure %+v", f)
	}
	if strings.Contains(f.Message, "127.0.0.1") || !strings.Contains(f.Message, "refused") {
		t.Errorf("message %q", f.Message)
	}
	server.Restart()
	eventually(t, "answered after the restart", func() bool {
		_, f := infer(t, t.Context(), b, digitsRequest(t, 1))
		return f == nil
	})
}

func TestInferKilledInTheMiddle(t *testing.T) {
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
	f := <-result
	if f == nil || f.Class != Failed || f.Source != candorv1.FailureSource_FAILURE_SOURCE_INFERRED {
		t.Errorf("failure %+v", f)
	}
}

func TestInferDeadlines(t *testing.T) {
	server := oiptest.Start(t, digitsModel())
	server.Hang()
	cfg := digitsConfig(server.Addr())
	cfg.Timeout = durationpb.New(60 * time.Millisecond)
	short := dial(t, cfg, Options{})
	long := dial(t, digitsConfig(server.Addr()), Options{})

	t.Run("our timer", func(t *testing.T) {
		_, f := infer(t, t.Context(), short, digitsRequest(t, 1))
		if f == nil || f.Class != Failed || f.Reason != candorv1.Reason_REASON_DEADLINE || f.Code != codes.DeadlineExceeded ||
			f.Source != candorv1.FailureSource_FAILURE_SOURCE_INFERRED {
			t.Errorf("failure %+v", f)
		}
	})
	t.Run("the caller's deadline", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 60*time.Millisecond)
		defer cancel()
		_, f := infer(t, ctx, long, digitsRequest(t, 1))
		if f == nil || f.Class != Excluded || f.Reason != candorv1.Reason_REASON_DEADLINE || f.Attempts != 1 {
			t.Errorf("failure %+v", f)
		}
	})
	t.Run("the caller cancels", func(t *testing.T) {
		before := server.Calls()
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			_ = server.AwaitCalls(t.Context(), before+1)
			cancel()
		}()
		_, f := infer(t, ctx, long, digitsRequest(t, 1))
		if f == nil || f.Class != Excluded || f.Code != codes.Canceled || f.Attempts != 1 {
			t.Errorf("failure %+v", f)
		}
	})
	t.Run("already cancelled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, f := infer(t, ctx, long, digitsRequest(t, 1)); f == nil || f.Class != Excluded || f.Attempts != 0 {
			t.Errorf("failure %+v", f)
		}
	})
	t.Run("less than the minimum is left", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		_, f := infer(t, ctx, long, digitsRequest(t, 1))
		if f == nil || f.Class != Excluded || f.Reason != candorv1.Reason_REASON_DEADLINE || f.Attempts != 0 {
			t.Errorf("failure %+v", f)
		}
	})
}

func TestInferSizes(t *testing.T) {
	const limit = 4096
	big := func(ctx context.Context, req *inference.ModelInferRequest) (*inference.ModelInferResponse, error) {
		return oiptest.Reply(req, oiptest.FP32("y", []int64{limit}, make([]float32, limit)...)), nil
	}
	server := oiptest.StartWith(t, oiptest.Options{MaxMessageBytes: 2 * limit}, oiptest.Model{Name: "digits", Infer: big})
	small := dial(t, digitsConfig(server.Addr()), Options{MaxMessageBytes: limit})
	large := dial(t, digitsConfig(server.Addr()), Options{})

	for _, test := range []struct {
		name     string
		backend  *Backend
		rows     int
		class    Class
		attempts int
		source   candorv1.FailureSource
		text     string
	}{
		{"request beyond our limit", small, limit, Excluded, 0, candorv1.FailureSource_FAILURE_SOURCE_INFERRED, "more than max_message_bytes, 4096"},
		{"answer beyond our limit", small, 1, Excluded, 1, candorv1.FailureSource_FAILURE_SOURCE_INFERRED, " bytes is larger than max_message_bytes, 4096"},
		{"request beyond the server's limit", large, limit, Alive, 1, candorv1.FailureSource_FAILURE_SOURCE_BACKEND, "larger than max"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, f := infer(t, t.Context(), test.backend, digitsRequest(t, test.rows))
			if f == nil || f.Class != test.class || f.Code != codes.ResourceExhausted || f.Attempts != test.attempts || f.Source != test.source {
				t.Fatalf("failure %+v", f)
			}
			if !strings.Contains(f.Message, test.text) {
				t.Errorf("message %q does not say %q", f.Message, test.text)
			}
		})
	}
}

func TestInferContract(t *testing.T) {
	raw := func(m proto.Message) oiptest.Responder {
		data, err := proto.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return oiptest.Bytes(data)
	}
	good := oiptest.Response(oiptest.RawForm, oiptest.FP32(oiptest.ProbabilitiesOutput, []int64{1, 2}, 0.5, 0.5))
	versioned := func(v string) oiptest.Responder {
		m := proto.CloneOf(good)
		m.ModelVersion = v
		return raw(m)
	}
	short := proto.CloneOf(good)
	short.RawOutputContents[0] = short.RawOutputContents[0][:4]
	for _, test := range []struct {
		name   string
		answer oiptest.Responder
		text   string
	}{
		{"pinned version", versioned("1"), ""},
		{"no version", versioned(""), ""},
		{"another version", versioned("2"), `version "2" answered, version "1" is pinned`},
		{"no message", oiptest.Bytes([]byte{0x0a, 0xff}), "not a ModelInferResponse"},
		{"truncated tensor", raw(short), "contents[0]: 1 elements"},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := oiptest.Start(t, oiptest.Model{Name: "digits", Infer: test.answer})
			b := dial(t, digitsConfig(server.Addr()), Options{})
			_, f := infer(t, t.Context(), b, digitsRequest(t, 1))
			if test.text == "" {
				if f != nil {
					t.Error(f)
				}
				return
			}
			if f == nil || f.Class != Failed || f.Reason != candorv1.Reason_REASON_CONTRACT_FAILURE ||
				f.Source != candorv1.FailureSource_FAILURE_SOURCE_INFERRED || !strings.Contains(f.Message, test.text) {
				t.Errorf("failure %+v", f)
			}
			if s := b.Status(); s.ContractFailures != 1 || s.Failures != 1 || s.LastFailure != f.Message {
				t.Errorf("status %+v", s)
			}
		})
	}
}

func TestInferMaxInFlight(t *testing.T) {
	server := oiptest.Start(t, digitsModel())
	cfg := digitsConfig(server.Addr())
	cfg.MaxInFlight = proto.Uint32(1)
	b := dial(t, cfg, Options{})
	server.Hang()
	first := make(chan *Failure, 1)
	go func() {
		_, f := infer(t, context.Background(), b, digitsRequest(t, 1))
		first <- f
	}()
	if err := server.AwaitCalls(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	_, f := infer(t, t.Context(), b, digitsRequest(t, 1))
	if f == nil || f.Class != Overload || f.Reason != candorv1.Reason_REASON_OVERLOAD || f.Attempts != 0 ||
		f.Source != candorv1.FailureSource_FAILURE_SOURCE_INFERRED {
		t.Errorf("failure %+v", f)
	}
	if n := b.Status().InFlight; n != 1 {
		t.Errorf("%d in flight", n)
	}
	server.Resume()
	if f := <-first; f != nil {
		t.Error(f)
	}
	if _, f := infer(t, t.Context(), b, digitsRequest(t, 1)); f != nil {
		t.Errorf("the slot was not given back: %v", f)
	}
}

// An attempt begins when the model server is asked: waiting for a place is no part of it.
func TestInferThatWaitedForItsPlace(t *testing.T) {
	server := oiptest.Start(t, digitsModel())
	watch := new(recorder)
	b := dial(t, digitsConfig(server.Addr()), Options{Observer: watch})
	b.limiter.g.limit = 1
	b.tempo.answered(time.Now(), time.Hour) // so that waiting isn't too long
	hold := make(chan struct{})
	server.Script(func(ctx context.Context, req *inference.ModelInferRequest) (*inference.ModelInferResponse, error) {
		<-hold
		return oiptest.Const(0.25, 0.75)(ctx, req)
	})
	request := digitsRequest(t, 1)
	var both sync.WaitGroup
	call := func() {
		if _, err := b.Infer(t.Context(), Terms{}, wire.NewFrame(request), nil); err != nil {
			t.Error(err)
		}
	}
	both.Go(call)
	eventually(t, "a call in flight", func() bool { return server.Calls() == 1 })
	both.Go(call)
	eventually(t, "one that waits", func() bool { return b.Status().Queued == 1 })
	freed := time.Now()
	close(hold)
	both.Wait()
	attempts, _ := watch.seen()
	if last := attempts[len(attempts)-1]; last.Start.Before(freed) || last.Duration > time.Since(freed) {
		t.Errorf("began %v before there was a place, and took %v", freed.Sub(last.Start), last.Duration)
	}
}

func TestInferAfterClose(t *testing.T) {
	server := oiptest.Start(t, digitsModel())
	b, err := Dial("primary", digitsConfig(server.Addr()), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if _, f := infer(t, t.Context(), b, digitsRequest(t, 1)); f == nil || f.Class != Excluded {
		t.Errorf("failure %+v", f)
	}
	if b.Ready(t.Context()) {
		t.Error("ready after Close")
	}
}

// recorder is an Observer that remembers. It asks for the status inside of its methods, which must not deadlock.
type recorder struct {
	backend *Backend

	mu       sync.Mutex
	attempts []Attempt
	changes  []change
}

func (r *recorder) Attempt(_ context.Context, a Attempt) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.attempts = append(r.attempts, a)
}

func (r *recorder) BreakerChanged(_ string, from, to candorv1.BreakerState) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.changes = append(r.changes, change{from, to})
	if r.backend != nil {
		r.backend.Status()
	}
}

func (r *recorder) seen() ([]Attempt, []change) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]Attempt(nil), r.attempts...), append([]change(nil), r.changes...)
}
