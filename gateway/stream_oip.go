package gateway

import (
	"context"

	"google.golang.org/grpc"

	"github.com/candor-gateway/candor/internal/wire"
)

// streamInfer makes a grpc-go handler of ModelStreamInfer over frames, for any service that has the method. frames answers how a
// caller's stream looks.
func streamInfer(g *Gateway, frames func(context.Context, *Principal) Frames) grpc.StreamHandler {
	return func(_ any, stream grpc.ServerStream) error {
		ctx := stream.Context()
		who := principal(ctx)
		return g.InferStream(ctx, Caller{Principal: who}, frames(ctx, who), rawStream{stream})
	}
}

// rawStream is a grpc-go stream whose messages are frames.
type rawStream struct{ stream grpc.ServerStream }

func (r rawStream) Recv() ([]byte, error) {
	f := new(wire.Frame)
	if err := r.stream.RecvMsg(f); err != nil {
		return nil, err
	}
	return f.Bytes(), nil
}

func (r rawStream) Send(segments [][]byte) error { return r.stream.SendMsg(wire.NewFrame(segments...)) }
