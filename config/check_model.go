package config

import (
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
	many := several(primary.GetCard())
	if known && many {
		c.fields(at, model, primary.GetCard())
	} else if known {
		c.noFields(at, policy)
		c.confidence(at, model, score)
		c.promise(at, policy, score)
	}
	if known {
		c.monitors(at.field("monitors"), policy, score)
	}
	c.cascade(at, name, model, found && !many)
	c.review(at, policy, primary.GetCard(), known)
	if card := top("backends").key(model.GetPrimary()).field("card"); found && primary.GetCard() != nil {
		c.batches(at, policy, primary.GetCard())
		if !c.lostWithin(card.field("outputs")) {
			c.answers(at.field("answers"), policy, primary.GetCard(), known && !c.lost(card.field("rows")))
		}
	}
	if known {
		c.actions(at.field("actions"), policy, primary.GetCard())
	}
}

// routes warns about a policy that leaves rows nowhere to go.
func (c *checker) routes(at path, policy *candorv1.Policy) {
	if policy.GetAccept() == nil && len(policy.GetFields()) == 0 && !c.lost(at.field("accept")) && !c.lost(at.field("fields")) {
		c.warn(at, "nothing will ever be accepted", "add accept with a threshold")
	}
	if policy.GetMode() == candorv1.Mode_MODE_ENFORCE && policy.GetFallback() == nil && policy.GetReview() == nil &&
		!c.lost(at.field("mode")) && !c.lost(at.field("fallback")) && !c.lost(at.field("review")) {
		c.warn(at, "rows that are not sure enough are rejected", "add fallback, review or both")
	}
}
