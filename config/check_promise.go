package config

import (
	"fmt"

	"github.com/candor-gateway/candor/calibration/certificate"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// promise checks a policy's promise: that it can be kept, and earned.
func (c *checker) promise(at path, policy *candorv1.Policy, score *candorv1.Score) {
	promise := policy.GetAccept().GetPromise()
	if promise == nil {
		return
	}
	here := at.field("accept").field("promise")
	c.kept(here, at, policy, promise)
	if score == nil {
		c.complain(here, "the primary's card declares no score that a threshold could be learned for", "add scores to the card, or take the promise out")
		return
	}
	c.loss(here.field("tolerance"), promise.Tolerance, score)
	c.worth(here, policy, promise, 1)
}

// promiseOfFields checks a promise for a model with several fields: each that it covers has a certificate of its own.
func (c *checker) promiseOfFields(at path, policy *candorv1.Policy, card *candorv1.ModelCard) {
	promise, here := policy.GetAccept().GetPromise(), at.field("accept").field("promise")
	covered := 0
	for _, score := range card.GetScores() {
		own, tolerance := policy.GetFields()[fieldName(score)], at.field("fields").key(fieldName(score)).field("tolerance")
		switch {
		case promise != nil && own.GetThreshold() == nil:
			covered++
			var stated *float64
			if own != nil {
				stated = own.Tolerance
			}
			c.loss(tolerance, stated, score)
		case own != nil && own.Tolerance != nil:
			c.warn(tolerance, "has no effect: no promise covers the field", "take it out, or the field's threshold, where accept has a promise")
		}
	}
	if promise == nil {
		return
	}
	c.kept(here, at, policy, promise)
	if covered == 0 {
		c.complain(here, "every field has a threshold of its own: nothing is left that it is about", "take it out, or the thresholds of those that it is for")
		return
	}
	if promise.Tolerance != nil {
		c.complain(here.field("tolerance"), "one tolerance can't be in the unit of every field", "write it under fields, for each regression")
	}
	if promise.GetHeldOut() != "" {
		c.complain(here.field("held_out"), fmt.Sprintf("a held-out certificate is of one score, and the primary's card has %d", len(card.GetScores())), "take it out")
	}
	if promise.GetOnNewVersion() == candorv1.OnNewVersion_ON_NEW_VERSION_OBSERVE && !c.lost(here.field("on_new_version")) {
		c.complain(here.field("on_new_version"), "observe is about whole calls, and each field is certified for itself", "write keep_previous or defer")
	}
	c.worth(here, policy, promise, covered)
}

// kept checks that what a promise wants beside the score is there.
func (c *checker) kept(here, at path, policy *candorv1.Policy, promise *candorv1.Promise) {
	if policy.GetReview() == nil && !c.lost(at.field("review")) {
		c.complain(here, "nobody judges whether answers are right: a certificate is earned by verdicts", "add review with a queue")
	}
	c.grid(here.field("grid"), promise.GetGrid())
	heldOut := here.field("held_out")
	if promise.GetOnNewVersion() == candorv1.OnNewVersion_ON_NEW_VERSION_HELD_OUT && promise.GetHeldOut() == "" && !c.lost(heldOut) {
		c.complain(here.field("on_new_version"), "held_out wants a held-out certificate of this version, and none is named",
			"run candor calibrate --certify and name what it stored under held_out, or write another on_new_version")
	}
	if promise.GetHeldOut() != "" && len(promise.GetSegments()) > 0 {
		c.complain(heldOut, "a held-out certificate is of all rows together, and each segment has a promise of its own: one may be wrong far more often "+
			"than all are", "take it out, or the segments")
	}
	if promise.GetOnStale() == candorv1.OnStale_ON_STALE_FALLBACK && policy.GetFallback() == nil && !c.lost(at.field("fallback")) {
		c.complain(here.field("on_stale"), "the policy has no fallback", "write keep or defer, or add fallback")
	}
}

// loss checks that there is one way of being wrong.
func (c *checker) loss(tolerance path, stated *float64, score *candorv1.Score) {
	regression := score.GetKind() == candorv1.ScoreKind_SCORE_KIND_REGRESSION
	switch {
	case regression && stated == nil && !c.lost(tolerance):
		c.complain(tolerance, "is missing: a regression is wrong when it is further than this from the verdict", "add the distance, in "+unit(score))
	case !regression && stated != nil:
		c.complain(tolerance, "the primary classifies: an answer is wrong when the verdict is another label", "take it out")
	}
}

func (c *checker) grid(at path, grid *candorv1.ThresholdGrid) {
	levels := grid.GetLevels()
	for i := 1; i < len(levels); i++ {
		if levels[i] >= levels[i-1] {
			c.complain(at.field("levels").item(i), fmt.Sprintf("%v is not below %v, the one before", levels[i], levels[i-1]), "write the levels from the strictest down, each once")
			return
		}
	}
	if len(levels) > 0 {
		for _, f := range []string{"burn_in", "steps", "start_coverage"} {
			if c.written(at.field(f)) {
				c.warn(at.field(f), "has no effect beside levels", "take one of the two out")
			}
		}
	}
}

// worth warns of promises that take very long to earn: the rows that a flawless model needs at its strictest threshold. fields are
// those of a row that it covers.
func (c *checker) worth(here path, policy *candorv1.Policy, promise *candorv1.Promise, fields int) {
	if !(promise.GetAlpha() > 0 && promise.GetAlpha() < 1 && promise.GetDelta() > 0 && promise.GetDelta() < 1) {
		return
	}
	tiers := 1
	if f := policy.GetFallback(); f != nil && f.GetThreshold() == nil {
		tiers++
	}
	for _, f := range policy.GetThen() {
		if f.GetThreshold() == nil {
			tiers++
		}
	}
	share := certificate.Shares(promise.GetDelta(), tiers, fields*(len(promise.GetSegments())+1), promise.GetHeldOut() != "")
	const many = 20000
	if n := certificate.LabelsWithoutError(promise.GetAlpha(), certificate.VersionDelta(share, 1)); n > many {
		c.warn(here, fmt.Sprintf("even without one error it takes %.0f verdicts at the strictest threshold of each segment to certify anything", n),
			"write a larger alpha or delta, or fewer segments or fields")
	}
}
