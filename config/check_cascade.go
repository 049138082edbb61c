package config

import (
	"fmt"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// cascade checks the tiers behind a model's primary. found says whether there is such a primary.
func (c *checker) cascade(at path, name string, model *candorv1.Model, found bool) {
	policy := model.GetPolicy()
	if len(policy.GetThen()) > 0 && policy.GetFallback() == nil && !c.lostWithin(at.field("fallback")) {
		c.complain(at.field("then"), "comes after fallback, and there is none", "write the first of its tiers as fallback")
	}
	seen := map[string]string{}
	tier := func(here path, where string, f *candorv1.FallbackPolicy) {
		use := here.field("ensemble")
		ensemble, ok := refer(c, use, "ensemble", f.GetEnsemble(), "ensembles", c.cfg.GetEnsembles())
		if !ok {
			return
		}
		if before, twice := seen[f.GetEnsemble()]; twice {
			c.complain(use, fmt.Sprintf("%s asks %s already, and would say the same", before, abridged(f.GetEnsemble())), "take one of them out")
			return
		}
		seen[f.GetEnsemble()] = where
		if found {
			c.stands(name, model, ensemble, f.GetEnsemble(), use)
		}
	}
	if f := policy.GetFallback(); f != nil {
		tier(at.field("fallback"), "fallback", f)
	}
	for i, f := range policy.GetThen() {
		tier(at.field("then").item(i), fmt.Sprintf("then[%d]", i), f)
	}
}
