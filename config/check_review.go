package config

import (
	"fmt"
	"math"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/wire"
)

// review checks where deferred rows go, and that there is an answer wherever one is promised.
func (c *checker) review(at path, policy *candorv1.Policy, card *candorv1.ModelCard, known bool) {
	review, onDefer := policy.GetReview(), at.field("on_defer")
	if review == nil {
		if policy.GetOnDefer() != candorv1.OnDefer_ON_DEFER_WITHHOLD && !c.lost(onDefer) && !c.lost(at.field("review")) {
			c.warn(onDefer, "has no effect: without review nothing is deferred", "add review, or take it out")
		}
		return
	}
	at = at.field("review")
	c.costs(at.field("costs"), review.GetCosts(), card, known)
	c.replaced(at, policy, card)
	refer(c, at.field("queue"), "queue", review.GetQueue(), "queues", c.cfg.GetQueues())
	c.evidence(at[:len(at)-1], policy)
	if review.GetOnExpire() == candorv1.ExpireAction_EXPIRE_ACTION_FALLBACK && policy.GetFallback() == nil && !c.lost(at[:len(at)-1].field("fallback")) {
		c.complain(at.field("on_expire"), "the policy has no fallback whose answer could be given", "write default or reject, or add fallback")
	}
	if !known || several(card) {
		return // Of several fields each has its own default answer.
	}
	field := defaultField(scoreOf(card))
	if !c.defaultAnswer(at, policy, card, scoreOf(card)) && !c.lost(at.field(field)) {
		for _, promise := range []struct {
			at   path
			made bool
		}{
			{onDefer, policy.GetOnDefer() == candorv1.OnDefer_ON_DEFER_DEFAULT},
			{at.field("on_expire"), review.GetOnExpire() == candorv1.ExpireAction_EXPIRE_ACTION_DEFAULT},
		} {
			if promise.made {
				c.complain(promise.at, "there is no default answer", "add review."+field)
			}
		}
	}
}

// defaultField is where the default answer of a score stands.
func defaultField(score *candorv1.Score) string {
	if score.GetKind() == candorv1.ScoreKind_SCORE_KIND_REGRESSION {
		return "default_value"
	}
	return "default_label"
}

// defaultAnswer checks the label or value, below at, that stands for "we do not know". It reports whether there is one, fit or not.
func (c *checker) defaultAnswer(at path, policy *candorv1.Policy, card *candorv1.ModelCard, score *candorv1.Score) bool {
	review := policy.GetReview()
	regression := score.GetKind() == candorv1.ScoreKind_SCORE_KIND_REGRESSION
	field, other := defaultField(score), "default_value"
	given, otherGiven := review.GetDefaultLabel() != "", review.DefaultValue != nil
	if regression {
		other, given, otherGiven = "default_label", otherGiven, given
	}
	if otherGiven {
		what := "classifies: its answers are labels"
		if regression {
			what = "is a regression: its answers are values"
		}
		c.complain(at.field(other), "the primary "+what, "write "+field)
	}
	switch {
	case !given:
	case !regression:
		c.label(at.field(field), review.GetDefaultLabel(), score.GetLabels())
	default:
		bounds, value := score.GetRegression(), review.GetDefaultValue()
		switch {
		case math.IsNaN(value) || math.IsInf(value, 0):
			c.complain(at.field(field), "is not a number", "write one in "+unit(score))
		case math.Abs(value) > largestFloat(scoreDatatype(card, score)):
			c.complain(at.field(field), fmt.Sprintf("%v can't hold %v", scoreDatatype(card, score), value), "write a value that the output can hold")
		case bounds.GetMin() > value && bounds.Min != nil || bounds.GetMax() < value && bounds.Max != nil:
			c.complain(at.field(field), fmt.Sprintf("%v is outside of the range that the card gives", value), "write a value between the card's min and max")
		}
	}
	return given || otherGiven
}

// A batch of 256 rows is what clients of tabular models commonly send, and 1 % a common share of deferrals.
const (
	exampleBatch    = 256
	exampleDeferral = 0.01
)

// batches warns that withholding a row fails the whole call of a client that doesn't ask for candor_route.
func (c *checker) batches(at path, policy *candorv1.Policy, card *candorv1.ModelCard) {
	if policy.GetMode() != candorv1.Mode_MODE_ENFORCE || policy.GetReview() == nil || card.GetRows() != candorv1.Rows_ROWS_FIRST_DIM ||
		policy.GetOnDefer() != candorv1.OnDefer_ON_DEFER_WITHHOLD || c.lost(at.field("on_defer")) {
		return
	}
	failed := 1 - math.Pow(1-exampleDeferral, exampleBatch)
	c.warn(at.field("on_defer"), fmt.Sprintf("with withhold one deferred row fails the whole call of a client that doesn't ask for candor_route: deferring %.0f %% of the rows fails %.0f %% of such calls of %d rows",
		100*exampleDeferral, 100*failed, exampleBatch),
		"write provisional or default, or see that clients ask for candor_route")
}

// scoreDatatype is the datatype of the output that a score is in; none when there is none.
func scoreDatatype(card *candorv1.ModelCard, score *candorv1.Score) wire.Datatype {
	datatype, _ := wire.ParseDatatype(findOutput(card, score.GetOutput()).GetDatatype())
	return datatype
}
