package gateway

import (
	"context"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/limits"
	"github.com/candor-gateway/candor/review"
)

// release is what the gate said of a final answer.
type release struct {
	review.Gated
	// undo gives the permit back, where the answer was not stored; never nil.
	undo func()
	// unknown: what holds it is that the limits, or the store, could not be asked.
	unknown bool
}

// pass asks the action limits for a final answer of people, a policy or a senior. v nil is none, and passes.
func (g *Gateway) pass(ctx context.Context, now time.Time, item *review.Item, v *candorv1.Verdict) release {
	r := release{Gated: review.Gated{Release: candorv1.ReleaseState_RELEASE_STATE_RELEASED}, undo: func() {}}
	m, action := g.bounded(item, v)
	if m == nil {
		return r
	}
	r.Action = action
	a := limits.Answer{Action: r.Action, Model: item.Model, Consumer: item.Consumer, PredictionID: item.PredictionID, Inputs: limitInputsOf(item.LimitInputs)}
	got, known := g.knowsStops(ctx, m, a)
	if known {
		if !g.gate.Covers(r.Action, item.Model, item.Consumer) {
			return r
		}
		got = g.gate.Acquire(ctx, now, a)
	}
	if !got.Released {
		r.Release, r.HeldBy, r.unknown = candorv1.ReleaseState_RELEASE_STATE_HELD, got.Limit, got.Unavailable
		return r
	}
	r.undo = func() { g.gate.Refund(got.Permit) }
	return r
}

// bounded is the model whose policy an answer to an item passes, and the action that it means; nil: it passes none.
func (g *Gateway) bounded(item *review.Item, v *candorv1.Verdict) (m *model, action string) {
	if m = g.plan().models[item.Model]; m == nil || v == nil || !item.Awaited() {
		return nil, ""
	}
	return m, m.actionOf(m.fieldNamed(item.Field), v.GetLabel(), verdictValue(v))
}

// counts says that some limit counts an answer to an item.
func (g *Gateway) counts(item *review.Item, v *candorv1.Verdict) bool {
	m, action := g.bounded(item, v)
	return m != nil && g.gate.Covers(action, item.Model, item.Consumer)
}

func verdictValue(v *candorv1.Verdict) *float64 {
	if a, ok := v.GetAnswer().(*candorv1.Verdict_Value); ok {
		return &a.Value
	}
	return nil
}

// ending is an act that ends the item which the gateway saw, and no later state of it: the limits were asked for the answer that it
// had then. Errors: review.ErrEtag, those of the act.
type ending struct {
	review.Act
	etag string
}

// Unwrap is for a store that does what ends an item elsewhere than what doesn't.
func (e ending) Unwrap() review.Act { return e.Act }

func (e ending) Apply(it *review.Item) (review.Effects, error) {
	if it.Etag() != e.etag {
		return review.Effects{}, review.ErrEtag
	}
	return e.Act.Apply(it)
}
