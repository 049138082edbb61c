package gateway

import (
	"context"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/defect"
)

// lastWord is how long streams without an end of their own may go on when draining begins: time for health's watchers to be told
// NOT_SERVING before they are cut off.
const lastWord = 100 * time.Millisecond

// whileServing is a context that ends shortly after draining has begun.
func (g *Gateway) whileServing(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		select {
		case <-g.stopping:
		case <-ctx.Done():
			return
		}
		timer := time.NewTimer(lastWord)
		defer timer.Stop()
		select {
		case <-timer.C:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// endless is a stream of a service that isn't ours, health's or reflection's, which a client may leave open for as long as it
// likes. It ends with ctx, so that it doesn't hold up a shutdown.
type endless struct {
	grpc.ServerStream
	ctx context.Context
}

func (s *endless) Context() context.Context { return s.ctx }

// RecvMsg gives up on a client that sends nothing more; the read beside it ends with the stream, at the handler's return.
func (s *endless) RecvMsg(m any) error {
	got, broke := make(chan error, 1), make(chan any, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				broke <- defect.Carried(p)
			}
		}()
		got <- receive(s.ctx, s.ServerStream.RecvMsg, m)
	}()
	select {
	case p := <-broke:
		panic(p) // for the handler's guard
	case err := <-got:
		return err
	case <-s.ctx.Done():
		return draining("the gateway is shutting down")
	}
}

// draining is the answer of a gateway that is going away.
func draining(message string) *Error {
	e := errf(codes.Unavailable, candorv1.ErrorReason_ERROR_REASON_DRAINING, "%s", message)
	e.RetryAfter = time.Second
	return e
}
