package wire

import (
	"bytes"
	"context"
	"net"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	_ "google.golang.org/grpc/encoding/gzip" // a client may compress
	"google.golang.org/grpc/mem"

	"github.com/candor-gateway/candor/gen/inference"
)

const inferMethod = "/inference.GRPCInferenceService/ModelInfer"

// generated answers by the generated code, which knows nothing of frames.
type generated struct {
	inference.UnimplementedGRPCInferenceServiceServer
}

func (generated) ModelInfer(_ context.Context, in *inference.ModelInferRequest) (*inference.ModelInferResponse, error) {
	return &inference.ModelInferResponse{ModelName: in.ModelName, Id: in.Id, RawOutputContents: in.RawInputContents}, nil
}

// echo answers every ModelInfer with the frame that came.
var echo = grpc.ServiceDesc{
	ServiceName: "inference.GRPCInferenceService",
	HandlerType: (*any)(nil),
	Methods: []grpc.MethodDesc{{
		MethodName: "ModelInfer",
		Handler: func(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
			in := new(Frame)
			if err := decode(in); err != nil {
				return nil, err
			}
			return in, nil
		},
	}},
}

// dial starts a server with the codec and connects to it over a loopback socket.
func dial(t *testing.T, register func(*grpc.Server), opts ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := grpc.NewServer(grpc.ForceServerCodecV2(Codec{}))
	register(srv)
	served := make(chan error, 1)
	go func() { served <- srv.Serve(lis) }()
	conn, err := grpc.NewClient(lis.Addr().String(), append(opts, grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn.Close()
		srv.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return conn
}

func TestCodecPassesGeneratedMessages(t *testing.T) {
	conn := dial(t, func(s *grpc.Server) { inference.RegisterGRPCInferenceServiceServer(s, generated{}) })
	in := &inference.ModelInferRequest{ModelName: "m", Id: "1", RawInputContents: [][]byte{{1, 2, 3}}}
	want := &inference.ModelInferResponse{ModelName: "m", Id: "1", RawOutputContents: [][]byte{{1, 2, 3}}}
	for name, opts := range map[string][]grpc.CallOption{
		"plain client": nil,
		"our client":   {grpc.ForceCodecV2(Codec{})},
	} {
		out, err := inference.NewGRPCInferenceServiceClient(conn).ModelInfer(t.Context(), in, opts...)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		diff(t, out, want)
	}
	// A frame of two segments, answered by generated code.
	out := new(Frame)
	frame := NewFrame(marshal(t, in)[:2], nil, marshal(t, in)[2:])
	if err := conn.Invoke(t.Context(), inferMethod, frame, out, grpc.ForceCodecV2(Codec{})); err != nil {
		t.Fatal(err)
	}
	diff(t, unmarshalResponse(t, out.Bytes()), want)
}

// One frame sent by many calls at once arrives whole in each, whatever its size and compression.
func TestCodecSendsOneFrameManyTimes(t *testing.T) {
	conn := dial(t, func(s *grpc.Server) { s.RegisterService(&echo, nil) })
	head, tail := bytes.Repeat([]byte("candor "), 300_000), []byte("tail")
	frame := NewFrame(head, tail)
	want := frame.Bytes()
	var calls sync.WaitGroup
	for i := range 8 {
		calls.Go(func() {
			opts := []grpc.CallOption{grpc.ForceCodecV2(Codec{})}
			if i%2 == 1 {
				opts = append(opts, grpc.UseCompressor("gzip"))
			}
			out := new(Frame)
			if err := conn.Invoke(t.Context(), inferMethod, frame, out, opts...); err != nil {
				t.Errorf("call %d: %v", i, err)
			} else if !bytes.Equal(out.Bytes(), want) {
				t.Errorf("call %d: %v came back of %v", i, out, frame)
			}
		})
	}
	calls.Wait()
	if got := frame.String(); got != "frame of 2100004 bytes" {
		t.Errorf("frame is described as %q", got)
	}
	var empty Frame
	if empty.Bytes() != nil || empty.Len() != 0 {
		t.Errorf("the zero frame has %d bytes", empty.Len())
	}
	out := NewFrame([]byte("old"))
	if err := conn.Invoke(t.Context(), inferMethod, &empty, out, grpc.ForceCodecV2(Codec{})); err != nil || out.Len() != 0 {
		t.Errorf("empty frame: %d bytes, %v", out.Len(), err)
	}
}

// What was received stays as it is when gRPC uses its buffers again.
func TestCodecCopiesWhatItReceives(t *testing.T) {
	buffer := []byte("first")
	var f Frame
	if err := (Codec{}).Unmarshal(mem.BufferSlice{mem.SliceBuffer(buffer)}, &f); err != nil {
		t.Fatal(err)
	}
	copy(buffer, "other")
	if got := string(f.Bytes()); got != "first" {
		t.Errorf("got %q, want first", got)
	}
}

func TestCodecRefusesOtherTypes(t *testing.T) {
	if _, err := (Codec{}).Marshal("text"); err == nil {
		t.Error("a string is marshalled")
	}
	if err := (Codec{}).Unmarshal(nil, new(int)); err == nil {
		t.Error("an int is unmarshalled")
	}
	if name := (Codec{}).Name(); name != "proto" {
		t.Errorf("named %q, want proto", name)
	}
}
