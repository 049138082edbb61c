package config

import (
	"fmt"
	"strings"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/router"
)

// several says that a card has several scores, so that each row has several fields.
func several(card *candorv1.ModelCard) bool { return len(card.GetScores()) > 1 }

// fieldName is the name of a score's field.
func fieldName(score *candorv1.Score) string {
	if score.GetField() != "" {
		return score.GetField()
	}
	return score.GetOutput()
}

// fieldNamesOf are the names of a card's fields, in order.
func fieldNamesOf(card *candorv1.ModelCard) []string {
	var out []string
	for _, score := range card.GetScores() {
		out = append(out, fieldName(score))
	}
	return out
}

// scoreNamed is the score of a field; nil: there is none.
func scoreNamed(card *candorv1.ModelCard, field string) *candorv1.Score {
	for _, score := range card.GetScores() {
		if fieldName(score) == field {
			return score
		}
	}
	return nil
}

// scoreOfOutput is the score that an output tells of: its numbers, its bounds or its variance. A card with one score has no other,
// whatever the output; nil: it is of none alone.
func scoreOfOutput(card *candorv1.ModelCard, output string) *candorv1.Score {
	if !several(card) {
		return scoreOf(card)
	}
	for _, score := range card.GetScores() {
		r := score.GetRegression()
		switch output {
		case score.GetOutput(), r.GetLowerOutput(), r.GetUpperOutput(), r.GetVarianceOutput():
			return score
		}
	}
	return nil
}

// fieldsOfCard checks that the fields of a card can be told apart.
func (c *checker) fieldsOfCard(at path, card *candorv1.ModelCard) {
	scores := card.GetScores()
	if !several(card) {
		if len(scores) == 1 && scores[0].GetField() != "" {
			c.warn(at.item(0).field("field"), "has no effect: a card with one score has one field, without a name", "take it out")
		}
		return
	}
	c.repeated("the score of output", len(scores),
		func(i int) string { return scores[i].GetOutput() },
		func(i int) path { return at.item(i).field("output") })
	c.repeated("the field", len(scores),
		func(i int) string { return scores[i].GetField() },
		func(i int) path { return at.item(i).field("field") })
	for i, score := range scores {
		if first := scoreNamed(card, fieldName(score)); first != score && first.GetField() != score.GetField() && !c.lostWithin(at.item(i)) {
			c.complain(at.item(i), fmt.Sprintf("its field %q is also the name of another", abridged(fieldName(score))), "add field, a name of its own")
		}
	}
}

// fields checks what a policy says of a model whose card has several scores.
func (c *checker) fields(at path, model *candorv1.Model, card *candorv1.ModelCard) {
	policy := model.GetPolicy()
	c.oneFieldOnly(at, policy, card)
	c.promiseOfFields(at, policy, card)
	for _, name := range names(policy.GetFields()) {
		here := at.field("fields").key(name)
		if scoreNamed(card, name) == nil && !c.lost(here) {
			c.complain(here, fmt.Sprintf("the primary's card has no field %q", abridged(name)), choose(name, fieldNamesOf(card), "add its score to the card"))
		}
	}
	if c.lostWithin(at.field("fields")) || c.lostWithin(at.field("accept")) || c.lost(at.field("confidence")) {
		return
	}
	for _, score := range card.GetScores() {
		c.field(at.field("fields").key(fieldName(score)), policy, card, score)
	}
}

// field checks that a confidence can be made of one field's score, and compared.
func (c *checker) field(at path, policy *candorv1.Policy, card *candorv1.ModelCard, score *candorv1.Score) {
	own := router.ForField(policy, fieldName(score))
	own.Fallback, own.Then = nil, nil // They are a fault, which is told once.
	compiled, err := router.Compile(own, sourceOfScore(card, score, false))
	if err != nil {
		place, problem, _ := strings.Cut(err.Error(), ": ")
		problem, remedy, _ := strings.Cut(problem, "; ")
		if place = strings.TrimPrefix(place, "accept."); !c.written(at.field(place)) {
			problem = fmt.Sprintf("the policy's does not fit field %q: %s", abridged(fieldName(score)), problem)
		}
		if remedy == "" {
			remedy = "add it here"
		}
		c.complain(at.field(place), problem, remedy)
		return
	}
	if compiled.Method == methodMeta {
		c.complain(at.field("confidence"), "meta says how likely one answer is right, and the primary's card has several fields", "write another confidence")
		return
	}
	if compiled.Method == methodInterval && own.GetAccept() != nil && !hasInterval(score) {
		c.complain(at, "its score names no interval, so there is no width to compare", "add regression.lower_output and upper_output, or variance_output, to the score")
	}
	if here := at.field("threshold"); c.written(here) {
		c.threshold(here, own.GetAccept().GetThreshold(), compiled.Method, own, score)
	}
	if own.GetReview() != nil {
		c.defaultOf(at, policy, own, card, score)
	}
}

// defaultOf checks the answer that stands for "we do not know" in one field.
func (c *checker) defaultOf(at path, policy, own *candorv1.Policy, card *candorv1.ModelCard, score *candorv1.Score) {
	given := c.defaultAnswer(at, own, card, score)
	if !given && !c.lostWithin(at) && (policy.GetOnDefer() == candorv1.OnDefer_ON_DEFER_DEFAULT ||
		policy.GetReview().GetOnExpire() == candorv1.ExpireAction_EXPIRE_ACTION_DEFAULT) {
		c.complain(at, fmt.Sprintf("there is no default answer for field %q", abridged(fieldName(score))), "add "+defaultField(score)+", or write another on_defer and on_expire")
	}
}

// oneFieldOnly complains about what is about one answer to a row.
func (c *checker) oneFieldOnly(at path, policy *candorv1.Policy, card *candorv1.ModelCard) {
	fields := fmt.Sprintf("and the primary's card has %d fields", len(card.GetScores()))
	const remedy = "take it out: what isn't sure enough can go to review, field by field"
	if policy.GetFallback() != nil {
		c.complain(at.field("fallback"), "an ensemble gives one answer to a row, "+fields, remedy)
	}
	if len(policy.GetThen()) > 0 {
		c.complain(at.field("then"), "an ensemble gives one answer to a row, "+fields, remedy)
	}
	if policy.GetMeta() != nil {
		c.complain(at.field("meta"), "it says how likely one answer is right, "+fields, "take it out")
	}
	review := at.field("review")
	for field, given := range map[string]bool{
		"default_label": policy.GetReview().GetDefaultLabel() != "", "default_value": policy.GetReview() != nil && policy.GetReview().DefaultValue != nil,
	} {
		if given {
			c.complain(review.field(field), "one default can't answer every field, "+fields, "write it under fields, for each that it is for")
		}
	}
}

// noFields complains about a policy for fields that the card doesn't have.
func (c *checker) noFields(at path, policy *candorv1.Policy) {
	if len(policy.GetFields()) > 0 {
		c.complain(at.field("fields"), "the primary's card has no two scores, and so no fields", "write accept and the other settings in the policy itself")
	}
}

// alone complains where a backend, named at the path, has several fields and one answer is wanted of it. It reports whether that is so.
func (c *checker) alone(at path, backend string) bool {
	card := c.cfg.GetBackends()[backend].GetCard()
	if !several(card) {
		return true
	}
	c.complain(at, fmt.Sprintf("its card has %d fields, and one answer to a row is wanted here", len(card.GetScores())), "name a backend whose card has one score")
	return false
}
