package gateway

import (
	"context"
	"testing"
)

// What a call has given back early isn't given back again at its end.
func TestLetGo(t *testing.T) {
	g := new(Gateway)
	abandoned := 0
	pl := &plan{abandon: func() { abandoned++ }}
	pl.holders.Store(1) // the gateway's own
	g.current.Store(pl)
	call := newGuarded(t.Context())
	call.plan = g.hold()
	ctx, cancel := context.WithCancel(call)
	defer cancel()
	if heldIn(ctx) != pl || pl.holders.Load() != 2 {
		t.Fatalf("%d holders", pl.holders.Load())
	}
	letGo(ctx)
	if heldIn(ctx) != nil || g.planOf(ctx) != pl || pl.holders.Load() != 1 {
		t.Errorf("%d holders after it was let go", pl.holders.Load())
	}
	letGo(ctx)
	call.letGo()
	letGo(t.Context())
	if pl.holders.Load() != 1 || abandoned > 0 {
		t.Errorf("%d holders in the end", pl.holders.Load())
	}
}
