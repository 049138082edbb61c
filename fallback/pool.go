package fallback

import (
	"math"

	"github.com/candor-gateway/candor/calibration/combine"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/router"
)

// pool combines class probabilities: their mean, weighted mean, logarithmic pool, or a stacking model over them.
//
// Uncertainty is the members' disagreement. With confidence vote_share, the votes are those for the pool's label; with
// disagreement the confidence is 1 - disagreement/ln K; other methods read the pool as they read any probabilities.
func (e *Ensemble) pool(answers []answer, missing float64) router.Evidence {
	probs := make([][]float64, len(answers))
	shares := make([]float64, len(answers))
	for j, a := range answers {
		probs[j], shares[j] = a.Probs, a.share
	}
	var pooled []float64
	switch e.Combiner {
	case candorv1.Combiner_COMBINER_LOG_POOL:
		pooled = combine.LogPool(probs, shares)
	case candorv1.Combiner_COMBINER_STACKING:
		pooled = combine.Stack(e.Stacking, e.everybody(answers, probs))
	default:
		pooled = combine.Mean(probs, shares)
	}
	ev := router.FromProbabilities(e.Name, pooled, e.Labels, e.Method)
	ev.Uncertainty = disagreement(probs, shares, missing)
	ev.UncertaintyKind = candorv1.UncertaintyKind_UNCERTAINTY_KIND_DISAGREEMENT
	switch e.Method {
	case candorv1.ConfidenceMethod_CONFIDENCE_METHOD_DISAGREEMENT:
		ev.Confidence = inUnit(1 - ev.Uncertainty/math.Log(float64(len(e.Labels))))
	case candorv1.ConfidenceMethod_CONFIDENCE_METHOD_VOTE_SHARE:
		ev.Confidence = inUnit(votesFor(ev.Top, answers))
	}
	return ev
}

// everybody is the members' probabilities with, for each that is missing, the mean of those who answered: a stacking model has
// coefficients for all of them, and this neither pulls its answer anywhere nor leaves a hole.
func (e *Ensemble) everybody(answers []answer, probs [][]float64) [][]float64 {
	if len(answers) == len(e.Members) {
		return probs
	}
	others := combine.Mean(probs, nil)
	all := make([][]float64, len(e.Members))
	for m := range all {
		all[m] = others
	}
	for _, a := range answers {
		all[a.member] = a.Probs
	}
	return all
}

// disagreement is H(Σ w·p) - Σ w·H(p) in nats (the mutual information of answer and member: Lakshminarayanan et al. 2017, Depeweg
// et al. 2018), with the weights of those who answered. missing is the others' share of all weight, in [0,1): they count as
// disagreeing as much as can be, ln K, so that a missing member never narrows what is said.
func disagreement(members [][]float64, shares []float64, missing float64) float64 {
	sum, h := 0.0, 0.0
	for _, s := range shares {
		sum += s
	}
	for j, p := range members {
		h += shares[j] / sum * router.Entropy(p)
	}
	most := math.Log(float64(len(members[0])))
	d := min(max(0, router.Entropy(combine.Mean(members, shares))-h), most)
	return (1-missing)*d + missing*most
}

// inUnit keeps rounding from leaving [0,1].
func inUnit(v float64) *float64 {
	v = min(max(v, 0), 1)
	return &v
}
