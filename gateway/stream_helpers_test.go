package gateway_test

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	"github.com/candor-gateway/candor/gateway"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/gen/inference"
	"github.com/candor-gateway/candor/internal/oiptest"
)

// chat is a client's stream.
type chat struct {
	t      *testing.T
	stream grpc.BidiStreamingClient[inference.ModelInferRequest, inference.ModelStreamInferResponse]
	cancel context.CancelFunc
}

// openStream opens one at the gateway, with pairs of metadata.
func (w *world) openStream(md ...string) *chat {
	w.t.Helper()
	return w.openStreamOn(w.conn, md...)
}

func (w *world) openStreamOn(conn *grpc.ClientConn, md ...string) *chat {
	w.t.Helper()
	ctx, cancel := context.WithCancel(metadata.AppendToOutgoingContext(bounded(w.t, clientToken), md...))
	w.t.Cleanup(cancel)
	stream, err := inference.NewGRPCInferenceServiceClient(conn).ModelStreamInfer(ctx)
	if err != nil {
		w.t.Fatal(err)
	}
	return &chat{t: w.t, stream: stream, cancel: cancel}
}

// openStreamIn opens one whose deadline, if it has any, is ctx's.
func (w *world) openStreamIn(ctx context.Context) *chat {
	w.t.Helper()
	ctx, cancel := context.WithCancel(ctx)
	w.t.Cleanup(cancel)
	stream, err := inference.NewGRPCInferenceServiceClient(w.conn).ModelStreamInfer(ctx)
	if err != nil {
		w.t.Fatal(err)
	}
	return &chat{t: w.t, stream: stream, cancel: cancel}
}

// ask sends rows under an id.
func (c *chat) ask(id string, rows [][4]float32, outputs ...string) {
	c.t.Helper()
	req := request(rows, outputs...)
	req.Id = id
	c.send(req)
}

func (c *chat) send(req *inference.ModelInferRequest) {
	c.t.Helper()
	if err := c.stream.Send(req); err != nil {
		c.t.Fatal(err)
	}
}

// next is the next response, which is no error.
func (c *chat) next() answer {
	c.t.Helper()
	m := c.frame()
	if m.GetErrorMessage() != "" {
		c.t.Fatalf("an error: %v", m)
	}
	return answer{resp: m.GetInferResponse()}
}

// told is the next response, which is an error in band.
func (c *chat) told(reason string) (message string, a answer) {
	c.t.Helper()
	m := c.frame()
	a = answer{resp: m.GetInferResponse()}
	if m.GetErrorMessage() == "" || a.param("candor_error") != reason {
		c.t.Fatalf("no error %s: %v", reason, m)
	}
	return m.GetErrorMessage(), a
}

func (c *chat) frame() *inference.ModelStreamInferResponse {
	c.t.Helper()
	m, err := c.stream.Recv()
	if err != nil {
		c.t.Fatal(err)
	}
	return m
}

// end half-closes and demands that nothing more comes, and no error.
func (c *chat) end() {
	c.t.Helper()
	if err := c.stream.CloseSend(); err != nil {
		c.t.Fatal(err)
	}
	if m, err := c.stream.Recv(); !errors.Is(err, io.EOF) {
		c.t.Fatalf("after the end: %v %v", m, err)
	}
}

// failed is the error that ends the stream.
func (c *chat) failed() error {
	c.t.Helper()
	m, err := c.stream.Recv()
	if err == nil || errors.Is(err, io.EOF) {
		c.t.Fatalf("no error: %v %v", m, err)
	}
	return err
}

// bareChat is a stream of a client that reads no frames.
type bareChat struct {
	t      *testing.T
	stream grpc.ClientStream
}

// openBare opens one at a listener beside the gateway's own.
func (w *world) openBare() *bareChat {
	w.t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(gateway.ServeStreams(w.gateway, lis, candorv1.Dialect_DIALECT_MLSERVER))
	conn, err := grpc.NewClient(lis.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = conn.Close() })
	desc := &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}
	stream, err := conn.NewStream(bounded(w.t, clientToken), desc, inference.GRPCInferenceService_ModelStreamInfer_FullMethodName)
	if err != nil {
		w.t.Fatal(err)
	}
	return &bareChat{t: w.t, stream: stream}
}

func (c *bareChat) ask(id string, rows [][4]float32, outputs ...string) {
	c.t.Helper()
	req := request(rows, outputs...)
	req.Id = id
	if err := c.stream.SendMsg(req); err != nil {
		c.t.Fatal(err)
	}
}

func (c *bareChat) next() answer {
	c.t.Helper()
	resp := new(inference.ModelInferResponse)
	if err := c.stream.RecvMsg(resp); err != nil {
		c.t.Fatal(err)
	}
	return answer{resp: resp}
}

func (c *bareChat) failed() error {
	c.t.Helper()
	err := c.stream.RecvMsg(new(inference.ModelInferResponse))
	if err == nil || errors.Is(err, io.EOF) {
		c.t.Fatalf("no error: %v", err)
	}
	return err
}

func (c *bareChat) end() {
	c.t.Helper()
	if err := c.stream.CloseSend(); err != nil {
		c.t.Fatal(err)
	}
	resp := new(inference.ModelInferResponse)
	if err := c.stream.RecvMsg(resp); !errors.Is(err, io.EOF) {
		c.t.Fatalf("after the end: %v %v", resp, err)
	}
}

// reply is what the primary answers to req, as its model would unary.
func reply(ctx context.Context, req *inference.ModelInferRequest) *inference.ModelInferResponse {
	resp, err := byColumn(0)(ctx, req)
	if err != nil {
		panic(err)
	}
	resp.ModelName, resp.ModelVersion, resp.Id = "m", "3", req.GetId()
	return resp
}

// bare makes a world whose primary is an MLServer by its dialect and its frames, with this stream model.
func bare(t *testing.T, f oiptest.StreamResponder, edits ...string) (*world, *oiptest.Server) {
	t.Helper()
	server := oiptest.StartWith(t, oiptest.Options{Bare: true}, oiptest.Model{Name: "m", Version: "3", Infer: byColumn(0), Stream: f})
	w := start(t, append([]string{"primary: {address: PRIMARY,", "primary: {dialect: mlserver, address: " + server.Addr() + ","}, edits...)...)
	return w, server
}
