package proxy

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// streamProxy is the benchmark's reference: it forwards every method as a stream of raw messages both ways, with metadata and
// trailers, and does nothing else.
func streamProxy(upstream *grpc.ClientConn) ([]grpc.ServerOption, func(*grpc.Server)) {
	handler := func(_ any, caller grpc.ServerStream) error { return forward(caller, upstream) }
	return []grpc.ServerOption{grpc.ForceServerCodecV2(rawCodec{}), grpc.UnknownServiceHandler(handler)}, nil
}

var bidi = grpc.StreamDesc{ClientStreams: true, ServerStreams: true}

func forward(caller grpc.ServerStream, upstream *grpc.ClientConn) error {
	method, ok := grpc.MethodFromServerStream(caller)
	if !ok {
		return status.Error(codes.Internal, "the stream has no method")
	}
	ctx, cancel := context.WithCancel(outgoing(caller.Context()))
	defer cancel()
	server, err := upstream.NewStream(ctx, &bidi, method, grpc.ForceCodecV2(rawCodec{}))
	if err != nil {
		return err
	}
	sent := make(chan error, 1)
	go func() {
		err := requests(caller, server)
		if err != nil {
			cancel() // so that the answers end, too
		}
		sent <- err
	}()
	err = answers(caller, server)
	caller.SetTrailer(server.Trailer())
	if err == nil {
		return nil
	}
	select {
	case failed := <-sent:
		// The reason of the end is on the caller's side.
		if failed != nil && !errors.Is(failed, io.EOF) {
			return failed
		}
	default:
	}
	return err
}

// outgoing passes the caller's metadata on; gRPC leaves out what is its own.
func outgoing(ctx context.Context) context.Context {
	md, _ := metadata.FromIncomingContext(ctx) // a copy
	return metadata.NewOutgoingContext(ctx, md)
}

// requests copies messages to the server until the caller has sent the last one.
func requests(caller grpc.ServerStream, server grpc.ClientStream) error {
	for {
		var f frame
		if err := caller.RecvMsg(&f); err != nil {
			if errors.Is(err, io.EOF) {
				return server.CloseSend()
			}
			return err
		}
		if err := server.SendMsg(&f); err != nil {
			return err // io.EOF: the answers tell why
		}
	}
}

// answers copies the header and messages to the caller until the server has sent the last one.
func answers(caller grpc.ServerStream, server grpc.ClientStream) error {
	header, err := server.Header()
	if err != nil {
		return err
	}
	if err := caller.SetHeader(header); err != nil {
		return err
	}
	for {
		var f frame
		if err := server.RecvMsg(&f); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		if err := caller.SendMsg(&f); err != nil {
			return err
		}
	}
}
