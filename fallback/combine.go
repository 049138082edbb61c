package fallback

import (
	"fmt"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/router"
)

// answer is one member's usable answer to a row.
type answer struct {
	member int
	// share of all weight, that of missing members included.
	share float64
	*router.Evidence
}

// combine makes one Evidence of the members' answers to row i. ok is false when fewer than the quorum have a usable answer, or
// when those who must agree don't.
//
// Weights are divided by the sum of those who answered. Whatever the combiner, a missing member makes the uncertainty beside the
// answer larger than the same answers of an ensemble without it would, and the Evidence says MEMBER_MISSING.
func (e *Ensemble) combine(members []Stage, i int, shares []float64) (ev router.Evidence, ok bool) {
	answers, why := e.usable(members, i, shares)
	present := 0.0
	for _, a := range answers {
		present += a.share
	}
	if len(answers) < max(e.Quorum, 1) || present <= 0 {
		detail := fmt.Sprintf("%d of %d members answered, the quorum is %d (%s)", len(answers), len(members), e.Quorum, why)
		if len(answers) >= max(e.Quorum, 1) {
			detail = "the members that answered have no weight (" + why + ")"
		}
		return router.Failed(e.Name, candorv1.Reason_REASON_QUORUM_MISSED, detail), false
	}
	missing := 0.0
	if len(answers) < len(members) {
		missing = max(0, 1-present)
	}
	switch e.Combiner {
	case candorv1.Combiner_COMBINER_MEAN, candorv1.Combiner_COMBINER_WEIGHTED_MEAN, candorv1.Combiner_COMBINER_LOG_POOL,
		candorv1.Combiner_COMBINER_STACKING:
		ev = e.pool(answers, missing)
	case candorv1.Combiner_COMBINER_MAJORITY_VOTE, candorv1.Combiner_COMBINER_WEIGHTED_VOTE:
		ev = e.vote(answers)
	case candorv1.Combiner_COMBINER_MEDIAN:
		ev = e.median(answers)
	case candorv1.Combiner_COMBINER_AGREEMENT:
		if ev, ok = e.agreement(answers); !ok {
			return ev, false
		}
	}
	if len(answers) < len(members) {
		ev.Notes = append(ev.Notes[:len(ev.Notes):len(ev.Notes)], candorv1.Reason_REASON_MEMBER_MISSING)
	}
	return ev, true
}

// usable are the answers that the combiner can use, in the order of the members, and why another is not among them.
func (e *Ensemble) usable(members []Stage, i int, shares []float64) (answers []answer, why string) {
	for m := range members {
		s := &members[m]
		if s.Failure != nil {
			why = s.Name + ": " + s.Failure.Detail
			continue
		}
		ev := &s.Evidence[i]
		problem := e.lacks(ev)
		if len(ev.Faults) > 0 {
			problem = ev.Detail
		}
		if problem != "" {
			why = s.Name + ": " + problem
			continue
		}
		answers = append(answers, answer{m, shares[m], ev})
	}
	return answers, why
}

// lacks says what an answer has not that the combiner needs; empty: nothing.
func (e *Ensemble) lacks(ev *router.Evidence) string {
	switch e.Combiner {
	case candorv1.Combiner_COMBINER_MEAN, candorv1.Combiner_COMBINER_WEIGHTED_MEAN, candorv1.Combiner_COMBINER_LOG_POOL,
		candorv1.Combiner_COMBINER_STACKING:
		if len(ev.Probs) != len(e.Labels) || len(e.Labels) == 0 {
			return fmt.Sprintf("%d class probabilities for %d labels", len(ev.Probs), len(e.Labels))
		}
	case candorv1.Combiner_COMBINER_MAJORITY_VOTE, candorv1.Combiner_COMBINER_WEIGHTED_VOTE, candorv1.Combiner_COMBINER_AGREEMENT:
		if ev.Top < 0 || ev.Top >= len(e.Labels) || e.Labels[ev.Top] != ev.Label {
			return fmt.Sprintf("%.64q is none of the ensemble's labels", ev.Label)
		}
	case candorv1.Combiner_COMBINER_MEDIAN:
		if ev.Value == nil {
			return "there is no value"
		}
	default:
		return "the ensemble has no combiner"
	}
	return ""
}
