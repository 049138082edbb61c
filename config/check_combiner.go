package config

import (
	"fmt"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// combiner checks what an ensemble's combiner wants, and that nothing is written that it doesn't look at.
func (c *checker) combiner(at path, ensemble *candorv1.Ensemble) {
	combiner, members := ensemble.GetCombiner(), ensemble.GetMembers()
	if combiner == 0 || c.lost(at.field("combiner")) || c.lostWithin(at.field("members")) {
		return
	}
	takesWeights, takesFitted := false, false
	switch combiner {
	case candorv1.Combiner_COMBINER_WEIGHTED_MEAN, candorv1.Combiner_COMBINER_WEIGHTED_VOTE, candorv1.Combiner_COMBINER_LOG_POOL:
		takesWeights, takesFitted = true, true
	case candorv1.Combiner_COMBINER_STACKING:
		takesFitted = true
	}
	fitted := at.field("fitted")
	if ensemble.GetFitted() != "" && !takesFitted {
		c.complain(fitted, fmt.Sprintf("combiner %s has nothing that is fitted", short(combiner)), "take it out, or write weighted_mean, log_pool, weighted_vote or stacking")
	}
	if combiner == candorv1.Combiner_COMBINER_STACKING && ensemble.GetFitted() == "" && !c.lost(fitted) {
		c.complain(fitted, "is missing: stacking is a model, and it has to be fitted", "add fitted: name@version, which `candor ensemble fit` makes")
	}
	weights := 0
	for i, m := range members {
		if m.Weight == nil {
			continue
		}
		weights++
		here := at.field("members").item(i).field("weight")
		switch {
		case !takesWeights:
			c.complain(here, fmt.Sprintf("combiner %s has no weights", short(combiner)), "take it out, or write weighted_mean, log_pool or weighted_vote")
		case ensemble.GetFitted() != "":
			c.complain(here, "the weights come from fitted", "take it out, or fitted")
		}
	}
	// A logarithmic pool of equal weights is one by itself; the others have another name then.
	optional := combiner == candorv1.Combiner_COMBINER_LOG_POOL && weights == 0
	if takesWeights && ensemble.GetFitted() == "" && weights < len(members) && !optional && !c.lost(fitted) {
		for i, m := range members {
			if here := at.field("members").item(i).field("weight"); m.Weight == nil && !c.lost(here) {
				c.complain(here, "is missing: combiner "+short(combiner)+" wants a weight of every member", "add weight, or fitted")
			}
		}
	}
	c.votes(at, ensemble)
}

// votes checks what agreement and votes count.
func (c *checker) votes(at path, ensemble *candorv1.Ensemble) {
	members, agree, quorum := len(ensemble.GetMembers()), at.field("agree"), uint64(ensemble.GetQuorum())
	switch ensemble.GetCombiner() {
	case candorv1.Combiner_COMBINER_AGREEMENT:
		switch {
		case ensemble.Agree == nil:
			if members == 1 {
				c.complain(at.field("members"), "one member has nobody to agree with", "add another, or write combiner: mean")
			}
		case uint64(ensemble.GetAgree()) > uint64(members):
			c.complain(agree, fmt.Sprintf("%d of %d members can't agree", ensemble.GetAgree(), members), fmt.Sprintf("write at most %d, or add members", members))
		case ensemble.GetAgree() == 1:
			c.complain(agree, "one member always agrees with itself", "write 2 or more, or another combiner")
		}
		return
	case candorv1.Combiner_COMBINER_MAJORITY_VOTE:
		if quorum > 0 && 2*quorum <= uint64(members) && !c.lost(at.field("quorum")) {
			c.warn(at.field("quorum"), fmt.Sprintf("%d of %d votes are no majority, and missing votes count as votes against", quorum, members),
				fmt.Sprintf("write %d or more", members/2+1))
		}
	}
	if ensemble.Agree != nil && !c.lost(agree) {
		c.complain(agree, "only combiner agreement looks at it", "take it out, or write combiner: agreement")
	}
}

func isRegression(score *candorv1.Score) bool {
	return score.GetKind() == candorv1.ScoreKind_SCORE_KIND_REGRESSION
}

// combines complains about a member without what the combiner combines; 0: a label or a value will do.
func (c *checker) combines(at path, backend string, score *candorv1.Score, combiner candorv1.Combiner) bool {
	const value = candorv1.Combiner_COMBINER_MEDIAN
	wantsProbabilities := false
	switch combiner {
	case candorv1.Combiner_COMBINER_MEAN, candorv1.Combiner_COMBINER_WEIGHTED_MEAN, candorv1.Combiner_COMBINER_LOG_POOL, candorv1.Combiner_COMBINER_STACKING:
		wantsProbabilities = true
	}
	switch {
	case score == nil:
		c.complain(at, fmt.Sprintf("the card of backends.%s declares no score, so there is nothing to combine", backend), "add scores to it, or name another backend")
	case isRegression(score) && wantsProbabilities:
		c.complain(at, "a regression has no class probabilities to combine", "name a classifier, or write combiner: median")
	case isRegression(score) && combiner != value && combiner != 0:
		c.complain(at, "a regression has no label to vote for", "name a classifier, or write combiner: median")
	case !isRegression(score) && combiner == value:
		c.complain(at, fmt.Sprintf("labels have no median, and %s is a %s", backend, short(score.GetKind())), "name a regression, or write another combiner")
	case wantsProbabilities && !probabilistic(score.GetKind()) && c.cfg.GetBackends()[backend].GetCalibrator() == "":
		c.complain(at, fmt.Sprintf("a %s is no probability without a calibrator", short(score.GetKind())), "name a calibrator in the backend, or write majority_vote")
	default:
		return true
	}
	return false
}

// probabilistic says whether class probabilities follow from a score of this kind: they are then combined as such, however the
// model writes them.
func probabilistic(kind candorv1.ScoreKind) bool {
	switch kind {
	case candorv1.ScoreKind_SCORE_KIND_PROBABILITY, candorv1.ScoreKind_SCORE_KIND_LOG_ODDS, candorv1.ScoreKind_SCORE_KIND_LOGIT, candorv1.ScoreKind_SCORE_KIND_LOG_PROB:
		return true
	}
	return false
}
