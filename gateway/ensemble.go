package gateway

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/candor-gateway/candor/calibration/combine"
	"github.com/candor-gateway/candor/fallback"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// Artefacts reads what was fitted and stored under a name and version.
type Artefacts func(name string, version uint32) (*candorv1.Artefact, error)

// newEnsemble makes one tier of a model ready. Errors name the field of the configuration.
func newEnsemble(name string, cfg *candorv1.Config, m *model, artefacts Artefacts) (*fallback.Ensemble, error) {
	e := cfg.GetEnsembles()[name]
	out := &fallback.Ensemble{
		Name: name, Version: e.GetVersion(), Quorum: int(e.GetQuorum()), Combiner: e.GetCombiner(), Agree: int(e.GetAgree()),
		Labels: m.card.Labels(), Method: m.policy.Method, IntervalScale: m.policy.IntervalScale,
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
		if err := m.addRule(stage.Rule, nil); err != nil {
			return nil, fmt.Errorf("ensembles.%s.%s.rule: %w", name, remedialField(i), err)
		}
		out.Remedials = append(out.Remedials, stage)
	}
	if e.GetFitted() != "" {
		if err := fit(out, e, cfg, m, artefacts); err != nil {
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
func fit(out *fallback.Ensemble, e *candorv1.Ensemble, cfg *candorv1.Config, m *model, artefacts Artefacts) error {
	if artefacts == nil {
		return fmt.Errorf("%s can't be read here; fit it with `candor ensemble fit`, store it, and start with that store", e.GetFitted())
	}
	name, number, _ := strings.Cut(e.GetFitted(), "@")
	version, err := strconv.ParseUint(number, 10, 32)
	if err != nil {
		return fmt.Errorf("%q is not name@version", e.GetFitted())
	}
	a, err := artefacts(name, uint32(version))
	if err != nil {
		return fmt.Errorf("%s can't be read; fit it with `candor ensemble fit` and store it: %w", e.GetFitted(), err)
	}
	scope, again := a.GetScope(), "; fit it again for this ensemble"
	switch members := memberVersions(cfg, e); {
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
