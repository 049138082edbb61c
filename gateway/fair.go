package gateway

import (
	"context"

	"google.golang.org/grpc/peer"

	"github.com/candor-gateway/candor/backend"
)

// terms are those of a call of the principal's, which came with ctx, as far as they say for whom it is. Everybody without credentials is one
// consumer, and told apart by the addresses that they call from.
func (p *Principal) terms(ctx context.Context) backend.Terms {
	t := backend.Terms{Priority: p.priority, Consumer: p.Name}
	if p.anonymous {
		t.Address = callsFrom(ctx)
	}
	return t
}

// terms are what holds for a call's attempts: those of its caller, and what its request says.
func (c *call) terms(ctx context.Context) backend.Terms {
	t := c.who.terms(ctx)
	_, t.Timed = c.req.Param(paramTimeout)
	return t
}

// paramTimeout is Triton's: how long a request may wait in the model server's queue.
const paramTimeout = "timeout"

// callsFrom is the address, or network, that a call came from; empty: from inside.
func callsFrom(ctx context.Context) string {
	if pr, ok := peer.FromContext(ctx); ok {
		if a, ok := pr.Addr.(calmAddr); ok {
			return a.conn.host
		}
	}
	return ""
}
