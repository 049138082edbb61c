package gateway

import "context"

// guarded is the context of a call that has passed the guard: it knows who calls, and, where the call is unary, under which plan.
type guarded struct {
	context.Context
	principal *Principal
	// done is the parent's, below which are as many contexts as grpc-go has things to say of a call.
	done <-chan struct{}
	// plan is held until the call ends, or letGo; nil: none is.
	plan *plan
}

// newGuarded begins a call's context, which is to be told who calls.
func newGuarded(ctx context.Context) *guarded { return &guarded{Context: ctx, done: ctx.Done()} }

// letGo gives the plan back. From then on the call is under the plan in force, as streams are.
func (c *guarded) letGo() {
	if c.plan != nil {
		c.plan.drop()
		c.plan = nil
	}
}

// letGo gives back the plan that is held for a call that is about to wait for long: it would keep the connections of backends that a
// reload has replaced. It is for the handler's own goroutine.
func letGo(ctx context.Context) {
	if c, ok := ctx.Value(guardedKey{}).(*guarded); ok {
		c.letGo()
	}
}

type (
	principalKey struct{}
	planKey      struct{}
	guardedKey   struct{}
)

func (c *guarded) Done() <-chan struct{} { return c.done }

func (c *guarded) Value(key any) any {
	switch key.(type) {
	case principalKey:
		return c.principal
	case planKey:
		return c.plan
	case guardedKey:
		return c
	}
	return c.Context.Value(key)
}

// principal answers who the interceptor found. Its zero Principal may do nothing.
func principal(ctx context.Context) *Principal {
	if p, ok := ctx.Value(principalKey{}).(*Principal); ok {
		return p
	}
	return &Principal{}
}

// heldIn is the plan that the guard holds for a unary call; nil: none.
func heldIn(ctx context.Context) *plan {
	pl, _ := ctx.Value(planKey{}).(*plan)
	return pl
}

// planOf is the plan that a call began under, or, where none was held for it, the one in force.
func (g *Gateway) planOf(ctx context.Context) *plan {
	if pl := heldIn(ctx); pl != nil {
		return pl
	}
	return g.plan()
}
