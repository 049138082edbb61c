package config

import (
	"fmt"
	"math"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// model checks one model's entry against the backends, ensembles and queues that it names.
func (c *checker) model(at path, name string, model *candorv1.Model) {
	primary, found := refer(c, at.field("primary"), "backend", model.GetPrimary(), "backends", c.cfg.GetBackends())
	policy := model.GetPolicy()
	at = at.field("policy")
	if policy == nil {
		return
	}
	score, known := c.knownScore(model.GetPrimary())
	c.routes(at, policy)
	c.conditions(at, policy)
	if known {
		c.confidence(at, policy, score)
	}
	if fallback := policy.GetFallback(); fallback != nil {
		use := at.field("fallback").field("ensemble")
		if ensemble, ok := refer(c, use, "ensemble", fallback.GetEnsemble(), "ensembles", c.cfg.GetEnsembles()); ok && found {
			c.stands(name, model, ensemble, use)
		}
	}
	c.review(at, policy, primary.GetCard(), known)
	if card := top("backends").key(model.GetPrimary()).field("card"); found && primary.GetCard() != nil {
		c.batches(at, policy, primary.GetCard())
		if !c.lostWithin(card.field("outputs")) {
			c.answers(at.field("answers"), policy, primary.GetCard(), known && !c.lost(card.field("rows")))
		}
	}
	if known {
		c.actions(at.field("actions"), policy, score)
	}
}

// routes warns about a policy that leaves rows nowhere to go.
func (c *checker) routes(at path, policy *candorv1.Policy) {
	if policy.GetAccept() == nil && !c.lost(at.field("accept")) {
		c.warn(at, "nothing will ever be accepted", "add accept with a threshold")
	}
	if policy.GetMode() == candorv1.Mode_MODE_ENFORCE && policy.GetFallback() == nil && policy.GetReview() == nil &&
		!c.lost(at.field("mode")) && !c.lost(at.field("fallback")) && !c.lost(at.field("review")) {
		c.warn(at, "rows that are not sure enough are rejected", "add fallback, review or both")
	}
}

// confidence checks that the confidence can be made of the score, and that the thresholds are of its kind.
func (c *checker) confidence(at path, policy *candorv1.Policy, score *candorv1.Score) {
	method := at.field("confidence")
	if c.lost(method) {
		return
	}
	accept, fallback := at.field("accept").field("threshold"), at.field("fallback").field("threshold")
	if score == nil {
		for _, here := range []path{accept, fallback} {
			if c.written(here) {
				c.complain(here, "the primary's card declares no score that it could be compared with", "add scores to the card, or take the threshold out")
			}
		}
		if policy.GetConfidence() != candorv1.ConfidenceMethod_CONFIDENCE_METHOD_INTERVAL_WIDTH {
			return
		}
	}
	regression := score.GetKind() == candorv1.ScoreKind_SCORE_KIND_REGRESSION
	interval := policy.GetConfidence() == candorv1.ConfidenceMethod_CONFIDENCE_METHOD_INTERVAL_WIDTH
	switch {
	case regression && !interval:
		c.complain(method, fmt.Sprintf("%s needs class probabilities, and the primary is a regression", short(policy.GetConfidence())), "write interval_width")
		return
	case !regression && interval:
		c.complain(method, "interval_width needs a regression", "write max_prob, margin or entropy")
		return
	case interval:
		c.interval(at, policy, score)
	case policy.IntervalScale != nil:
		c.warn(at.field("interval_scale"), "has no effect without confidence: interval_width", "take it out")
	}
	if c.written(accept) {
		c.threshold(accept, policy.GetAccept().GetThreshold(), policy, score)
	}
	if c.written(fallback) {
		c.threshold(fallback, policy.GetFallback().GetThreshold(), policy, score)
	}
}

func (c *checker) interval(at path, policy *candorv1.Policy, score *candorv1.Score) {
	scale := at.field("interval_scale")
	if policy.IntervalScale == nil && !c.lost(scale) {
		c.complain(scale, "is missing: a regression's confidence is the width of its interval beside this", "add the width, in "+unit(score)+", that counts as no confidence at all")
	}
	regression := score.GetRegression()
	if policy.GetAccept() != nil && regression != nil && (regression.GetLowerOutput() == "" || regression.GetUpperOutput() == "") {
		c.complain(at.field("accept"), "the primary's card names no interval, so there is no width to compare", "add regression.lower_output and upper_output to the card's score, or take accept out")
	}
}

func unit(score *candorv1.Score) string {
	if unit := score.GetRegression().GetUnit(); unit != "" {
		return abridged(unit)
	}
	return "the model's unit"
}

// thresholdFields are the kinds of threshold that a confidence is compared with.
var thresholdFields = map[candorv1.ConfidenceMethod]string{
	candorv1.ConfidenceMethod_CONFIDENCE_METHOD_MAX_PROB:       "probability",
	candorv1.ConfidenceMethod_CONFIDENCE_METHOD_MARGIN:         "margin",
	candorv1.ConfidenceMethod_CONFIDENCE_METHOD_ENTROPY:        "normalized_entropy",
	candorv1.ConfidenceMethod_CONFIDENCE_METHOD_INTERVAL_WIDTH: "interval_width",
}

// threshold checks one threshold's kind, and warns when it lets everything pass.
func (c *checker) threshold(at path, threshold *candorv1.Threshold, policy *candorv1.Policy, score *candorv1.Score) {
	reflected := threshold.ProtoReflect()
	chosen := reflected.WhichOneof(reflected.Descriptor().Oneofs().ByName("at"))
	if chosen == nil {
		return
	}
	kind, wanted := string(chosen.Name()), thresholdFields[policy.GetConfidence()]
	at = at.field(kind)
	if kind == "log_odds" && wanted == "probability" {
		if score.GetKind() != candorv1.ScoreKind_SCORE_KIND_LOG_ODDS {
			c.complain(at, fmt.Sprintf("log-odds can't be compared with a %s score", short(score.GetKind())), "write probability")
			return
		}
	} else if kind != wanted {
		c.complain(at, fmt.Sprintf("a threshold on %s can't be compared with confidence: %s", kind, short(policy.GetConfidence())), "write "+wanted+", or another confidence")
		return
	}
	c.binds(at, kind, reflected.Get(chosen).Float(), policy, score)
}

// binds warns about a threshold that no row can miss.
func (c *checker) binds(at path, kind string, value float64, policy *candorv1.Policy, score *candorv1.Score) {
	never := func(why, remedy string) {
		c.warn(at, "it can never bind: "+why, remedy)
	}
	switch kind {
	case "probability":
		if k := len(score.GetLabels()); k > 1 && value <= 1/float64(k) {
			never(fmt.Sprintf("the top of %d labels has a probability of %.3g at least", k, 1/float64(k)), fmt.Sprintf("write more than %.3g", 1/float64(k)))
		}
	case "log_odds", "margin":
		if value == 0 {
			never("it is never below 0", "write more than 0")
		}
	case "normalized_entropy":
		if value == 1 {
			never("it is never above 1", "write less than 1")
		}
	case "interval_width":
		if policy.IntervalScale != nil && value >= policy.GetIntervalScale() && !math.IsNaN(value) {
			c.complain(at, fmt.Sprintf("is not below interval_scale %v: every row would be accepted", policy.GetIntervalScale()), "write less")
		}
	}
}
