package fallback

import (
	"fmt"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/router"
)

// combine makes one Evidence of the members' answers to row i by the mean of their class probabilities. ok is false when
// fewer than the quorum have a usable answer.
//
// Uncertainty is the members' disagreement, the mutual information H(mean p) - mean H(p) in nats (Lakshminarayanan et al.
// 2017; Depeweg et al. 2018). A missing member counts there as one that knows nothing (the uniform distribution), so that
// fewer answers are never less uncertain than the same answers from a full house with one more that agrees.
func (e *Ensemble) combine(members []Stage, i int) (ev router.Evidence, ok bool) {
	var usable [][]float64
	var why string
	for _, m := range members {
		switch {
		case m.Failure != nil:
			why = m.Name + ": " + m.Failure.Detail
		case len(m.Evidence[i].Faults) > 0:
			why = m.Name + ": " + m.Evidence[i].Detail
		case len(m.Evidence[i].Probs) != len(e.Labels):
			why = fmt.Sprintf("%s: %d class probabilities for %d labels", m.Name, len(m.Evidence[i].Probs), len(e.Labels))
		default:
			usable = append(usable, m.Evidence[i].Probs)
		}
	}
	if len(usable) < e.Quorum || len(usable) == 0 {
		detail := fmt.Sprintf("%d of %d members answered, the quorum is %d (%s)", len(usable), len(members), e.Quorum, why)
		return router.Failed(e.Name, candorv1.Reason_REASON_QUORUM_MISSED, detail), false
	}
	ev = router.FromProbabilities(e.Name, mean(usable), e.Labels, e.Method)
	ev.UncertaintyKind = candorv1.UncertaintyKind_UNCERTAINTY_KIND_DISAGREEMENT
	missing := len(members) - len(usable)
	if missing > 0 {
		ev.Notes = []candorv1.Reason{candorv1.Reason_REASON_MEMBER_MISSING}
		usable = append(usable, uniform(len(e.Labels), missing)...)
	}
	ev.Uncertainty = disagreement(usable)
	return ev, true
}

func mean(members [][]float64) []float64 {
	out := make([]float64, len(members[0]))
	for _, p := range members {
		for k, v := range p {
			out[k] += v
		}
	}
	for k := range out {
		out[k] /= float64(len(members))
	}
	return out
}

// disagreement is H(mean p) - mean H(p) in nats, at least 0.
func disagreement(members [][]float64) float64 {
	h := 0.0
	for _, p := range members {
		h += router.Entropy(p)
	}
	return max(0, router.Entropy(mean(members))-h/float64(len(members)))
}

func uniform(labels, n int) [][]float64 {
	p := make([]float64, labels)
	for k := range p {
		p[k] = 1 / float64(labels)
	}
	out := make([][]float64, n)
	for i := range out {
		out[i] = p
	}
	return out
}
