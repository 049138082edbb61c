package proxy

import (
	"context"

	"google.golang.org/grpc"

	"github.com/candor-gateway/candor/gen/inference"
)

// typed forwards ModelInfer by the generated code: every message is unmarshalled and marshalled again.
type typed struct {
	inference.UnimplementedGRPCInferenceServiceServer
	upstream inference.GRPCInferenceServiceClient
}

func (t typed) ModelInfer(ctx context.Context, in *inference.ModelInferRequest) (*inference.ModelInferResponse, error) {
	return t.upstream.ModelInfer(outgoing(ctx), in)
}

func typedProxy(upstream *grpc.ClientConn) ([]grpc.ServerOption, func(*grpc.Server)) {
	return nil, func(s *grpc.Server) {
		inference.RegisterGRPCInferenceServiceServer(s, typed{upstream: inference.NewGRPCInferenceServiceClient(upstream)})
	}
}
