package load

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/candor-gateway/candor/bench/payload"
	"github.com/candor-gateway/candor/gen/inference"
	"github.com/candor-gateway/candor/internal/heldport"
)

func TestAgainstStub(t *testing.T) {
	t.Parallel()
	addr := serveStub(t)
	t.Run("one row", func(t *testing.T) { good(t, tabular(addr)) })
	t.Run("a batch", func(t *testing.T) {
		o := tabular(addr)
		o.Message, o.Check = payload.TabularRequest(256), payload.Exactly(payload.Answer(payload.Tabular, 256, nil))
		good(t, o)
	})
	t.Run("a picture, which is larger than the windows", func(t *testing.T) {
		o := tabular(addr)
		o.Message, o.Check = payload.ImageRequest(), payload.Exactly(payload.Answer(payload.Image, 1, nil))
		good(t, o)
	})
	t.Run("an open loop", func(t *testing.T) {
		o := tabular(addr)
		o.InFlight, o.Rate = 0, 500
		r := good(t, o)
		// A connection may be in the middle of one request at either edge.
		if uint64(len(r.Latencies)+2*o.Connections) < r.Completed {
			t.Errorf("%d latencies of %d requests", len(r.Latencies), r.Completed)
		}
		for _, l := range r.Latencies {
			if l <= 0 {
				t.Fatalf("a latency of %v", l)
			}
		}
	})
}

// A server that others wrote gets whole requests, whatever their size and its windows, and its answers are taken for good.
func TestAgainstRealServer(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		message []byte
		opts    []grpc.ServerOption
	}{
		"one row":       {payload.TabularRequest(1), nil},
		"a picture":     {payload.ImageRequest(), nil},
		"few streams":   {payload.TabularRequest(1), []grpc.ServerOption{grpc.MaxConcurrentStreams(2)}},
		"small windows": {payload.ImageRequest(), []grpc.ServerOption{grpc.StaticStreamWindowSize(65535), grpc.StaticConnWindowSize(65535)}},
		"no table":      {payload.TabularRequest(1), []grpc.ServerOption{grpc.HeaderTableSize(0)}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := new(inference.ModelInferRequest)
			if err := proto.Unmarshal(test.message, want); err != nil {
				t.Fatal(err)
			}
			out := &inference.ModelInferResponse{Id: strings.Repeat("long ", 20_000)} // several frames
			encoded, err := proto.Marshal(out)
			if err != nil {
				t.Fatal(err)
			}
			var other atomic.Int64
			o := tabular(serveGRPC(t, server{infer: func(ctx context.Context, in *inference.ModelInferRequest) (*inference.ModelInferResponse, error) {
				if !proto.Equal(in, want) {
					other.Add(1)
				}
				// Headers that never come again, so that the table turns over, and trailers that fill several frames.
				_ = grpc.SetHeader(ctx, metadata.Pairs("x-id", time.Now().String()))
				_ = grpc.SetTrailer(ctx, metadata.Pairs("x-long", strings.Repeat("x", 20_000)))
				return out, nil
			}}, test.opts...))
			o.Message, o.Check = test.message, payload.Exactly(encoded)
			good(t, o)
			if n := other.Load(); n > 0 {
				t.Errorf("%d requests came that weren't sent", n)
			}
		})
	}
}

// What is wrong with an answer counts, and says what it is.
func TestCountsWrongAnswers(t *testing.T) {
	t.Parallel()
	right := &inference.ModelInferResponse{Id: "right"}
	encoded, err := proto.Marshal(right)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		infer  func(context.Context, *inference.ModelInferRequest) (*inference.ModelInferResponse, error)
		method string
		want   string
	}{
		"another answer": {func(context.Context, *inference.ModelInferRequest) (*inference.ModelInferResponse, error) {
			return &inference.ModelInferResponse{Id: "wrong"}, nil
		}, payload.Method, "not the model server's"},
		"a status": {func(context.Context, *inference.ModelInferRequest) (*inference.ModelInferResponse, error) {
			return nil, status.Error(codes.ResourceExhausted, "too many")
		}, payload.Method, `gRPC status "8": too many`},
		"no such method": {nil, "/inference.GRPCInferenceService/No", `gRPC status "12"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := tabular(serveGRPC(t, server{infer: test.infer}))
			o.Method, o.Check = test.method, payload.Exactly(encoded)
			r := ran(t, o)
			if r.Total == 0 || r.Failed != r.Total || r.FirstError == nil || !strings.Contains(r.FirstError.Error(), test.want) {
				t.Errorf("%d of %d failed: %v", r.Failed, r.Total, r.FirstError)
			}
		})
	}
}

// A server that stalls is charged for the requests that were due meanwhile, though they could not be sent.
func TestNoCoordinatedOmission(t *testing.T) {
	t.Parallel()
	const (
		rate = 1000
		due  = 50 // requests that come due while the first one is held
	)
	var calls atomic.Int64
	release := make(chan struct{})
	addr := serveGRPC(t, server{infer: func(context.Context, *inference.ModelInferRequest) (*inference.ModelInferResponse, error) {
		if calls.Add(1) == 1 {
			<-release
		}
		return &inference.ModelInferResponse{}, nil
	}}, grpc.MaxConcurrentStreams(1))
	r := &run{o: Options{
		Addr: addr, Method: payload.Method, Message: payload.TabularRequest(1), Check: func([]byte) error { return nil },
		Connections: 1, Rate: rate, Window: window,
	}, began: time.Now()}
	c, err := r.dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r.conns = []*conn{c}
	r.counting.Store(true)
	// The requests of an open loop, sent at the times that its clock says.
	for i := range due {
		if err := c.send(time.Duration(i) * time.Second / rate); err != nil {
			t.Fatal(err)
		}
	}
	held := r.now()
	close(release)
	ended := make(chan error, 1)
	go func() { ended <- c.loop() }()
	select {
	case <-c.drained():
	case err := <-ended:
		t.Fatal(err)
	}
	_ = c.nc.Close()
	<-ended
	if len(c.latencies) != due || calls.Load() != due {
		t.Fatalf("%d latencies of %d calls", len(c.latencies), calls.Load())
	}
	for i, l := range c.latencies {
		// One at a time, so in order.
		if least := held - time.Duration(i)*time.Second/rate; l < least {
			t.Errorf("request %d took %v; it was due %v before the server went on", i, l, least)
		}
	}
}

// A run that can't go on ends with the reason.
func TestRunEnds(t *testing.T) {
	t.Parallel()
	if _, err := Run(t.Context(), tabular(heldport.For(t))); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("nobody listens: %v", err)
	}

	// A server that hangs up in the middle.
	lis := listen(t)
	go func() {
		nc, err := lis.Accept()
		if err != nil {
			return
		}
		_, _ = nc.Write([]byte{0, 0, 0, 4, 0, 0, 0, 0, 0}) // SETTINGS
		_, _ = nc.Read(make([]byte, 1))
		_ = nc.Close()
	}()
	o := tabular(lis.Addr().String())
	o.Connections, o.Window = 1, time.Hour
	if _, err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), "connection to "+o.Addr) {
		t.Errorf("the server hung up: %v", err)
	}
	_ = lis.Close()

	ctx, cancel := context.WithCancel(t.Context())
	o = tabular(serveStub(t))
	o.Window, o.Edge = time.Hour, func(bool) { cancel() }
	if _, err := Run(ctx, o); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	o.InFlight = 2
	if _, err := Run(t.Context(), o); err == nil {
		t.Error("2 requests on 3 connections are no error")
	}
}

// The windows of the two edges hold what was completed between them.
func TestEdges(t *testing.T) {
	t.Parallel()
	var edges []bool
	o := tabular(serveStub(t))
	o.Warmup, o.Edge = window/4, func(end bool) { edges = append(edges, end) }
	good(t, o)
	if len(edges) != 2 || edges[0] || !edges[1] {
		t.Errorf("edges %v", edges)
	}
}

func TestShare(t *testing.T) {
	sum := 0
	for i := range 3 {
		n := share(16, 3, i)
		if sum += n; n < 5 || n > 6 {
			t.Errorf("part %d of 16 is %d", i, n)
		}
	}
	if sum != 16 {
		t.Errorf("the parts of 16 are %d", sum)
	}
}
