package gateway

import (
	"context"
	"errors"
	"slices"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/candor-gateway/candor/internal/wire"
)

// registrar registers services with a server so that bytes that are no message (a string that isn't UTF-8, another proto) are
// INVALID_ARGUMENT, as every mistake of a client is. grpc-go would call them INTERNAL, and send that before any code of ours
// sees the error; so messages are received as frames, which always succeeds, and unmarshalled here.
//
// A message is received outside of unaryGuard, so a panic there is caught here: grpc-go lets one end the process.
type registrar struct {
	grpc.ServiceRegistrar
	g *Gateway
}

// RegisterService sees to the unary methods; streamGuard sees to the streams.
func (r registrar) RegisterService(desc *grpc.ServiceDesc, impl any) {
	own := *desc
	own.Methods = slices.Clone(desc.Methods)
	for i := range own.Methods {
		handler, method := own.Methods[i].Handler, "/"+desc.ServiceName+"/"+own.Methods[i].MethodName
		own.Methods[i].Handler = func(srv any, ctx context.Context, dec func(any) error, interceptor grpc.UnaryServerInterceptor) (resp any, err error) {
			defer func() {
				if p := recover(); p != nil {
					resp, err = nil, r.g.panicked(ctx, method, p)
				}
			}()
			return handler(srv, ctx, func(v any) error { return receive(ctx, dec, v) }, interceptor)
		}
	}
	r.ServiceRegistrar.RegisterService(&own, impl)
}

// receive reads one message of a call into v, which is a protobuf message or a frame. Its error is an *Error, or recv's.
func receive(ctx context.Context, recv func(any) error, v any) error {
	msg, ok := v.(proto.Message)
	into := v
	var f *wire.Frame
	if ok {
		f = new(wire.Frame)
		into = f
	}
	if err := received(ctx, recv, into); err != nil {
		var ours *Error
		if status.Code(err) == codes.ResourceExhausted && !errors.As(err, &ours) { // grpc-go's own, of a message that is too large
			tooLarge(ctx)
		}
		return err
	}
	if !ok {
		return nil
	}
	return parse(f, msg)
}

// parse reads the message that a frame holds. Its error is an *Error.
func parse(f *wire.Frame, msg proto.Message) error {
	if err := proto.Unmarshal(f.Bytes(), msg); err != nil {
		return invalid("request", "it is no "+string(msg.ProtoReflect().Descriptor().FullName())+": "+err.Error())
	}
	return nil
}
