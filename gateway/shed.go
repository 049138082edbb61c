package gateway

import (
	"context"
	"slices"

	"github.com/candor-gateway/candor/fallback"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

// shed takes from the rows that were deferred those that nobody could judge before their deadline, or that the day's budget isn't
// for: they get now the answer that they would get in the end. It stands before the limits, so that what it releases passes them,
// and no row that a limit sends to people comes here (docs/adr/0030). It stands before the coin too: the coin of a row that was shed is
// that of any row that nobody waits for, and its probability is recorded.
func (g *Gateway) shed(c *call) {
	d := g.deskOf(c)
	var ask, out []int
	for i := range c.rows {
		r := &c.rows[i]
		if r.applied != candorv1.Route_ROUTE_DEFER {
			continue
		}
		loss := g.lossOf(c, r)
		if d == nil {
			continue
		}
		now := g.ledger.Now()
		if r.seat = d.admit(now, review.Waiting{ExpectedLoss: loss, Created: now, Deadline: now.Add(c.model.reviewDeadline)}); r.seat != nil {
			c.seats = append(c.seats, r.seat)
			continue
		}
		g.metrics.shed.WithLabelValues(d.queue).Inc()
		out = append(out, i)
		if r.tier == 0 && len(c.model.tiers) > 0 {
			ask = append(ask, i)
		}
	}
	if len(ask) > 0 {
		g.askSpare(c, ask)
	}
	for _, i := range out {
		g.letGo(c, &c.rows[i])
	}
}

// askSpare asks the first tier for rows that it was not asked for because a human should have judged them. What it says is no evidence
// of its certificate, which is about the rows that reach it by their confidence.
func (g *Gateway) askSpare(c *call, rows []int) {
	result := c.model.tiers[0].Run(c.ctx.timed(), rows, func(ctx context.Context, name string, rows []int) fallback.Reply {
		return g.askMember(ctx, c, name, rows, candorv1.StepKind_STEP_KIND_MEMBER, g.reading(c.model.policy.Tiers[0].Method, c.model, name))
	}, c.rule)
	base := len(c.stages)
	c.stages = append(c.stages, result.Stages...)
	for s, stage := range result.Stages {
		c.note(base+s, &stage)
	}
	for j, i := range rows {
		r, ev := &c.rows[i], &result.Evidence[j]
		d := &r.decision
		r.spare, r.primaryThreshold = true, d.Threshold
		// It was compared with nothing.
		d.Confidence, d.RawConfidence, d.Threshold = ev.Confidence, ev.RawConfidence, nil
		d.Calibrator, d.Method = ev.Calibrator, c.model.policy.Tiers[0].Method
		d.Reasons = slices.Concat(d.Reasons, ev.Faults, ev.Notes)
	}
}

// letGo answers a row that was shed: with what the fallback as a whole said of it, sure enough or not, else with the policy's default
// answer, where that is what it does at a deadline, else not at all.
func (g *Gateway) letGo(c *call, r *row) {
	route := candorv1.Route_ROUTE_FALLBACK
	if se := c.spoken(r); se != nil {
		r.answer, r.answeredBy = se.evidence, se.stage
	} else if ev := c.fieldOf(r).defaultAnswer(); c.model.review.GetOnExpire() == candorv1.ExpireAction_EXPIRE_ACTION_DEFAULT && (ev.Label != "" || ev.Value != nil) {
		r.answer, r.answeredBy = &ev, c.defaultStage()
	} else {
		route, r.answeredBy = candorv1.Route_ROUTE_REJECT, -1
	}
	r.applied, r.decision.Route = route, route
	r.decision.Reasons = append(slices.Clone(r.decision.Reasons), candorv1.Reason_REASON_REVIEW_CAPACITY)
}

// spoken is what the last tier that had an answer of its own said of a row; nil: none had, or none was asked.
func (c *call) spoken(r *row) *stageEvidence {
	for i := len(r.stageEvidence) - 1; i > 0; i-- {
		se := &r.stageEvidence[i]
		kind := c.stages[se.stage].Kind
		for _, e := range c.model.tiers {
			// A member may have the ensemble's name.
			if kind != candorv1.StepKind_STEP_KIND_MEMBER && e.SpeaksAs(c.stages[se.stage].Name) && (se.evidence.Label != "" || se.evidence.Value != nil) {
				return se
			}
		}
	}
	return nil
}
