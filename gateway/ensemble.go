package gateway

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/candor-gateway/candor/calibration/combine"
	"github.com/candor-gateway/candor/fallback"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// newEnsemble makes one tier of a model ready. Errors name the field of the configuration.
func (g *Gateway) newEnsemble(ctx context.Context, name string, m *model, method candorv1.ConfidenceMethod) (*fallback.Ensemble, error) {
	e := m.plan.cfg.GetEnsembles()[name]
	out := &fallback.Ensemble{
		Name: name, Version: e.GetVersion(), Quorum: int(e.GetQuorum()), Combiner: e.GetCombiner(), Agree: int(e.GetAgree()),
		Labels: m.card.Labels(), Method: method, IntervalScale: m.policy.Scale.Interval,
	}
	for _, member := range e.GetMembers() {
		out.Members = append(out.Members, fallback.Member{
			Backend: member.GetBackend(), Timeout: member.GetTimeout().AsDuration(), Weight: member.GetWeight(),
		})
	}
	for i, r := range remedials(e) {
		stage := fallback.Remedial{Backend: r.GetBackend(), Rule: r.GetRule(), ConstantLabel: r.GetConstantLabel()}
		if _, chosen := r.GetStage().(*candorv1.Remedial_ConstantValue); chosen {
			v := r.GetConstantValue()
			stage.ConstantValue = &v
		}
		if err := m.addRule(stage.Rule); err != nil {
			return nil, fmt.Errorf("ensembles.%s.%s.rule: %w", name, remedialField(i), err)
		}
		out.Remedials = append(out.Remedials, stage)
	}
	if e.GetFitted() != "" {
		if err := g.fit(ctx, out, e, m); err != nil {
			return nil, fmt.Errorf("ensembles.%s.fitted: %w", name, err)
		}
	}
	return out, nil
}

// remedials are an ensemble's stages behind its members, in order.
func remedials(e *candorv1.Ensemble) []*candorv1.Remedial {
	if e.GetRemedial() == nil {
		return e.GetThen()
	}
	return append([]*candorv1.Remedial{e.GetRemedial()}, e.GetThen()...)
}

func remedialField(i int) string {
	if i == 0 {
		return "remedial"
	}
	return "then[" + strconv.Itoa(i-1) + "]"
}

// fit puts the artefact that the ensemble names into it, if it was fitted for this ensemble and its members.
func (g *Gateway) fit(ctx context.Context, out *fallback.Ensemble, e *candorv1.Ensemble, m *model) error {
	a, err := g.artefact(ctx, e.GetFitted())
	if err != nil {
		return fmt.Errorf("%w; candor ensemble fit fits it", err)
	}
	scope, again := a.GetScope(), "; fit it again for this ensemble"
	switch members := memberVersions(m.plan.cfg, e); {
	case scope.GetModel() != out.Name || scope.GetVersion() != out.Version:
		return fmt.Errorf("%s is for version %q of ensemble %q%s", e.GetFitted(), scope.GetVersion(), scope.GetModel(), again)
	case !slices.Equal(scope.GetMembers(), members):
		return fmt.Errorf("%s is for the members %q, not %q%s", e.GetFitted(), scope.GetMembers(), members, again)
	case !slices.Equal(scope.GetLabels(), m.card.Labels()):
		return fmt.Errorf("%s is for other labels than the model's%s", e.GetFitted(), again)
	}
	switch e.GetCombiner() {
	case candorv1.Combiner_COMBINER_STACKING:
		if a.GetStacking() == nil {
			return fmt.Errorf("%s holds no stacking model; fit one, or change combiner", e.GetFitted())
		}
		out.Stacking = a.GetStacking()
		return combine.CheckStacking(a.GetStacking(), len(out.Members), len(out.Labels))
	default:
		if a.GetWeights() == nil {
			return fmt.Errorf("%s holds no weights; fit them, or change combiner", e.GetFitted())
		}
		if err := combine.CheckWeights(a.GetWeights(), len(out.Members)); err != nil {
			return err
		}
		for i, w := range a.GetWeights().GetWeights() {
			out.Members[i].Weight = w
		}
	}
	return nil
}

// memberVersions names the members as an artefact's scope does.
func memberVersions(cfg *candorv1.Config, e *candorv1.Ensemble) []string {
	var out []string
	for _, m := range e.GetMembers() {
		out = append(out, m.GetBackend()+"@"+cfg.GetBackends()[m.GetBackend()].GetVersion())
	}
	return out
}

// addRule compiles the rule with this source, if there is one, for the rows of this model.
func (m *model) addRule(source string) error {
	if source == "" || m.rules[source] != nil {
		return nil
	}
	compiled, err := newRule(source, m.card.Labels())
	if err != nil {
		return err
	}
	if m.rules == nil {
		m.rules = map[string]*rule{}
	}
	m.rules[source] = compiled
	return nil
}

// rule answers a row by one of the model's rules; empty: it abstains.
func (c *call) rule(source string, row int) (string, error) {
	compiled := c.model.rules[source]
	if compiled == nil {
		return "", fmt.Errorf("%.40q was not compiled", source)
	}
	return compiled.answer(c, row)
}
