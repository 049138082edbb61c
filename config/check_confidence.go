package config

import (
	"fmt"
	"strings"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/router"
)

const (
	methodInterval = candorv1.ConfidenceMethod_CONFIDENCE_METHOD_INTERVAL_WIDTH
	methodSpread   = candorv1.ConfidenceMethod_CONFIDENCE_METHOD_SPREAD
	methodEnergy   = candorv1.ConfidenceMethod_CONFIDENCE_METHOD_ENERGY
	methodDistance = candorv1.ConfidenceMethod_CONFIDENCE_METHOD_DISTANCE
	methodBoundary = candorv1.ConfidenceMethod_CONFIDENCE_METHOD_BOUNDARY
	methodMeta     = candorv1.ConfidenceMethod_CONFIDENCE_METHOD_META
)

// confidence checks that the confidence can be made of the primary's score, that what it needs is there, and that the thresholds
// are of its kind.
func (c *checker) confidence(at path, model *candorv1.Model, score *candorv1.Score) {
	policy, method := model.GetPolicy(), at.field("confidence")
	if c.lost(method) {
		return
	}
	source := sourceOf(c.cfg, model.GetPrimary())
	if score == nil && !c.unscored(at, policy) {
		return
	}
	if err := router.MethodFits(policy.GetConfidence(), source); err != nil {
		problem, remedy, _ := strings.Cut(err.Error(), "; ")
		c.complain(method, problem, remedy)
		return
	}
	used := map[candorv1.ConfidenceMethod]bool{policy.GetConfidence(): true}
	for _, tier := range tiersOf(at, policy) {
		used[router.TierMethod(policy.GetConfidence(), tier.policy.GetThreshold(), source)] = true
	}
	c.scales(at, policy, score, used)
	c.judge(at, model, used[methodMeta])
	if router.OfEnsemble(policy.GetConfidence()) {
		c.ofEnsemble(method, policy, source)
	}
	if source.Calibrated && (policy.GetConfidence() == methodDistance || policy.GetConfidence() == methodBoundary) {
		c.warn(method, fmt.Sprintf("%s reads the score itself: the backend's calibrator has no effect on it", short(policy.GetConfidence())), "write max_prob, or take the calibrator out")
	}
	if accept := at.field("accept").field("threshold"); c.written(accept) {
		c.threshold(accept, policy.GetAccept().GetThreshold(), policy.GetConfidence(), policy, score)
	}
	for _, tier := range tiersOf(at, policy) {
		c.tierThreshold(tier, policy, score, source)
	}
}

// unscored checks a policy for a primary whose card declares no score; go on says that there is a confidence all the same.
func (c *checker) unscored(at path, policy *candorv1.Policy) (goOn bool) {
	if policy.GetConfidence() == methodMeta {
		return true
	}
	written := []path{at.field("accept").field("threshold")}
	for _, tier := range tiersOf(at, policy) {
		written = append(written, tier.at.field("threshold"))
	}
	for _, here := range written {
		if c.written(here) {
			c.complain(here, "the primary's card declares no score that it could be compared with", "add scores to the card, or take the threshold out")
		}
	}
	if policy.GetConfidence() != router.DefaultMethod(router.Source{}) {
		c.complain(at.field("confidence"), fmt.Sprintf("%s can't be made of nothing, and the primary's card declares no score", short(policy.GetConfidence())), "add scores to the card, or write meta")
	}
	return false
}

// tierAt is a tier of a cascade with its place.
type tierAt struct {
	at     path
	policy *candorv1.FallbackPolicy
}

func tiersOf(at path, policy *candorv1.Policy) (tiers []tierAt) {
	if policy.GetFallback() != nil {
		tiers = append(tiers, tierAt{at.field("fallback"), policy.GetFallback()})
	}
	for i, tier := range policy.GetThen() {
		tiers = append(tiers, tierAt{at.field("then").item(i), tier})
	}
	return tiers
}

// scales checks the numbers that confidences are mapped to [0,1] by.
func (c *checker) scales(at path, policy *candorv1.Policy, score *candorv1.Score, used map[candorv1.ConfidenceMethod]bool) {
	for _, scale := range []struct {
		field         string
		given, wanted bool
		why, add, by  string
	}{
		{"interval_scale", policy.IntervalScale != nil, used[methodInterval] || used[methodSpread],
			"a regression's confidence is the width of its interval beside this, or the spread of its members",
			"the width, in " + unit(score) + ", that counts as no confidence at all", "interval_width or spread"},
		{"energy_center", policy.EnergyCenter != nil, used[methodEnergy],
			"an energy has no scale of its own", "the energy ln Σ exp(z), in nats, that counts as half sure", "energy"},
		{"distance_scale", policy.DistanceScale != nil, used[methodDistance],
			"a distance has no scale of its own", "the distance, in the score's metric, at which confidence has fallen to 1/e", "distance"},
	} {
		here := at.field(scale.field)
		switch {
		case c.lost(here):
		case scale.wanted && !scale.given:
			c.complain(here, "is missing: "+scale.why, "add "+scale.add)
		case scale.given && !scale.wanted:
			c.warn(here, "has no effect without confidence: "+scale.by, "take it out")
		}
	}
	if policy.GetConfidence() == methodInterval && policy.GetAccept() != nil && score.GetRegression() != nil && !hasInterval(score) {
		c.complain(at.field("accept"), "the primary's card names no interval, so there is no width to compare",
			"add regression.lower_output and upper_output, or variance_output, to the card's score, or take accept out")
	}
}

// hasInterval says that a regression's card names the outputs of an interval.
func hasInterval(score *candorv1.Score) bool {
	r := score.GetRegression()
	return r.GetVarianceOutput() != "" || r.GetLowerOutput() != "" && r.GetUpperOutput() != ""
}

func unit(score *candorv1.Score) string {
	if unit := score.GetRegression().GetUnit(); unit != "" {
		return abridged(unit)
	}
	return "the model's unit"
}

// judge checks the model that says how likely the primary's answers are right.
func (c *checker) judge(at path, model *candorv1.Model, wanted bool) {
	here, name := at.field("meta"), model.GetPolicy().GetMeta().GetBackend()
	switch {
	case c.lostWithin(here):
		return
	case model.GetPolicy().GetMeta() == nil:
		if wanted {
			c.complain(here, "is missing: nobody says how likely an answer is right", "add meta with a backend")
		}
		return
	case !wanted:
		c.complain(here, "nobody is asked without confidence: meta", "take it out, or write confidence: meta")
	}
	here = here.field("backend")
	backend, ok := refer(c, here, "backend", name, "backends", c.cfg.GetBackends())
	if !ok {
		return
	}
	if name == model.GetPrimary() {
		c.complain(here, "is the primary itself", "name a model that was trained to tell right answers from wrong ones")
		return
	}
	if !c.alone(here, name) {
		return
	}
	raw := sourceOf(c.cfg, name)
	raw.Calibrated = false
	if score, known := c.knownScore(name); known && (raw.Labels != 2 || !raw.HasProbabilities()) {
		problem := fmt.Sprintf("the card of backends.%s declares no score", name)
		if score != nil {
			problem = fmt.Sprintf("its score is a %s of %d labels", short(score.GetKind()), raw.Labels)
		}
		c.complain(here, problem, "name a backend with a probability, log_odds, logit or log_prob of two labels: that the answer is wrong, and that it is right")
	}
	primary := c.cfg.GetBackends()[model.GetPrimary()]
	whose := "the primary " + model.GetPrimary()
	cards := top("backends")
	if primary.GetCard() == nil || backend.GetCard() == nil || c.lostWithin(cards.key(name).field("card")) || c.lostWithin(cards.key(model.GetPrimary()).field("card")) {
		return
	}
	if backend.GetCard().GetRows() != primary.GetCard().GetRows() {
		c.complain(here, fmt.Sprintf("has rows: %s, and %s has %s", short(backend.GetCard().GetRows()), whose, short(primary.GetCard().GetRows())), "name a backend that takes the same requests")
		return
	}
	c.sameInputs(here, backend.GetCard(), primary.GetCard(), whose)
}

// ofEnsemble checks a confidence that only several models' answers have.
func (c *checker) ofEnsemble(method path, policy *candorv1.Policy, source router.Source) {
	name := short(policy.GetConfidence())
	if policy.GetFallback() == nil && len(policy.GetThen()) == 0 {
		c.complain(method, name+" compares the members of an ensemble, and there is none", "add fallback, or write "+router.MethodName(router.DefaultMethod(source)))
		return
	}
	c.warn(method, fmt.Sprintf("the primary alone has no %s: every row goes on to the fallback", name),
		fmt.Sprintf("write %s here and a threshold of kind %s at the fallback", router.MethodName(router.DefaultMethod(source)), name))
}
