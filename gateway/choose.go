package gateway

import (
	"log/slog"
	"slices"
	"strconv"

	"github.com/cespare/xxhash/v2"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/wire"
	"github.com/candor-gateway/candor/review"
	"github.com/candor-gateway/candor/router"
)

// choose tosses the coin of every row that a promise covers, after the limits have had their say: a row that a human will judge
// anyway is chosen for certain, every other one with the rate of its view, whatever its route. It records the probability.
func (g *Gateway) choose(c *call) {
	p := c.model.promise
	if p == nil {
		return
	}
	p.budget.seen(c.requestRows * p.covered)
	coins := g.coins.Load()
	if coins == nil {
		// No secret, no coin: nothing is licensed either.
		return
	}
	sums, err := c.inputSums(coins.seed)
	if err != nil {
		g.log.ErrorContext(&c.ctx, "no row of this call can be evidence: its inputs can't be read", slog.String("prediction_id", c.idText), slog.Any("error", err))
		return
	}
	for i := range c.rows {
		r := &c.rows[i]
		if !c.hasEvidence(r) {
			continue
		}
		digest, u := coins.toss(c.fieldOf(r).coinScope, sums[r.row])
		r.input, r.q = digest, r.view.rate
		if r.applied == candorv1.Route_ROUTE_DEFER && r.view.policy.Mode == candorv1.Mode_MODE_ENFORCE {
			r.q = 1
		}
		waits := r.applied == candorv1.Route_ROUTE_DEFER
		r.chosen = (r.q == 1 || u < r.q) && (waits || !coins.again(choice{c.model.name, r.segment, digest}))
	}
}

// hasEvidence says that some stage with a certificate has said how sure it is of the row. The primary may have failed, and a tier's
// answer be licensed all the same: then it must have its chance of being judged, too.
func (c *call) hasEvidence(r *row) bool {
	if r.view == nil {
		return false
	}
	for k := range r.view.licenses {
		if c.scored(r, k) != nil {
			return true
		}
	}
	return false
}

// scored is what a stage said of a row, for its certificate; nil: nothing that could be judged.
func (c *call) scored(r *row, stage int) *router.Evidence {
	l := r.view.licenses[stage]
	if l == nil || l.aside {
		return nil
	}
	ev := r.evidence
	if stage > 0 && r.spare {
		return nil
	}
	if stage > 0 {
		ev = c.tierEvidence(r, stage-1)
	}
	if ev == nil || ev.Confidence == nil || len(ev.Faults) > 0 {
		return nil
	}
	return ev
}

// evidenceOf is what a chosen row says about every certificate that it reached, and the cluster that it shares its fate with.
func (g *Gateway) evidenceOf(c *call, r *row) (sequences []review.Sequence, cluster []byte) {
	if !r.chosen {
		return nil, nil
	}
	if r.q < r.view.least {
		// Something kept it from the human who was sure to judge it, a limit for instance. Counting it would break the promise.
		g.metrics.evidenceLost.WithLabelValues(c.model.name).Inc()
		return nil, nil
	}
	for k, l := range r.view.licenses {
		ev := c.scored(r, k)
		if ev == nil {
			continue
		}
		of := r.view.policy.Primary
		if k > 0 {
			of = r.view.policy.Tiers[k-1]
		}
		s := review.Sequence{
			Certificate: l.id, Probability: r.q, Least: r.view.least, Confidence: *ev.Confidence, Label: ev.Label, Value: ev.Value,
			Accepted: of.Covers(*ev), Foreign: l.own != "",
		}
		sequences = append(sequences, s)
		if l.own != "" {
			// The new version's own evidence: nothing of it is licensed yet, so its alarm has nothing to watch.
			s.Certificate, s.Accepted, s.Foreign = l.own, false, false
			sequences = append(sequences, s)
		}
	}
	if key := c.model.promise.cfg.GetClusterKey(); key != "" && len(sequences) > 0 {
		if value, ok := paramText(c.req.Params, key); ok {
			digest, _ := g.coins.Load().toss(c.model.name+"/cluster", xxhash.Sum64String(key+"\x00"+value))
			cluster = digest[:]
		}
	}
	return sequences, cluster
}

// tierEvidence is what a tier as a whole said of a row; nil: it wasn't asked, or had no answer of its own.
func (c *call) tierEvidence(r *row, tier int) *router.Evidence {
	for i := range r.stageEvidence {
		se := &r.stageEvidence[i]
		s := &c.stages[se.stage]
		if s.Kind == candorv1.StepKind_STEP_KIND_ENSEMBLE && s.Name == c.model.tiers[tier].Name {
			return se.evidence
		}
	}
	return nil
}

// paramText is a request parameter as text.
func paramText(params []wire.Param, key string) (string, bool) {
	i := slices.IndexFunc(params, func(p wire.Param) bool { return p.Key == key })
	if i < 0 {
		return "", false
	}
	switch p := params[i]; p.Kind {
	case wire.ParamString:
		return p.Str, true
	case wire.ParamInt64:
		return strconv.FormatInt(p.Int64, 10), true
	case wire.ParamUint64:
		return strconv.FormatUint(p.U64, 10), true
	case wire.ParamDouble:
		return strconv.FormatFloat(p.F64, 'g', -1, 64), true
	case wire.ParamBool:
		return strconv.FormatBool(p.Bool), true
	}
	return "", false
}
