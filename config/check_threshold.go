package config

import (
	"fmt"
	"math"
	"strings"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/router"
)

// tierThreshold checks what a tier's answers are compared with: its own threshold, or the policy's.
func (c *checker) tierThreshold(tier tierAt, policy *candorv1.Policy, score *candorv1.Score, source router.Source) {
	here, threshold := tier.at.field("threshold"), tier.policy.GetThreshold()
	if c.lostWithin(here) {
		return
	}
	method := router.TierMethod(policy.GetConfidence(), threshold, source)
	if threshold == nil {
		if policy.GetAccept().GetThreshold() != nil && router.OfOneModel(policy.GetConfidence()) {
			c.complain(tier.at, fmt.Sprintf("has no threshold of its own, and accept's is about %s, which an ensemble's answer does not have", short(policy.GetConfidence())),
				"add threshold with "+source.TierKinds())
		}
		return
	}
	if !c.written(here) {
		return // It is accept's, and what is wrong with that is said there.
	}
	if own := router.ThresholdMethod(threshold); router.OfOneModel(own) {
		c.complain(here.field(router.ThresholdKind(own)), "an ensemble's answer has no "+router.MethodName(own), "write "+source.TierKinds())
		return
	}
	if err := router.MethodFits(method, source.Combined()); err != nil {
		problem, _, _ := strings.Cut(err.Error(), "; ")
		c.complain(here, problem, "write "+source.TierKinds())
		return
	}
	c.threshold(here, threshold, method, policy, score)
}

// threshold checks one threshold's kind, and warns when it lets everything pass.
func (c *checker) threshold(at path, threshold *candorv1.Threshold, method candorv1.ConfidenceMethod, policy *candorv1.Policy, score *candorv1.Score) {
	reflected := threshold.ProtoReflect()
	chosen := reflected.WhichOneof(reflected.Descriptor().Oneofs().ByName("at"))
	if chosen == nil {
		return
	}
	kind, wanted := string(chosen.Name()), router.ThresholdKind(method)
	at = at.field(kind)
	if kind == "log_odds" && method == candorv1.ConfidenceMethod_CONFIDENCE_METHOD_MAX_PROB {
		if score.GetKind() != candorv1.ScoreKind_SCORE_KIND_LOG_ODDS {
			c.complain(at, fmt.Sprintf("log-odds can't be compared with a %s score", short(score.GetKind())), "write probability")
			return
		}
	} else if kind != wanted {
		c.complain(at, fmt.Sprintf("a threshold on %s can't be compared with confidence: %s", kind, short(method)), "write "+wanted+", or another confidence")
		return
	}
	c.binds(at, kind, reflected.Get(chosen).Float(), method, policy, score)
}

// binds warns about a threshold that no row can miss, and refuses one beyond the end of its scale.
func (c *checker) binds(at path, kind string, value float64, method candorv1.ConfidenceMethod, policy *candorv1.Policy, score *candorv1.Score) {
	never := func(why, remedy string) {
		c.warn(at, "it can never bind: "+why, remedy)
	}
	everything := func(what, remedy string) {
		c.complain(at, what+": every row would be accepted", remedy)
	}
	labels := len(score.GetLabels())
	switch kind {
	case "probability":
		if method != methodMeta && labels > 1 && value <= 1/float64(labels) {
			never(fmt.Sprintf("the top of %d labels has a probability of %.3g at least", labels, 1/float64(labels)), fmt.Sprintf("write more than %.3g", 1/float64(labels)))
		} else if value == 0 {
			never("it is never below 0", "write more than 0")
		}
	case "log_odds", "margin", "vote_share", "boundary":
		if value == 0 {
			never("it is never below 0", "write more than 0")
		}
	case "normalized_entropy":
		if value == 1 {
			never("it is never above 1", "write less than 1")
		}
	case "interval_width", "spread":
		if policy.IntervalScale != nil && value >= policy.GetIntervalScale() && !math.IsNaN(value) {
			everything(fmt.Sprintf("is not below interval_scale %v", policy.GetIntervalScale()), "write less")
		}
	case "disagreement":
		if most := math.Log(float64(labels)); labels > 1 && value >= most {
			everything(fmt.Sprintf("is not below ln %d = %.3g, the most that there can be", labels, most), "write less")
		}
	case "distance":
		if policy.DistanceScale != nil && router.DistanceConfidence(value, policy.GetDistanceScale()) == 0 {
			everything(fmt.Sprintf("is so far beyond distance_scale %v that its confidence is 0", policy.GetDistanceScale()), "write less")
		}
	case "energy":
		if policy.EnergyCenter != nil && router.EnergyConfidence(value, policy.GetEnergyCenter()) == 0 {
			everything(fmt.Sprintf("is so far below energy_center %v that its confidence is 0", policy.GetEnergyCenter()), "write more")
		}
	}
}
