package fallback

import (
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/router"
)

// vote is the label that most members, or most of their weight, name. Of equals it is the first in the order of the labels; its
// share is then at most one half, so that no threshold above one half lets a tie pass.
//
// Its confidence is the share of all configured weight, that of missing members included, whatever the policy's method: votes
// have no probabilities. Uncertainty is the rest, dissent.
func (e *Ensemble) vote(answers []answer) router.Evidence {
	top, most := -1, -1.0
	for k := range e.Labels {
		if v := votesFor(k, answers); v > most+tie {
			top, most = k, v
		}
	}
	ev := router.Evidence{
		Stage: e.Name, Top: top, Label: e.Labels[top], Labels: e.Labels,
		Method: candorv1.ConfidenceMethod_CONFIDENCE_METHOD_VOTE_SHARE, Confidence: inUnit(most),
	}
	ev.Uncertainty, ev.UncertaintyKind = dissent(most)
	return ev
}

// tie is how near two sums of shares are that differ by rounding alone.
const tie = 1e-9

// votesFor is the share of all weight that names label k.
func votesFor(k int, answers []answer) float64 {
	sum := 0.0
	for _, a := range answers {
		if a.Top == k {
			sum += a.share
		}
	}
	return sum
}

func dissent(share float64) (float64, candorv1.UncertaintyKind) {
	return max(0, 1-share), candorv1.UncertaintyKind_UNCERTAINTY_KIND_DISSENT
}
