package backend

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/oiptest"
	"github.com/candor-gateway/candor/internal/wire"
)

// begin lets one request onto a stream.
func begin(t *testing.T, b *Backend, data []byte) *Turn {
	t.Helper()
	turn, f := b.Begin(t.Context(), Terms{}, len(data), false)
	if f != nil {
		t.Fatal(f)
	}
	t.Cleanup(turn.End)
	return turn
}

func openStream(t *testing.T, ctx context.Context, b *Backend) *Stream {
	t.Helper()
	s, f := b.OpenStream(ctx, b.Timeout(), new(Turn))
	if f != nil {
		t.Fatal(f)
	}
	t.Cleanup(s.Close)
	return s
}

func TestStreamAnswersInBothFrames(t *testing.T) {
	for _, dialect := range []candorv1.Dialect{candorv1.Dialect_DIALECT_TRITON, candorv1.Dialect_DIALECT_UNSPECIFIED, candorv1.Dialect_DIALECT_MLSERVER} {
		t.Run(dialect.String(), func(t *testing.T) {
			bare := dialect == candorv1.Dialect_DIALECT_MLSERVER
			server := oiptest.StartWith(t, oiptest.Options{Bare: bare}, digitsModel())
			cfg := digitsConfig(server.Addr())
			cfg.Dialect = dialect
			watch := new(recorder)
			b := dial(t, cfg, Options{Observer: watch})
			if b.StreamsBare() != bare {
				t.Fatalf("bare: %v", b.StreamsBare())
			}
			s := openStream(t, t.Context(), b)
			for range 3 {
				data := digitsRequest(t, 2)
				turn := begin(t, b, data)
				if got := b.Status().InFlight; got != 1 {
					t.Errorf("%d in flight", got)
				}
				if err := s.Send(wire.NewFrame(data)); err != nil {
					t.Fatal(err)
				}
				m, f := s.Recv()
				if f != nil || m.Error != "" || len(m.Response.Outputs) != 1 {
					t.Fatalf("%v, %v", m, f)
				}
				answer, f := turn.Answer(t.Context(), m.Response, true, func(*wire.Response) Verdict { return Verdict{BadRows: 1, Detail: "odd"} })
				if f != nil || answer.Verdict.BadRows != 1 || answer.Response != m.Response {
					t.Fatalf("%v, %v", answer, f)
				}
				turn.End()
				turn.End()
			}
			s.CloseSend()
			if m, f := s.Recv(); m != nil || f != nil {
				t.Errorf("after the end: %v, %v", m, f)
			}
			if err := s.Send(wire.NewFrame(digitsRequest(t, 1))); err != io.EOF {
				t.Errorf("sent after the end: %v", err)
			}
			st := b.Status()
			if st.Calls != 3 || st.Failures != 3 || st.InFlight != 0 {
				t.Errorf("%+v", st)
			}
			attempts, _ := watch.seen()
			if len(attempts) != 3 || attempts[0].Number != 1 || attempts[0].ResponseBytes == 0 || attempts[0].Verdict.BadRows != 1 {
				t.Errorf("%+v", attempts)
			}
		})
	}
}

// What a cut stream had outstanding is one failure.
func TestStreamCutCountsOnce(t *testing.T) {
	server := oiptest.Start(t, digitsModel())
	cfg := digitsConfig(server.Addr())
	cfg.Breaker.OpenFor = durationpb.New(time.Hour)
	b := dial(t, cfg, Options{})
	s := openStream(t, t.Context(), b)
	server.Hang()
	var turns []*Turn
	for range 10 {
		data := digitsRequest(t, 1)
		turns = append(turns, begin(t, b, data))
		if err := s.Send(wire.NewFrame(data)); err != nil {
			t.Fatal(err)
		}
	}
	if err := server.AwaitCalls(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	server.Kill()
	_, f := s.Recv()
	if f == nil || f.Class != Failed || f.Code != codes.Unavailable || f.Source != candorv1.FailureSource_FAILURE_SOURCE_INFERRED {
		t.Fatalf("%+v", f)
	}
	for i, turn := range turns {
		own := turn.Fail(t.Context(), f, i == 0)
		if own.Backend != "primary" || own.Attempts != 1 || own.Message == "" || strings.Contains(own.Message, "127.0.0.1") {
			t.Errorf("%+v", own)
		}
		turn.End()
	}
	if st := b.Status(); st.Failures != 1 || st.InFlight != 0 || st.Breaker != closed {
		t.Errorf("%+v", st)
	}
	// It would take four such streams.
	for range 3 {
		turn, f := b.Begin(t.Context(), Terms{}, 1, false)
		if f != nil {
			t.Fatal(f)
		}
		turn.Fail(t.Context(), Unanswered(), true)
		turn.End()
	}
	if _, f := b.Begin(t.Context(), Terms{}, 1, false); f == nil || f.Reason != candorv1.Reason_REASON_BREAKER_OPEN {
		t.Errorf("%v", f)
	}
}

// Further answers of a decoupled model count, too; an empty last one doesn't.
func TestStreamFurtherAnswers(t *testing.T) {
	server := oiptest.Start(t, digitsModel())
	cfg := digitsConfig(server.Addr())
	cfg.Breaker.OpenFor = durationpb.New(time.Hour)
	b := dial(t, cfg, Options{})
	turn := begin(t, b, nil)
	good, err := wire.ScanResponse(wire.NewFrame())
	if err != nil {
		t.Fatal(err)
	}
	fine := func(*wire.Response) Verdict { return Verdict{} }
	for range 2 {
		if _, f := turn.Answer(t.Context(), good, false, fine); f != nil {
			t.Fatal(f)
		}
	}
	if _, f := turn.Answer(t.Context(), good, false, nil); f != nil {
		t.Fatal(f)
	}
	if st := b.Status(); st.Calls != 2 || st.Failures != 0 {
		t.Errorf("%+v", st)
	}
	for range 2 {
		if _, f := turn.Answer(t.Context(), good, false, func(*wire.Response) Verdict { return Verdict{Unusable: "NaN"} }); f == nil || f.Reason != candorv1.Reason_REASON_CONTRACT_FAILURE {
			t.Fatal(f)
		}
	}
	if st := b.Status(); st.Breaker != open || st.ContractFailures != 2 {
		t.Errorf("%+v", st)
	}
}

func TestStreamSlotsAreTheRequests(t *testing.T) {
	server := oiptest.Start(t, digitsModel())
	cfg := digitsConfig(server.Addr())
	cfg.MaxInFlight = proto.Uint32(2)
	b := dial(t, cfg, Options{})
	for range 5 {
		openStream(t, t.Context(), b)
	}
	one, two := begin(t, b, nil), begin(t, b, nil)
	if _, f := b.Begin(t.Context(), Terms{}, 0, false); f == nil || f.Class != Overload {
		t.Errorf("%v", f)
	}
	one.End()
	begin(t, b, nil).End()
	two.End()
	if _, f := b.Begin(t.Context(), Terms{}, defaultMaxMessageBytes+1, false); f == nil || f.Class != Excluded || f.Code != codes.ResourceExhausted {
		t.Errorf("%v", f)
	}
	if got := b.Status().InFlight; got != 0 {
		t.Errorf("%d in flight", got)
	}
}

// A probe that is never answered must not block a half-open breaker for ever, and one on a stream that ends doesn't.
func TestStreamProbeIsGivenBack(t *testing.T) {
	server := oiptest.Start(t, digitsModel())
	b := dial(t, digitsConfig(server.Addr()), Options{})
	server.FailWith(status.Error(codes.Internal, "boom"))
	for range 4 {
		infer(t, t.Context(), b, digitsRequest(t, 1))
	}
	server.FailWith(nil)
	var probe *Turn
	eventually(t, "a probe is let through", func() bool {
		turn, f := b.Begin(t.Context(), Terms{}, 1, false)
		probe = turn
		return f == nil
	})
	probe.End()
	heals(t, b)
}

func TestStreamTimesOut(t *testing.T) {
	server := oiptest.Start(t, digitsModel())
	cfg := digitsConfig(server.Addr())
	cfg.Timeout, cfg.Dialect = durationpb.New(50*time.Millisecond), candorv1.Dialect_DIALECT_TRITON
	b := dial(t, cfg, Options{})
	server.Hang()
	data := digitsRequest(t, 1)
	for _, test := range []struct {
		name    string
		silence time.Duration
		class   Class
	}{
		{"the backend's own time", b.Timeout(), Failed},
		// Nothing has been measured, so it takes a twentieth of the time-out for a silence to count.
		{"less than the backend needs", time.Millisecond, Excluded},
		{"what the caller left, and enough", 20 * time.Millisecond, Failed},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, f := b.OpenStream(t.Context(), patience, new(Turn))
			if f != nil {
				t.Fatal(f)
			}
			t.Cleanup(s.Close)
			s.Expect(test.silence)
			turn := begin(t, b, data)
			if err := s.Send(wire.NewFrame(data)); err != nil {
				t.Fatal(err)
			}
			_, f = s.Recv()
			if f == nil || f.Class != test.class || f.Reason != candorv1.Reason_REASON_DEADLINE {
				t.Fatalf("%+v", f)
			}
			turn.Fail(t.Context(), f, true)
		})
	}
}

// A host that takes the connection and says nothing holds an opening stream no longer than the silence that is allowed.
func TestStreamToNobody(t *testing.T) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = lis.Close() }()
	b := dial(t, digitsConfig(lis.Addr().String()), Options{})
	_, f := b.OpenStream(t.Context(), 50*time.Millisecond, new(Turn))
	if f == nil || f.Reason != candorv1.Reason_REASON_DEADLINE {
		t.Errorf("%+v", f)
	}
	server := oiptest.Start(t, digitsModel())
	gone := dial(t, digitsConfig(server.Addr()), Options{})
	server.Kill()
	if _, f := gone.OpenStream(t.Context(), gone.Timeout(), new(Turn)); f == nil || f.Class != Failed || f.Code != codes.Unavailable {
		t.Errorf("%+v", f)
	}
}

// A model server that reads nothing makes Send wait, until the silence has lasted too long.
func TestStreamSendWaits(t *testing.T) {
	stop := make(chan struct{})
	server := oiptest.Start(t, digitsModel())
	server.ScriptStream(func(*oiptest.Stream) error { <-stop; return nil })
	t.Cleanup(func() { close(stop) })
	b := dial(t, digitsConfig(server.Addr()), Options{})
	s := openStream(t, t.Context(), b)
	s.Expect(200 * time.Millisecond)
	failed := make(chan *Failure, 1)
	go func() {
		_, f := s.Recv()
		failed <- f
	}()
	data, sent := digitsRequest(t, 100_000), 0
	for s.Send(wire.NewFrame(data)) == nil {
		// Well beyond every window that HTTP/2 opens.
		if sent++; sent > 200 {
			t.Fatal("a server that reads nothing was sent everything")
		}
	}
	if f := <-failed; f == nil || f.Reason != candorv1.Reason_REASON_DEADLINE {
		t.Errorf("%+v", f)
	}
}

func TestStreamEndsWithItsCaller(t *testing.T) {
	server := oiptest.Start(t, digitsModel())
	server.Hang()
	b := dial(t, digitsConfig(server.Addr()), Options{})
	ctx, cancel := context.WithCancel(t.Context())
	s := openStream(t, ctx, b)
	data := digitsRequest(t, 1)
	turn := begin(t, b, data)
	if err := s.Send(wire.NewFrame(data)); err != nil {
		t.Fatal(err)
	}
	if err := server.AwaitCalls(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	cancel()
	_, f := s.Recv()
	if f == nil || f.Class != Excluded || f.Code != codes.Canceled {
		t.Fatalf("%+v", f)
	}
	turn.Fail(ctx, f, true)
	if st := b.Status(); st.Failures != 0 || st.Excluded != 1 {
		t.Errorf("%+v", st)
	}
	// With a cause of its own, too.
	cause, stop := context.WithCancelCause(t.Context())
	s = openStream(t, cause, b)
	stop(errors.New("another request's error"))
	if _, f := s.Recv(); f == nil || f.Class != Excluded {
		t.Errorf("%+v", f)
	}
}

func TestSaid(t *testing.T) {
	for message, want := range map[string]struct {
		class Class
		code  codes.Code
	}{
		"[request id: 7] unexpected shape for input 'IN' for model 'm'. Expected [-1,16], got [1,8]. ": {Alive, codes.InvalidArgument},
		"[request id: <id_unknown>] expected 2 inputs but got 1 inputs for model 'm'":                  {Alive, codes.InvalidArgument},
		"inference request batch-size must be <= 8 for 'm'":                                            {Alive, codes.InvalidArgument},
		"inference request for sequence 7 to model 'm' must specify the START flag on the first":       {Alive, codes.InvalidArgument},
		"Request for unknown model: 'm' is not found":                                                  {Alive, codes.NotFound},
		"[request id: 3] Exceeds maximum queue size":                                                   {Overload, codes.Unavailable},
		"Request timeout expired": {Overload, codes.Unavailable},
		"GRPC server is shutting down and has stopped accepting new requests.":                     {Failed, codes.Unavailable},
		"Failed to process the request(s) for model instance 'm_0_0', message: RuntimeError: boom": {Failed, codes.Internal},
		"Failed to process the request(s), message: ValueError: could not convert string to float": {Alive, codes.Internal},
		"CUDA error: an illegal memory access":                                                     {Failed, codes.Internal},
		"the moon is in the wrong house":                                                           {Alive, codes.Internal},
	} {
		f := said(message)
		if f.Class != want.class || f.Code != want.code || f.Source != candorv1.FailureSource_FAILURE_SOURCE_BACKEND || f.Reason == 0 {
			t.Errorf("%q: %+v", message, f)
		}
	}
}
