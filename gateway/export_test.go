package gateway

import (
	"net"

	"google.golang.org/grpc"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/gen/inference"
	"github.com/candor-gateway/candor/internal/wire"
)

// ServeStreams serves ModelStreamInfer alone on lis, to clients of a dialect, until the answered function is called.
func ServeStreams(g *Gateway, lis net.Listener, d candorv1.Dialect) (stop func()) {
	srv := grpc.NewServer(grpc.ForceServerCodecV2(wire.Codec{}), grpc.WaitForHandlers(true), grpc.ChainStreamInterceptor(g.streamGuard))
	desc := inference.GRPCInferenceService_ServiceDesc
	desc.Methods, desc.Streams = nil, []grpc.StreamDesc{{
		StreamName: "ModelStreamInfer", ClientStreams: true, ServerStreams: true,
		Handler: streamInfer(g, d),
	}}
	srv.RegisterService(&desc, &oipServer{g: g})
	go func() { _ = srv.Serve(lis) }()
	return srv.Stop
}

// Holders is how many hold the plan in force, the gateway itself included.
func Holders(g *Gateway) int64 { return g.plan().holders.Load() }
