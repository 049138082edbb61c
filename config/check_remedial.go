package config

import (
	"fmt"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// remedials are an ensemble's stages behind its members, in order.
func remedials(ensemble *candorv1.Ensemble) []*candorv1.Remedial {
	if ensemble.GetRemedial() == nil {
		return ensemble.GetThen()
	}
	return append([]*candorv1.Remedial{ensemble.GetRemedial()}, ensemble.GetThen()...)
}

// remedialPath is where the i-th of them stands.
func remedialPath(at path, ensemble *candorv1.Ensemble, i int) path {
	if ensemble.GetRemedial() != nil {
		if i == 0 {
			return at.field("remedial")
		}
		i--
	}
	return at.field("then").item(i)
}

// remedials checks the stages behind the members. members is the score that these share; nil: not known.
func (c *checker) remedials(at path, ensemble *candorv1.Ensemble, members *candorv1.Score) {
	if len(ensemble.GetThen()) > 0 && ensemble.GetRemedial() == nil && !c.lostWithin(at.field("remedial")) {
		c.complain(at.field("then"), "comes after remedial, and there is none", "write the first of its stages as remedial")
	}
	final, asked := "", map[string]bool{}
	for i, r := range remedials(ensemble) {
		here := remedialPath(at, ensemble, i)
		if final != "" {
			c.complain(here, "is never asked: "+final+" before it answers every row", "take it out, or move it forward")
			final = ""
		}
		switch stage := r.GetStage().(type) {
		case *candorv1.Remedial_Backend:
			here = here.field("backend")
			switch {
			case stage.Backend == "":
				c.complain(here, "is empty", "name a backend")
			case asked[stage.Backend]:
				c.complain(here, fmt.Sprintf("%s has been asked already when this is", abridged(stage.Backend)), "take one of them out")
			default:
				refer(c, here, "backend", stage.Backend, "backends", c.cfg.GetBackends())
			}
			asked[stage.Backend] = true
		case *candorv1.Remedial_Rule:
			if stage.Rule == "" {
				c.complain(here.field("rule"), "is empty", "write an expression that answers a label")
			}
		case *candorv1.Remedial_ConstantLabel:
			final = "constant_label"
		case *candorv1.Remedial_ConstantValue:
			final = "constant_value"
		}
		if members != nil {
			c.declared(here, r, members)
		}
	}
}

// declared checks that what a person declared as an answer can be one.
func (c *checker) declared(at path, r *candorv1.Remedial, score *candorv1.Score) {
	regression := isRegression(score)
	switch stage := r.GetStage().(type) {
	case *candorv1.Remedial_Rule:
		if regression {
			c.complain(at.field("rule"), "a rule answers a label, and the models are regressions", "write constant_value or backend")
		}
	case *candorv1.Remedial_ConstantLabel:
		if regression {
			c.complain(at.field("constant_label"), "the models are regressions, which answer values", "write constant_value")
			return
		}
		c.label(at.field("constant_label"), stage.ConstantLabel, score.GetLabels())
	case *candorv1.Remedial_ConstantValue:
		bounds, v := score.GetRegression(), stage.ConstantValue
		switch {
		case !regression:
			c.complain(at.field("constant_value"), "the models are classifiers, which answer labels", "write constant_label")
		case (bounds.Min != nil && v < bounds.GetMin()) || (bounds.Max != nil && v > bounds.GetMax()):
			c.complain(at.field("constant_value"), fmt.Sprintf("%v is outside of the range that the card declares", v), "write a value in it")
		}
	}
}
