package oiptest

import (
	"context"
	"slices"

	"google.golang.org/grpc"

	"github.com/candor-gateway/candor/gen/inference"
)

// Dialect is how a server differs from one of the published protocol. The zero value doesn't.
type Dialect struct {
	// Service is the full name of its service. Empty: inference.GRPCInferenceService.
	Service string
	// Name and Extensions are what ServerMetadata says. An empty Name: oiptest.
	Name       string
	Extensions []string
	// Missing are methods that the server doesn't have: they answer UNIMPLEMENTED.
	Missing []string
	// MetadataTail is appended to every ModelMetadataResponse: field 6 of any form, or fields that nobody knows.
	MetadataTail []byte
	// Methods answer in place of the server's own, in bytes; also those that it doesn't have otherwise.
	Methods map[string]Method
}

// Method answers one call of a unary method. It is called from many goroutines at once; request is its own.
type Method func(ctx context.Context, request []byte) ([]byte, error)

// desc is the generated description with what the dialect changes, and a ModelInfer that receives a frame instead of a message.
func (d *Dialect) desc() *grpc.ServiceDesc {
	desc := inference.GRPCInferenceService_ServiceDesc
	if d.Service != "" {
		desc.ServiceName = d.Service
	}
	desc.Methods = slices.DeleteFunc(slices.Clone(desc.Methods), func(m grpc.MethodDesc) bool {
		return slices.Contains(d.Missing, m.MethodName)
	})
	for i := range desc.Methods {
		name := desc.Methods[i].MethodName
		if answer := d.Methods[name]; answer != nil {
			desc.Methods[i].Handler = func(_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
				var in frame
				if err := decode(&in); err != nil {
					return nil, err
				}
				out, err := answer(ctx, in.bytes)
				if err != nil {
					return nil, err
				}
				return &frame{out}, nil
			}
		} else if name == "ModelInfer" {
			desc.Methods[i].Handler = func(srv any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
				var in frame
				if err := decode(&in); err != nil {
					return nil, err
				}
				return srv.(*service).infer(ctx, in.bytes)
			}
		}
	}
	desc.Streams = slices.Clone(desc.Streams)
	for i := range desc.Streams {
		desc.Streams[i].Handler = func(srv any, stream grpc.ServerStream) error { return srv.(*service).streamInfer(stream) }
	}
	return &desc
}
