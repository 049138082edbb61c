package gateway

import (
	"context"
	"time"

	"github.com/candor-gateway/candor/backend"
	"github.com/candor-gateway/candor/fallback"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/router"
)

// askMeta asks another model how likely the primary's answers are right, for the rows that have one, in one sub-batch. What it says
// becomes their confidence. Rows that it says nothing usable of have none, and so are not accepted; its failure ends no call.
func (g *Gateway) askMeta(c *call) {
	if c.model.meta == nil {
		return
	}
	var rows []int
	for i := range c.rows {
		if len(c.rows[i].evidence.Faults) == 0 {
			rows = append(rows, i)
		}
	}
	if len(rows) == 0 {
		return
	}
	began, ctx := time.Now(), c.ctx.timed()
	if len(c.model.tiers) > 0 {
		// As the primary, it leaves enough for an answer from somebody else.
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, c.model.primaryUntil(began, c.until))
		defer cancel()
	}
	name := c.model.meta.Name()
	reply := g.askMember(ctx, c, name, rows, candorv1.StepKind_STEP_KIND_META,
		backend.Reading{Method: candorv1.ConfidenceMethod_CONFIDENCE_METHOD_MAX_PROB})
	stage := fallback.Stage{
		Kind: candorv1.StepKind_STEP_KIND_META, Name: name, Version: reply.Version, Created: reply.Created,
		Start: began, Duration: time.Since(began), Attempts: reply.Attempts, Replica: reply.Replica, Tried: reply.Tried, Waited: reply.Waited,
		Rows: rows, Evidence: reply.Evidence, Failure: reply.Failure,
	}
	for j := range stage.Evidence {
		stage.Evidence[j] = metaEvidence(stage.Evidence[j], c.model.plan.calibrators[name])
		c.rows[rows[j]].trust(stage.Evidence[j])
	}
	// Its Evidence is about the primary's answer and no answer to the row: no verdict scores it, so it isn't kept with the row.
	c.stages = append(c.stages, stage)
}

// metaEvidence makes the probability of the second label, that the answer is right, the confidence of what a meta model said.
func metaEvidence(ev router.Evidence, calibrator router.Calibrator) router.Evidence {
	ev.Method, ev.Confidence = candorv1.ConfidenceMethod_CONFIDENCE_METHOD_META, nil
	if len(ev.Faults) > 0 || len(ev.Probs) != 2 {
		return ev
	}
	right := ev.Probs[1]
	if calibrator != nil {
		ev.RawConfidence, ev.Calibrator = &ev.Probs[1], calibrator.Name()
		probs, ok := router.Calibrate(calibrator, ev.Probs)
		if !ok {
			return ev
		}
		right = probs[1]
	}
	ev.Confidence = &right
	return ev
}

// trust takes what a meta model said over into the primary's Evidence, and into what is kept of it for the record.
func (r *row) trust(meta router.Evidence) {
	take := func(ev *router.Evidence) {
		ev.Confidence, ev.RawConfidence, ev.Calibrator = meta.Confidence, meta.RawConfidence, meta.Calibrator
	}
	take(r.evidence)
	for i := range r.stageEvidence {
		if r.stageEvidence[i].stage == 0 {
			take(r.stageEvidence[i].evidence)
		}
	}
}
