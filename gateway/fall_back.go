package gateway

import (
	"context"
	"errors"

	"github.com/candor-gateway/candor/backend"
	"github.com/candor-gateway/candor/fallback"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/wire"
	"github.com/candor-gateway/candor/router"
)

// fallBack sends the rows that go to fallback, and only they, to the tiers in order, each time in one sub-batch, and decides
// again: the rows that a tier can't answer go on to the next.
func (g *Gateway) fallBack(c *call) {
	for tier := range c.model.tiers {
		var rows []int
		for i := range c.rows {
			if r := &c.rows[i]; r.applied == candorv1.Route_ROUTE_FALLBACK && r.decision.Ask == tier {
				rows = append(rows, i)
			}
		}
		if len(rows) == 0 {
			continue
		}
		g.askTier(c, tier, rows)
	}
}

// askTier asks one tier for rows and decides again.
func (g *Gateway) askTier(c *call, tier int, rows []int) {
	result := c.model.tiers[tier].Run(c.ctx.timed(), rows, func(ctx context.Context, name string, rows []int) fallback.Reply {
		return g.askMember(ctx, c, name, rows, candorv1.StepKind_STEP_KIND_MEMBER, g.reading(c.model.policy.Tiers[tier].Method, c.model, name))
	}, c.rule)
	base := len(c.stages)
	c.stages = append(c.stages, result.Stages...)
	for s, stage := range result.Stages {
		c.note(base+s, &stage)
	}
	for j, i := range rows {
		r := &c.rows[i]
		if tier == 0 {
			r.primaryThreshold = r.decision.Threshold
		}
		r.tier = tier + 1
		policy := c.policy(r)
		r.decision = g.applyConditions(c, r, policy, router.DecideTier(*policy, r.decision, result.Evidence[j]), &result.Evidence[j])
		r.applied = r.decision.Route
		r.answer, r.answeredBy = &result.Evidence[j], -1
		if result.AnsweredBy[j] >= 0 {
			r.answeredBy = base + result.AnsweredBy[j]
		}
	}
}

// reading is how the scores of a backend are read for a model.
func (g *Gateway) reading(method candorv1.ConfidenceMethod, m *model, backendName string) backend.Reading {
	return backend.Reading{Method: method, Scale: m.policy.Scale, Calibrator: m.plan.calibrators[backendName]}
}

// askMember asks one backend, beside the primary, for some rows of the call. It may run beside others of the same call, and reads the call only. It
// runs in a goroutine of its own, behind which nobody recovers: a panic is this member's failure.
func (g *Gateway) askMember(ctx context.Context, c *call, name string, rows []int, kind candorv1.StepKind, how backend.Reading) (reply fallback.Reply) {
	b := c.model.plan.backends[name]
	cfg := c.model.plan.cfg.GetBackends()[name]
	defer func() {
		if p := recover(); p != nil {
			_ = g.panicked(ctx, "backend "+name, p)
			reply.Evidence = nil
			reply.Failure = &fallback.Failure{
				Reason: candorv1.Reason_REASON_BACKEND_FAILURE, Source: candorv1.FailureSource_FAILURE_SOURCE_INFERRED,
				Detail: "a defect of the gateway; its log has the details",
			}
		}
	}()
	reply = fallback.Reply{Version: cfg.GetVersion(), Created: cfg.GetCard().GetCreatedAt().GetSeconds(), Attempts: 1}
	request, err := c.rowsFor(b, rows)
	if err != nil {
		reply.Failure = &fallback.Failure{
			Reason: candorv1.Reason_REASON_CONTRACT_FAILURE, Source: candorv1.FailureSource_FAILURE_SOURCE_INFERRED, Detail: err.Error(),
		}
		return reply
	}
	check := func(resp *wire.Response) backend.Verdict {
		var v backend.Verdict
		reply.Evidence, v = b.Card().Evidence(nil, name, resp, len(rows), how)
		unsure(&v, reply.Evidence, b.UnsureBelow())
		c.excuse(&v, reply.Evidence, rows)
		return v
	}
	ctx, headers := c.trace.attempt(ctx, name, kind)
	terms := c.terms(ctx)
	terms.Headers = headers
	answer, err := b.Infer(ctx, terms, request, check)
	if err != nil {
		var f *backend.Failure
		reply.Evidence = nil
		if !errors.As(err, &f) {
			f = &backend.Failure{Reason: candorv1.Reason_REASON_BACKEND_FAILURE, Message: err.Error()}
		}
		reply.Failure = &fallback.Failure{Reason: f.Reason, Source: f.Source, Detail: f.Message}
		reply.Attempts, reply.Replica, reply.Tried, reply.Waited = f.Attempts, f.Replica, triedOf(f.Tried), f.Waited
		return reply
	}
	reply.Attempts, reply.Replica, reply.Tried, reply.Waited = answer.Attempts, answer.Replica, triedOf(answer.Tried), answer.Waited
	return reply
}
