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

// pool notices what is given back.
type pool struct{ back int }

func (p *pool) Get(n int) *[]byte { b := make([]byte, n); return &b }
func (p *pool) Put(*[]byte)       { p.back++ }

// A received frame keeps gRPC's buffers for as long as it, or a frame made of it, has not been sent or freed.
func TestFrameKeepsBuffers(t *testing.T) {
	receive := func(p *pool) *Frame {
		data := mem.BufferSlice{mem.Copy(bytes.Repeat([]byte("a"), 2000), p), mem.Copy(bytes.Repeat([]byte("b"), 2000), p)}
		f := new(Frame)
		if err := (Codec{}).Unmarshal(data, f); err != nil {
			t.Fatal(err)
		}
		data.Free() // as gRPC does
		return f
	}
	var p pool
	f := receive(&p)
	part := new(Frame)
	part.part(f, 1999, 2001)
	f.Free()
	if p.back != 0 || string(part.Bytes()) != "ab" {
		t.Fatalf("%d buffers given back, the part is %q", p.back, part.Bytes())
	}
	if f.Len() != 0 {
		t.Errorf("a freed frame has %d bytes", f.Len())
	}
	f.Free() // once more does nothing
	out, err := (Codec{}).Marshal(part)
	if err != nil || p.back != 0 {
		t.Fatalf("%v, %d given back before they were written", err, p.back)
	}
	out.Free() // as gRPC does when it has written them
	if p.back != 2 {
		t.Errorf("%d buffers given back, want 2", p.back)
	}
	if _, err := (Codec{}).Marshal(part); err == nil {
		t.Error("a received frame was sent twice")
	}

	p = pool{}
	f = receive(&p)
	if err := (Codec{}).Unmarshal(nil, f); err != nil || f.Len() != 0 || p.back != 2 {
		t.Errorf("received into again: %v, %d bytes, %d given back", err, f.Len(), p.back)
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
