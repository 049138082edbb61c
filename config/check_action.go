package config

import (
	"fmt"
	"slices"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// actions checks the conditions by which an answer means an action. card is the primary's.
func (c *checker) actions(at path, policy *candorv1.Policy, card *candorv1.ModelCard) {
	actions := policy.GetActions()
	c.repeated("the action", len(actions),
		func(i int) string { return actions[i].GetName() },
		func(i int) path { return at.item(i).field("name") })
	taken := map[string]string{}
	for i, action := range actions {
		here, when := at.item(i).field("when"), action.GetWhen()
		if when == nil || c.lostWithin(here) {
			continue
		}
		score := scoreOf(card)
		if several(card) {
			if score = c.scoreOfAction(here.field("output"), when, card); score == nil {
				continue
			}
		}
		if score == nil {
			c.complain(here, "the primary's card declares no score that an action could be derived from", "add scores to the card, or take the action out")
			continue
		}
		c.condition(here, when, score)
		c.reachable(at.item(i), action, score.GetOutput(), taken)
	}
}

// scoreOfAction is the score that a condition names by its output, where there are several; nil: that was a fault.
func (c *checker) scoreOfAction(at path, when *candorv1.ActionCondition, card *candorv1.ModelCard) *candorv1.Score {
	var outputs []string
	for _, score := range card.GetScores() {
		if score.GetOutput() == when.GetOutput() {
			return score
		}
		outputs = append(outputs, score.GetOutput())
	}
	if !c.lost(at) {
		c.complain(at, "nothing says which of the card's scores it is about", "write "+oneOf(outputs))
	}
	return nil
}

func (c *checker) condition(at path, when *candorv1.ActionCondition, score *candorv1.Score) {
	if output := when.GetOutput(); output != "" && output != score.GetOutput() {
		c.complain(at.field("output"), fmt.Sprintf("%q is not the output that the card's score is in", abridged(output)), "write "+score.GetOutput()+", or leave it out")
	}
	compared := when.Above != nil || when.Below != nil
	regression := score.GetKind() == candorv1.ScoreKind_SCORE_KIND_REGRESSION
	switch {
	case !compared && len(when.GetLabelIn()) == 0 && regression:
		c.complain(at, "there is no condition", "add above or below")
	case !compared && len(when.GetLabelIn()) == 0:
		c.complain(at, "there is no condition", "add label_in with the labels that mean this action")
	}
	if regression && len(when.GetLabelIn()) > 0 {
		c.complain(at.field("label_in"), "a regression has no labels", "write above or below")
	}
	for _, bound := range []struct {
		field string
		value *float64
	}{{"above", when.Above}, {"below", when.Below}} {
		if bound.value != nil && !regression {
			c.complain(at.field(bound.field), "only a regression's value can be "+bound.field+" something", "write label_in")
		}
	}
	if regression && when.Above != nil && when.Below != nil && when.GetAbove() >= when.GetBelow() {
		c.complain(at.field("below"), fmt.Sprintf("no value is above %v and below %v", when.GetAbove(), when.GetBelow()), "swap them")
	}
	if !regression {
		for i, label := range when.GetLabelIn() {
			c.label(at.field("label_in").item(i), label, score.GetLabels())
		}
	}
}

// reachable warns about an action whose labels all mean an earlier one: the first that matches wins. taken has the actions so far by
// output and label.
func (c *checker) reachable(at path, action *candorv1.ActionSpec, output string, taken map[string]string) {
	labels := action.GetWhen().GetLabelIn()
	shadow := ""
	left := false
	for _, label := range labels {
		key := output + "\x00" + label
		if earlier, ok := taken[key]; ok {
			shadow = earlier
			continue
		}
		taken[key], left = action.GetName(), true
	}
	if len(labels) > 0 && !left && shadow != action.GetName() {
		c.warn(at.field("when").field("label_in"), fmt.Sprintf("every one of these labels already means %q, and the first that matches wins", shadow), "give each label to one action")
	}
}

// limit checks that a limit bounds something, and where its answers and alerts go.
func (c *checker) limit(at path, limit *candorv1.LimitConfig) {
	if name := limit.GetModel(); name != "" {
		refer(c, at.field("model"), "model", name, "models", c.cfg.GetModels())
	}
	if name := limit.GetConsumer(); name != "" {
		refer(c, at.field("consumer"), "consumer", name, "consumers", c.cfg.GetConsumers())
	}
	c.receiver(at.field("webhook"), limit.GetWebhook(), limit.GetAllowPrivate(), "https://alerts.example.com/candor")
	c.afterTrip(at, limit)
	_, modelExists := c.cfg.GetModels()[limit.GetModel()]
	matching := c.declarers[limit.GetAction()]
	if limit.GetModel() != "" {
		matching = slices.DeleteFunc(slices.Clone(matching), func(name string) bool { return name != limit.GetModel() })
	}
	c.limitKind(at, limit, matching)
	switch {
	case c.lostWithin(at.field("model")) || !c.actionsKnown || limit.GetAction() == "" || limit.GetModel() != "" && !modelExists:
	case len(matching) > 0:
		c.withoutReview(at, limit, matching)
	case len(c.declarers[limit.GetAction()]) > 0:
		c.complain(at.field("action"), fmt.Sprintf("models.%s declares no action %q", limit.GetModel(), limit.GetAction()), "name an action of that model, or leave model out")
	default:
		c.complain(at.field("action"), fmt.Sprintf("no model declares the action %q", abridged(limit.GetAction())),
			choose(limit.GetAction(), names(c.declarers), "declare it in a policy's actions"))
	}
}

// allActionsKnown says that no model's actions are among what could not be read.
func (c *checker) allActionsKnown() bool {
	if c.lost(top("models")) {
		return false
	}
	for name := range c.cfg.GetModels() {
		if c.lostWithin(top("models").key(name).field("policy").field("actions")) {
			return false
		}
	}
	return true
}

// declarersOfActions are the models that declare each action, in order of name.
func declarersOfActions(models map[string]*candorv1.Model) map[string][]string {
	declarers := map[string][]string{}
	for _, name := range names(models) {
		for _, action := range models[name].GetPolicy().GetActions() {
			if already := declarers[action.GetName()]; len(already) == 0 || already[len(already)-1] != name {
				declarers[action.GetName()] = append(already, name)
			}
		}
	}
	return declarers
}

// withoutReview warns that what a limit withholds is rejected where there is no queue for it.
func (c *checker) withoutReview(at path, limit *candorv1.LimitConfig, models []string) {
	if limit.GetOnTrip() != candorv1.OnTrip_ON_TRIP_REVIEW || limit.GetDryRun() || c.lost(at.field("on_trip")) {
		return
	}
	for _, name := range models {
		if c.cfg.GetModels()[name].GetPolicy().GetReview() == nil && !c.lost(top("models").key(name).field("policy").field("review")) {
			c.warn(at.field("on_trip"), fmt.Sprintf("models.%s has no review: what the limit withholds there is rejected", name), "add review to its policy, or write on_trip: reject")
		}
	}
}
