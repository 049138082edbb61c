package proxy

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/candor-gateway/candor/gen/inference"
)

// unaryProxy forwards ModelInfer as one raw message each way.
func unaryProxy(upstream *grpc.ClientConn) ([]grpc.ServerOption, func(*grpc.Server)) {
	const method = inference.GRPCInferenceService_ModelInfer_FullMethodName
	infer := func(_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
		var in, out frame
		if err := decode(&in); err != nil {
			return nil, err
		}
		var header, trailer metadata.MD
		err := upstream.Invoke(outgoing(ctx), method, &in, &out, grpc.ForceCodecV2(rawCodec{}), grpc.Header(&header), grpc.Trailer(&trailer))
		if err := grpc.SetHeader(ctx, header); err != nil {
			return nil, err
		}
		if err := grpc.SetTrailer(ctx, trailer); err != nil {
			return nil, err
		}
		if err != nil {
			return nil, err
		}
		return &out, nil
	}
	desc := grpc.ServiceDesc{
		ServiceName: inference.GRPCInferenceService_ServiceDesc.ServiceName,
		HandlerType: (*any)(nil),
		Methods:     []grpc.MethodDesc{{MethodName: "ModelInfer", Handler: infer}},
	}
	return []grpc.ServerOption{grpc.ForceServerCodecV2(rawCodec{})}, func(s *grpc.Server) { s.RegisterService(&desc, struct{}{}) }
}
