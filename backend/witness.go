package backend

import (
	"context"
	"sync/atomic"

	"google.golang.org/grpc/stats"
)

// witness sees what came from the model server during one call. A gRPC status alone doesn't tell whether the server sent it
// or our own client made it of a broken connection, a timer or a size limit.
type witness struct {
	// headers: an answer has begun.
	headers atomic.Bool
	// trailers: the server has sent its status.
	trailers atomic.Bool
}

type witnessKey struct{}

// watched returns a context whose call w witnesses.
func watched(ctx context.Context, w *witness) context.Context {
	return context.WithValue(ctx, witnessKey{}, w)
}

// witnesses is the connection's stats handler: it notes events with the witness of their call.
type witnesses struct{}

var _ stats.Handler = witnesses{}

func (witnesses) HandleRPC(ctx context.Context, event stats.RPCStats) {
	w, ok := ctx.Value(witnessKey{}).(*witness)
	if !ok {
		return
	}
	switch event.(type) {
	case *stats.InHeader:
		w.headers.Store(true)
	case *stats.InTrailer:
		w.trailers.Store(true)
	}
}

func (witnesses) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context   { return ctx }
func (witnesses) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (witnesses) HandleConn(context.Context, stats.ConnStats)                       {}
