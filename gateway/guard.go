package gateway

import (
	"context"
	"errors"
	"log/slog"
	"runtime/debug"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// open are the services that anybody may call: a load balancer's health probe and, where it is switched on, reflection carry
// no credentials. Everything that isn't listed needs a principal.
var open = []string{"/grpc.health.v1.Health/", "/grpc.reflection."}

func isOpen(method string) bool {
	for _, p := range open {
		if strings.HasPrefix(method, p) {
			return true
		}
	}
	return false
}

// unaryGuard stands around every unary handler: who calls, what a panic becomes, which error leaves.
func (g *Gateway) unaryGuard(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (resp any, err error) {
	defer func() {
		if p := recover(); p != nil {
			resp, err = nil, g.panicked(ctx, info.FullMethod, p)
		}
	}()
	if !isOpen(info.FullMethod) {
		call := newGuarded(ctx)
		call.plan = g.hold()
		defer call.letGo()
		if call.principal, err = call.plan.principals.identify(ctx); err != nil {
			return nil, g.toStatus(ctx, info.FullMethod, err)
		}
		ctx = call
	}
	resp, err = handler(ctx, req)
	return resp, g.leave(ctx, info.FullMethod, err)
}

// streamGuard is unaryGuard for streams.
func (g *Gateway) streamGuard(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) (err error) {
	ctx := ss.Context()
	defer func() {
		if p := recover(); p != nil {
			err = g.panicked(ctx, info.FullMethod, p)
		}
	}()
	if isOpen(info.FullMethod) {
		ctx, cancel := g.whileServing(ctx)
		defer cancel()
		return g.leave(ctx, info.FullMethod, handler(srv, &endless{ServerStream: ss, ctx: ctx}))
	}
	pl := g.plan()
	p, err := pl.principals.identify(ctx)
	if err != nil {
		return g.toStatus(ctx, info.FullMethod, err)
	}
	ctx, ended, stop := g.whileKnown(ctx, pl, p)
	defer stop()
	// No plan is held for a stream, which may go on for days: each of its requests has its own.
	call := newGuarded(ctx)
	call.principal = p
	err = handler(srv, &identified{ServerStream: ss, ctx: call})
	if e := ended(); err != nil && e != nil {
		err = e
	}
	return g.leave(ctx, info.FullMethod, err)
}

// leave turns a handler's error into what the caller gets. Statuses that grpc-go itself made pass as they are, but for the
// methods that nobody wrote, which get their reason.
func (g *Gateway) leave(ctx context.Context, method string, err error) error {
	if err == nil {
		return nil
	}
	var ours *Error
	if errors.As(err, &ours) {
		return g.toStatus(ctx, method, err)
	}
	st, ok := status.FromError(err)
	switch {
	case ok && st.Code() == codes.Unimplemented && len(st.Proto().GetDetails()) == 0 && !isOpen(method):
		return notOffered(method, "it is not part of what the gateway fronts").GRPCStatus().Err()
	case ok:
		return err
	}
	return g.toStatus(ctx, method, err)
}

func (g *Gateway) panicked(ctx context.Context, method string, p any) error {
	g.metrics.panics.Inc()
	g.log.ErrorContext(ctx, "a handler panicked", slog.String("method", method), slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
	return errf(codes.Internal, candorv1.ErrorReason_ERROR_REASON_INTERNAL, "a defect of the gateway; its log has the details").GRPCStatus().Err()
}

// identified is a stream whose context knows its principal.
type identified struct {
	grpc.ServerStream
	ctx context.Context
}

func (s *identified) Context() context.Context { return s.ctx }

func (s *identified) RecvMsg(m any) error { return receive(s.ctx, s.ServerStream.RecvMsg, m) }
