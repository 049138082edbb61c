package gateway

import (
	"google.golang.org/grpc"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/wire"
)

// streamInfer makes a grpc-go handler of ModelStreamInfer over frames. called is the dialect that the name of the service tells.
func streamInfer(g *Gateway, called candorv1.Dialect) grpc.StreamHandler {
	return func(_ any, stream grpc.ServerStream) error {
		ctx := stream.Context()
		who := principal(ctx)
		return g.InferStream(ctx, Caller{Principal: who, Dialect: called}, callerFrames(ctx, who.speaks(called)), rawStream{stream})
	}
}

// rawStream is a grpc-go stream whose messages are frames.
type rawStream struct{ stream grpc.ServerStream }

func (r rawStream) Recv() (*wire.Frame, error) {
	f := new(wire.Frame)
	if err := r.stream.RecvMsg(f); err != nil {
		return nil, err
	}
	return f, nil
}

func (r rawStream) Send(message *wire.Frame) error { return r.stream.SendMsg(message) }
