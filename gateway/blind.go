package gateway

import (
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

// shown is an item as this principal may see it. Where a policy promises something, whoever may judge an item sees what there is
// to judge and nothing else until it has its verdict: neither that it is an audit, nor what the model says. Suggestions anchor
// people, and a verdict on a row that is known to be watched is evidence of another world.
func (g *Gateway) shown(p *Principal, item *review.Item) *candorv1.ReviewItem {
	out := item.Proto()
	m := g.models[item.Model]
	if m == nil || m.promise == nil || !item.FinalTime.IsZero() || !p.has(candorv1.Role_ROLE_REVIEWER) {
		return out
	}
	out.Kind, out.Reasons, out.ExpectedLoss, out.SamplingProbability, out.Answers = 0, nil, 0, 0, nil
	return out
}
