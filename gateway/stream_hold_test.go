package gateway

import (
	"context"
	"testing"

	"github.com/candor-gateway/candor/bench/payload"
	"github.com/candor-gateway/candor/internal/wire"
)

// A panic while a stream's request is looked after lets go of the plan under which it was admitted.
func TestAPanicOnAStreamLetsGoOfThePlan(t *testing.T) {
	g := plainGateway(t)
	before := g.plan().holders.Load()
	// Without room to keep requests in there is nothing to take it from.
	s := &clientStream{g: g, who: Caller{Principal: g.plan().principals.anonymous}, outer: t.Context(), maxRoom: 1 << 20}
	s.ctx, s.cancel = context.WithCancelCause(t.Context())
	func() {
		defer func() {
			if recover() == nil {
				t.Error("there was no panic")
			}
		}()
		s.request(s.hold(wire.NewFrame(payload.TabularRequest(1))))
	}()
	if n := g.memory.used.Load(); n != 0 {
		t.Errorf("%d bytes are held", n)
	}
	if after := g.plan().holders.Load(); after != before {
		t.Errorf("the plan has %d holders, and had %d", after, before)
	}
}
