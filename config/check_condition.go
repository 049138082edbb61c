package config

import (
	"errors"

	"github.com/candor-gateway/candor/condition"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// conditions checks a policy's conditions: that they compile, and that there is somewhere for the rows to go.
func (c *checker) conditions(at path, policy *candorv1.Policy) {
	list := at.field("conditions")
	conditions := policy.GetConditions()
	c.repeated("the condition", len(conditions),
		func(i int) string { return conditions[i].GetName() },
		func(i int) path { return list.item(i).field("name") })
	noReview := policy.GetReview() == nil && !c.lost(at.field("review"))
	noFallback := len(policy.GetThen()) == 0 && policy.GetFallback() == nil && !c.lost(at.field("fallback")) && !c.lostWithin(at.field("then"))
	for i, spec := range conditions {
		here := list.item(i)
		c.expression(here.field("when"), spec.GetWhen(), condition.ForRow)
		switch route := here.field("route"); {
		case c.lost(route):
		case spec.GetRoute() == candorv1.Route_ROUTE_DEFER && noReview:
			c.complain(route, "the policy has no review queue to defer to", "add review, or write reject")
		case spec.GetRoute() == candorv1.Route_ROUTE_FALLBACK && noFallback && noReview:
			c.complain(route, "the policy has no fallback, and no review queue either", "add one of them, or write reject")
		case spec.GetRoute() == candorv1.Route_ROUTE_FALLBACK && noFallback:
			c.warn(route, "the policy has no fallback: the row goes to review", "write defer, or add fallback")
		}
	}
	segments := at.field("accept").field("promise").field("segments")
	specs := policy.GetAccept().GetPromise().GetSegments()
	c.repeated("the segment", len(specs),
		func(i int) string { return specs[i].GetName() },
		func(i int) path { return segments.item(i).field("name") })
	for i, spec := range specs {
		here := segments.item(i)
		c.expression(here.field("when"), spec.GetWhen(), condition.ForCall)
		if spec.GetName() == restSegment {
			c.complain(here.field("name"), "is the name of the rows that no segment matches", "choose another")
		}
	}
}

// restSegment is the segment of the rows that are in none.
const restSegment = "rest"

// expression complains about one that doesn't compile, and answers it where it does.
func (c *checker) expression(at path, expr string, kind condition.Kind) *condition.Program {
	// What is missing is a fault already.
	if c.lost(at) || expr == "" {
		return nil
	}
	p, err := condition.Compile(expr, kind)
	var fault *condition.Error
	if !errors.As(err, &fault) {
		return p
	}
	problem, remedy := fault.Problem, fault.Remedy
	if where := fault.At(); where != "" {
		problem = where + ": " + problem
	}
	if near := nearest(fault.Name, fault.Known); near != "" {
		remedy = "write " + near
	}
	c.complain(at, problem, remedy)
	return nil
}

// rules checks the rules of an ensemble.
func (c *checker) rules(at path, ensemble *candorv1.Ensemble) {
	rule := func(at path, r *candorv1.Remedial) {
		if chosen, ok := r.GetStage().(*candorv1.Remedial_Rule); ok {
			c.expression(at.field("rule"), chosen.Rule, condition.ForRule)
		}
	}
	rule(at.field("remedial"), ensemble.GetRemedial())
	for i, r := range ensemble.GetThen() {
		rule(at.field("then").item(i), r)
	}
}

// ruleInputs checks that a model's card has the inputs that the rules of its ensemble read.
func (c *checker) ruleInputs(at path, ensemble *candorv1.Ensemble, name string, card *candorv1.ModelCard) {
	known := map[string]bool{}
	var inputs []string
	for _, in := range card.GetInputs() {
		known[in.GetName()] = true
		inputs = append(inputs, in.GetName())
	}
	check := func(at path, r *candorv1.Remedial) {
		p, err := condition.Compile(r.GetRule(), condition.ForRule)
		if r.GetRule() == "" || err != nil || c.lost(at.field("rule")) {
			return
		}
		read, _ := p.Inputs()
		for _, input := range read {
			if !known[input] {
				c.complain(at.field("rule"), "the primary of models."+name+" has no input \""+abridged(input)+"\"", choose(input, inputs, "correct the rule"))
			}
		}
	}
	check(at.field("remedial"), ensemble.GetRemedial())
	for i, r := range ensemble.GetThen() {
		check(at.field("then").item(i), r)
	}
}
