package gateway

import "context"

// guarded is the context of a call that has passed the guard: it knows who calls, and, where the call is unary, under which plan.
type guarded struct {
	context.Context
	principal *Principal
	// plan is held until the call ends; nil: none is.
	plan *plan
}

type (
	principalKey struct{}
	planKey      struct{}
)

func (c *guarded) Value(key any) any {
	switch key.(type) {
	case principalKey:
		return c.principal
	case planKey:
		return c.plan
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
