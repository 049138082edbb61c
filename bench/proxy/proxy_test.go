package proxy

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/candor-gateway/candor/bench/payload"
	"github.com/candor-gateway/candor/gen/inference"
	"github.com/candor-gateway/candor/internal/heldport"
)

// server echoes tensors and a header, as a header and a trailer.
type server struct {
	inference.UnimplementedGRPCInferenceServiceServer
}

func (server) ModelInfer(ctx context.Context, in *inference.ModelInferRequest) (*inference.ModelInferResponse, error) {
	if in.GetModelName() == "absent" {
		return nil, status.Error(codes.NotFound, "no such model")
	}
	md, _ := metadata.FromIncomingContext(ctx)
	_ = grpc.SetHeader(ctx, metadata.MD{"x-header": md.Get("x-key")})
	_ = grpc.SetTrailer(ctx, metadata.MD{"x-trailer": md.Get("x-key")})
	return &inference.ModelInferResponse{ModelName: in.GetModelName(), RawOutputContents: in.GetRawInputContents()}, nil
}

func (server) ModelStreamInfer(s grpc.BidiStreamingServer[inference.ModelInferRequest, inference.ModelStreamInferResponse]) error {
	for {
		in, err := s.Recv()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		for range 2 {
			if err := s.Send(&inference.ModelStreamInferResponse{InferResponse: &inference.ModelInferResponse{Id: in.GetId()}}); err != nil {
				return err
			}
		}
	}
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return lis
}

// start starts a server with a proxy of a kind before it, and connects to that.
func start(t *testing.T, kind string) inference.GRPCInferenceServiceClient {
	t.Helper()
	behind := listen(t)
	srv := grpc.NewServer(grpc.MaxRecvMsgSize(maxMessage))
	inference.RegisterGRPCInferenceServiceServer(srv, server{})
	served, proxied := make(chan error, 1), make(chan error, 1)
	go func() { served <- srv.Serve(behind) }()
	lis := listen(t)
	ctx, cancel := context.WithCancel(context.Background())
	go func() { proxied <- Serve(ctx, kind, lis, behind.Addr().String()) }()
	conn, err := grpc.NewClient(lis.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = conn.Close()
		cancel()
		srv.Stop()
		for _, ended := range []chan error{proxied, served} {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	})
	return inference.NewGRPCInferenceServiceClient(conn)
}

// Every proxy passes messages of any size, many at once, and errors.
func TestProxies(t *testing.T) {
	t.Parallel()
	for kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			client := start(t, kind)
			for _, encoded := range [][]byte{payload.TabularRequest(1), payload.TabularRequest(256), payload.ImageRequest()} {
				in := new(inference.ModelInferRequest)
				if err := proto.Unmarshal(encoded, in); err != nil {
					t.Fatal(err)
				}
				var calls sync.WaitGroup
				for range 8 {
					calls.Go(func() {
						for range 4 {
							out, err := client.ModelInfer(t.Context(), in)
							if err != nil || !slices.EqualFunc(out.GetRawOutputContents(), in.GetRawInputContents(), bytes.Equal) {
								t.Errorf("an answer of %d bytes, %v", proto.Size(out), err)
								return
							}
						}
					})
				}
				calls.Wait()
			}
			_, err := client.ModelInfer(t.Context(), &inference.ModelInferRequest{ModelName: "absent"})
			if status.Code(err) != codes.NotFound || !strings.Contains(err.Error(), "no such model") {
				t.Errorf("an error of the server: %v", err)
			}
		})
	}
}

// Those that claim to be transparent pass metadata both ways.
func TestMetadata(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"stream", "unary", "tuned"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			client := start(t, kind)
			var header, trailer metadata.MD
			ctx := metadata.AppendToOutgoingContext(t.Context(), "x-key", "value")
			if _, err := client.ModelInfer(ctx, &inference.ModelInferRequest{}, grpc.Header(&header), grpc.Trailer(&trailer)); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(header.Get("x-header"), []string{"value"}) || !slices.Equal(trailer.Get("x-trailer"), []string{"value"}) {
				t.Errorf("header %v, trailer %v", header, trailer)
			}
		})
	}
}

// The reference forwards streams, too: both directions stay open as long as they are used.
func TestStream(t *testing.T) {
	t.Parallel()
	s, err := start(t, "stream").ModelStreamInfer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"a", "b"} {
		if err := s.Send(&inference.ModelInferRequest{Id: id}); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if out, err := s.Recv(); err != nil || out.GetInferResponse().GetId() != id {
				t.Fatalf("%v, %v; want %s", out, err, id)
			}
		}
	}
	if err := s.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if out, err := s.Recv(); err != io.EOF {
		t.Errorf("at the end: %v, %v", out, err)
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	addr := heldport.For(t)
	stop, err := ServeMetrics(addr)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + addr)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if err != nil || !strings.Contains(string(body), "\ngo_memstats_alloc_bytes_total ") {
		t.Errorf("%v, %q", err, body)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestUnknownKind(t *testing.T) {
	t.Parallel()
	lis := listen(t)
	defer func() { _ = lis.Close() }()
	if err := Serve(t.Context(), "magic", lis, "127.0.0.1:9"); err == nil || !strings.Contains(err.Error(), `no proxy "magic"`) {
		t.Error(err)
	}
}
