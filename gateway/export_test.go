package gateway

import (
	"context"
	"net"

	"google.golang.org/grpc"

	"github.com/candor-gateway/candor/gen/inference"
	"github.com/candor-gateway/candor/internal/wire"
)

// ServeStreams serves ModelStreamInfer alone on lis, in the frames given, until the answered function is called.
func ServeStreams(g *Gateway, lis net.Listener, frames Frames) (stop func()) {
	srv := grpc.NewServer(grpc.ForceServerCodecV2(wire.Codec{}), grpc.WaitForHandlers(true), grpc.ChainStreamInterceptor(g.streamGuard))
	desc := inference.GRPCInferenceService_ServiceDesc
	desc.Methods, desc.Streams = nil, []grpc.StreamDesc{{
		StreamName: "ModelStreamInfer", ClientStreams: true, ServerStreams: true,
		Handler: streamInfer(g, func(context.Context, *Principal) Frames { return frames }),
	}}
	srv.RegisterService(&desc, &oipServer{g: g})
	go func() { _ = srv.Serve(lis) }()
	return srv.Stop
}
