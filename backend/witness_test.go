package backend

import (
	"bytes"
	"context"
	"io"
	"net"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/gen/inference"
)

// begun is a model server that begins every answer, and then ends it as it is told.
type begun struct {
	inference.UnimplementedGRPCInferenceServiceServer
	end func(context.Context) error
}

func (s begun) ModelInfer(ctx context.Context, _ *inference.ModelInferRequest) (*inference.ModelInferResponse, error) {
	if err := grpc.SendHeader(ctx, metadata.Pairs("x-begun", "yes")); err != nil {
		return nil, err
	}
	return nil, s.end(ctx)
}

// A status that comes after an answer has begun is the model server's, unless our own client made it of what went wrong.
func TestWhoSaidItAfterAnAnswerHasBegun(t *testing.T) {
	const said, ours = candorv1.FailureSource_FAILURE_SOURCE_BACKEND, candorv1.FailureSource_FAILURE_SOURCE_INFERRED
	for name, tc := range map[string]struct {
		end    func(context.Context, *grpc.Server) error
		code   codes.Code
		source candorv1.FailureSource
	}{
		"its own status":        {func(context.Context, *grpc.Server) error { return status.Error(codes.Internal, "the model broke") }, codes.Internal, said},
		"a status without text": {func(context.Context, *grpc.Server) error { return status.Error(codes.Unavailable, "") }, codes.Unavailable, said},
		"the connection breaks": {func(ctx context.Context, s *grpc.Server) error {
			go s.Stop()
			<-ctx.Done()
			return ctx.Err()
		}, codes.Unavailable, ours},
	} {
		t.Run(name, func(t *testing.T) {
			lis, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			srv := grpc.NewServer()
			inference.RegisterGRPCInferenceServiceServer(srv, begun{end: func(ctx context.Context) error { return tc.end(ctx, srv) }})
			go func() { _ = srv.Serve(lis) }()
			t.Cleanup(srv.Stop)
			_, f := infer(t, t.Context(), dial(t, digitsConfig(lis.Addr().String()), Options{}), digitsRequest(t, 1))
			if f == nil || f.Code != tc.code || f.Source != tc.source || f.Class != Failed {
				t.Errorf("failure %+v", f)
			}
		})
	}
}

// What only a raw peer does: a stream that is reset in the middle of an answer, one that ends without trailers, trailers alone.
func TestWhoSaidItOnTheWire(t *testing.T) {
	const said, ours = candorv1.FailureSource_FAILURE_SOURCE_BACKEND, candorv1.FailureSource_FAILURE_SOURCE_INFERRED
	for name, tc := range map[string]struct {
		answer func(*peer)
		source candorv1.FailureSource
		code   codes.Code
	}{
		"reset in the middle": {func(p *peer) {
			p.headers(false, ":status", "200", "content-type", "application/grpc")
			p.check(p.framer.WriteRSTStream(p.stream, http2.ErrCodeInternal))
		}, ours, codes.Internal},
		"reset at once": {func(p *peer) { p.check(p.framer.WriteRSTStream(p.stream, http2.ErrCodeCancel)) }, ours, codes.Canceled},
		"no trailers": {func(p *peer) {
			p.headers(false, ":status", "200", "content-type", "application/grpc")
			p.check(p.framer.WriteData(p.stream, true, nil))
		}, ours, codes.Internal},
		"trailers alone": {func(p *peer) {
			p.headers(true, ":status", "200", "content-type", "application/grpc", "grpc-status", "13", "grpc-message", "the model broke")
		}, said, codes.Internal},
		"trailers after headers": {func(p *peer) {
			p.headers(false, ":status", "200", "content-type", "application/grpc")
			p.headers(true, "grpc-status", "14", "grpc-message", "the model is away")
		}, said, codes.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			b := dial(t, digitsConfig(servePeer(t, tc.answer)), Options{})
			_, f := infer(t, t.Context(), b, digitsRequest(t, 1))
			if f == nil || f.Code != tc.code || f.Source != tc.source {
				t.Errorf("failure %+v", f)
			}
		})
	}
}

// peer answers the first request on a connection by frames.
type peer struct {
	t      *testing.T
	framer *http2.Framer
	stream uint32
	block  bytes.Buffer
	hpack  *hpack.Encoder
}

func (p *peer) check(err error) {
	if err != nil {
		p.t.Error(err)
	}
}

func (p *peer) headers(end bool, pairs ...string) {
	p.block.Reset()
	for i := 0; i < len(pairs); i += 2 {
		p.check(p.hpack.WriteField(hpack.HeaderField{Name: pairs[i], Value: pairs[i+1]}))
	}
	p.check(p.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: p.stream, BlockFragment: p.block.Bytes(), EndHeaders: true, EndStream: end}))
}

// servePeer serves one connection: answer is called when its first request has come whole.
func servePeer(t *testing.T, answer func(*peer)) (addr string) {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := lis.Accept()
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		preface := make([]byte, len(http2.ClientPreface))
		if _, err := io.ReadFull(conn, preface); err != nil {
			t.Error(err)
			return
		}
		p := &peer{t: t, framer: http2.NewFramer(conn, conn)}
		p.hpack = hpack.NewEncoder(&p.block)
		p.check(p.framer.WriteSettings())
		for {
			f, err := p.framer.ReadFrame()
			if err != nil {
				return // the client has closed the connection
			}
			if d, ok := f.(*http2.DataFrame); ok && d.StreamEnded() {
				p.stream = d.StreamID
				answer(p)
			}
		}
	}()
	t.Cleanup(func() {
		_ = lis.Close()
		<-done
	})
	return lis.Addr().String()
}
