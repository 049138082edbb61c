package load

import (
	"context"
	"net"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/candor-gateway/candor/bench/payload"
	"github.com/candor-gateway/candor/bench/stub"
	"github.com/candor-gateway/candor/gen/inference"
)

// serveStub serves a stub until the test ends, and wants the generator to have kept to the protocol.
func serveStub(t *testing.T) string {
	t.Helper()
	lis := listen(t)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- stub.New().Serve(ctx, lis) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return lis.Addr().String()
}

// server is a real gRPC server that does what the test says.
type server struct {
	inference.UnimplementedGRPCInferenceServiceServer
	infer func(context.Context, *inference.ModelInferRequest) (*inference.ModelInferResponse, error)
}

func (s server) ModelInfer(ctx context.Context, in *inference.ModelInferRequest) (*inference.ModelInferResponse, error) {
	return s.infer(ctx, in)
}

func serveGRPC(t *testing.T, s server, opts ...grpc.ServerOption) string {
	t.Helper()
	lis := listen(t)
	srv := grpc.NewServer(opts...)
	inference.RegisterGRPCInferenceServiceServer(srv, s)
	served := make(chan error, 1)
	go func() { served <- srv.Serve(lis) }()
	t.Cleanup(func() {
		srv.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return lis.Addr().String()
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return lis
}

const window = 200 * time.Millisecond

// tabular are the options of a run with one row a request.
func tabular(addr string) Options {
	return Options{
		Addr: addr, Method: payload.Method, Message: payload.TabularRequest(1), Check: payload.Exactly(payload.Answer(payload.Tabular, 1, nil)),
		Connections: 3, InFlight: 16, Window: window,
	}
}

// ran runs until a request has ended within a window: on a busy machine in a longer one.
func ran(t *testing.T, o Options) Result {
	t.Helper()
	for {
		r, err := Run(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		if r.Completed > 0 || r.Failed > 0 || o.Window > time.Minute {
			return r
		}
		o.Window *= 2
	}
}

// good runs and wants nothing to be wrong.
func good(t *testing.T, o Options) Result {
	t.Helper()
	r := ran(t, o)
	if r.Failed > 0 || r.Completed == 0 || r.Total < r.Completed || r.Elapsed < o.Window {
		t.Errorf("%d failed (%v), %d completed of %d in %v", r.Failed, r.FirstError, r.Completed, r.Total, r.Elapsed)
	}
	return r
}
