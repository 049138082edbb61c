package gateway

import (
	"slices"

	"github.com/candor-gateway/candor/fallback"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/limits"
	"github.com/candor-gateway/candor/router"
)

// checkLimits is the last gate: it finds out what would leave for every row, and what that would do, and lets the action
// limits withhold it. It may only make a row's route more cautious. Limits bind in both modes.
func (g *Gateway) checkLimits(c *call) {
	wants := g.limitWants(c)
	for i := range c.rows {
		r := &c.rows[i]
		g.wouldRelease(c, r)
		if r.released || r.applied == candorv1.Route_ROUTE_DEFER {
			r.limitInputs = wants.of(c, r)
		}
		if !r.released {
			continue
		}
		r.action = c.model.actionOf(c.fieldOf(r), r.answer.Label, r.answer.Value)
		a := limits.Answer{Action: r.action, Model: c.model.name, Consumer: c.who.Name, PredictionID: c.idText, Inputs: r.limitInputs}
		v, known := g.knowsStops(&c.ctx, c.model, a)
		if known {
			if !g.gate.Covers(r.action, c.model.name, c.who.Name) {
				continue
			}
			v = g.gate.Acquire(&c.ctx, g.ledger.Now(), a)
		}
		r.limitWords = limitWords(&v, c.idText)
		if v.Released {
			r.permit = v.Permit
			continue
		}
		reason := candorv1.Reason_REASON_LIMIT_TRIPPED
		switch {
		case v.Unavailable:
			reason = candorv1.Reason_REASON_LIMIT_UNAVAILABLE
		case v.Invalid:
			reason, r.badInput = candorv1.Reason_REASON_LIMIT_INPUT_INVALID, badInputOf(r.limitInputs, v.Err)
			g.metrics.limitBadInputs.WithLabelValues(limitOf(v.Limit)).Inc()
		}
		r.released, r.limit = false, v.Limit
		r.applied = limits.Route(v.OnTrip, r.applied, c.model.policy.HasReview)
		r.decision.Route = router.Caution(r.decision.Route, r.applied)
		r.decision.Reasons = append(slices.Clone(r.decision.Reasons), reason)
	}
}

// wouldRelease settles which answer would leave for a row, and whether it would be final.
func (g *Gateway) wouldRelease(c *call, r *row) {
	switch r.applied {
	case candorv1.Route_ROUTE_ACCEPT, candorv1.Route_ROUTE_FALLBACK:
		r.released, r.state = true, candorv1.AnswerState_ANSWER_STATE_FINAL
	case candorv1.Route_ROUTE_DEFER:
		switch {
		case c.model.onDefer == candorv1.OnDefer_ON_DEFER_PROVISIONAL && len(r.evidence.Faults) == 0:
			r.answer, r.answeredBy = r.evidence, 0
			r.released, r.state = true, candorv1.AnswerState_ANSWER_STATE_PROVISIONAL
		case c.model.onDefer == candorv1.OnDefer_ON_DEFER_DEFAULT:
			ev := c.fieldOf(r).defaultAnswer()
			r.answer = &ev
			r.answeredBy = c.defaultStage()
			r.released, r.state = true, candorv1.AnswerState_ANSWER_STATE_PROVISIONAL
		}
	}
}

// policyDefault is the stage that stands in the record for an answer that the policy states.
const policyDefault = "policy/default"

// defaultAnswer is the policy's typed default.
func (f *field) defaultAnswer() router.Evidence {
	ev := router.Evidence{Stage: policyDefault, Kind: f.Kind, Label: f.defaultLabel, Labels: f.Labels, Top: -1, Unconditional: true}
	if f.defaultValue != nil {
		v := *f.defaultValue
		ev.Value = &v
	}
	ev.Top = slices.Index(ev.Labels, ev.Label)
	return ev
}

// defaultStage answers the index of the stage that stands for the policy's default, made when first wanted.
func (c *call) defaultStage() int {
	for i, s := range c.stages {
		if s.Name == policyDefault {
			return i
		}
	}
	c.stages = append(c.stages, fallback.Stage{Kind: candorv1.StepKind_STEP_KIND_CONSTANT, Name: policyDefault})
	return len(c.stages) - 1
}

// refund gives back the permits of a call whose reply could not be recorded, so that nothing left.
func (g *Gateway) refund(c *call) {
	for i := range c.rows {
		if c.rows[i].released {
			g.gate.Refund(c.rows[i].permit)
		}
	}
}
