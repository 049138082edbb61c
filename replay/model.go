package replay

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/candor-gateway/candor/condition"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/router"
)

// Model is a model under the configuration that is tried. Read-only after New has taken it.
type Model struct {
	Name string
	// Digest is config.Digest's.
	Digest []byte
	// Policies by segment, without conditions. One without segments has the one policy "".
	Policies map[string]router.Policy
	// large are those of calls with more than maxRows rows; 0: all are alike.
	large   map[string]router.Policy
	maxRows int

	primary, meta stage
	tiers         []tier
	conditions    []rule
	segments      []rule
	card          condition.Card
	kind          string
	actions       []*candorv1.ActionSpec
	// tolerance of a regression; nil: nothing tells which values are wrong.
	tolerance *float64
	audit     *candorv1.AuditSampling
	was       []*Was
	// several: its card has several scores.
	several bool
}

// stage is who answers, as records name it.
type stage struct{ name, version, calibrator string }

// tier is a stage behind the primary, with its members.
type tier struct {
	stage
	members []stage
}

// rule is a condition or a segment. The route of a segment is unspecified.
type rule struct {
	name, when string
	route      candorv1.Route
	program    *condition.Program
}

func (r rule) same(other rule) bool {
	return r.name == other.name && r.when == other.when && r.route == other.route
}

// Was is what is known of the policy under which rows were recorded; records name it by its digest.
type Was struct {
	digest               []byte
	scale                router.Scale
	tiers                []candorv1.ConfidenceMethod
	conditions, segments []rule
}

// Rest is the segment of the rows that are in none of those listed.
const Rest = "rest"

// NewModel reads what replaying needs of a model of a checked configuration. policies are by segment, as a gateway would decide: the
// thresholds of a promise are those of its certificates. Errors name the field.
func NewModel(cfg *candorv1.Config, name string, digest []byte, policies map[string]router.Policy) (*Model, error) {
	mc, ok := cfg.GetModels()[name]
	if !ok {
		return nil, fmt.Errorf("models: there is no %q", name)
	}
	policy, at := mc.GetPolicy(), "models."+name+".policy."
	m := &Model{
		Name: name, Digest: digest, Policies: maps.Clone(policies), primary: stageOf(cfg, mc.GetPrimary()), actions: policy.GetActions(),
		audit: policy.GetAccept().GetPromise().GetAudit(),
	}
	if policy.GetMeta() != nil {
		m.meta = stageOf(cfg, policy.GetMeta().GetBackend())
	}
	card := cfg.GetBackends()[mc.GetPrimary()].GetCard()
	m.card = condition.Card{Owner: card.GetOwner(), Version: m.primary.version, Created: card.GetCreatedAt().AsTime()}
	m.several = len(card.GetScores()) > 1
	for _, s := range card.GetScores() {
		m.kind = strings.TrimPrefix(s.GetKind().String(), "SCORE_KIND_")
	}
	if p := policy.GetAccept().GetPromise(); p != nil {
		m.tolerance = p.Tolerance
		for i, s := range p.GetSegments() {
			program, err := condition.Compile(s.GetWhen(), condition.ForCall)
			if err != nil {
				return nil, fmt.Errorf("%saccept.promise.segments[%d].when: %w", at, i, err)
			}
			m.segments = append(m.segments, rule{name: s.GetName(), when: s.GetWhen(), program: program})
		}
	}
	for i, c := range policy.GetConditions() {
		program, err := condition.Compile(c.GetWhen(), condition.ForRow)
		if err != nil {
			return nil, fmt.Errorf("%sconditions[%d].when: %w", at, i, err)
		}
		m.conditions = append(m.conditions, rule{c.GetName(), c.GetWhen(), c.GetRoute(), program})
	}
	for _, f := range router.Cascade(policy) {
		m.tiers = append(m.tiers, tierOf(cfg, f.GetEnsemble()))
	}
	for segment, p := range policies {
		p.Conditions = m.routerConditions()
		m.Policies[segment] = p
	}
	m.was = append(m.was, m.Was())
	return m, nil
}

// Larger gives calls with more than maxRows rows, at least 1, policies of their own, for the same segments: no certificate is about them.
func (m *Model) Larger(maxRows int, policies map[string]router.Policy) {
	m.maxRows, m.large = maxRows, maps.Clone(policies)
	for segment, p := range m.large {
		p.Conditions = m.routerConditions()
		m.large[segment] = p
	}
}

// policyOf is that of a row's call and segment.
func (m *Model) policyOf(r *recorded, segment string) (p router.Policy, ok bool) {
	if m.maxRows > 0 && len(r.prediction.GetRows()) > m.maxRows {
		p, ok = m.large[segment]
		return p, ok
	}
	p, ok = m.Policies[segment]
	return p, ok
}

// Was is the model as the one under which rows were recorded.
func (m *Model) Was() *Was {
	w := &Was{digest: m.Digest, conditions: m.conditions, segments: m.segments}
	for _, p := range m.Policies {
		w.scale = p.Scale
		// A certificate that is stale takes tiers away.
		if len(p.Tiers) >= len(w.tiers) {
			w.tiers = nil
			for _, t := range p.Tiers {
				w.tiers = append(w.tiers, t.Method)
			}
		}
	}
	return w
}

// Knows adds a configuration under which some of the rows were recorded.
func (m *Model) Knows(w *Was) { m.was = append(m.was, w) }

func (m *Model) wasOf(digest []byte) *Was {
	for _, w := range m.was {
		if slices.Equal(w.digest, digest) {
			return w
		}
	}
	return nil
}

func stageOf(cfg *candorv1.Config, backend string) stage {
	b := cfg.GetBackends()[backend]
	return stage{backend, b.GetVersion(), b.GetCalibrator()}
}

func tierOf(cfg *candorv1.Config, name string) tier {
	e := cfg.GetEnsembles()[name]
	t := tier{stage: stage{name: name, version: e.GetVersion()}}
	for _, m := range e.GetMembers() {
		t.members = append(t.members, stageOf(cfg, m.GetBackend()))
	}
	for _, r := range append([]*candorv1.Remedial{e.GetRemedial()}, e.GetThen()...) {
		if r.GetBackend() != "" {
			t.members = append(t.members, stageOf(cfg, r.GetBackend()))
		}
	}
	return t
}

// routerConditions are the policy's conditions over what a record tells.
func (m *Model) routerConditions() []router.Condition {
	var out []router.Condition
	for i, c := range m.conditions {
		out = append(out, router.Condition{
			Name: c.name, Route: c.route, OfCall: !c.program.ReadsEvidence(),
			Holds: func(_ *router.Evidence, call any) (bool, error) { return call.(*world).holds(i) },
		})
	}
	return out
}

// action is what the consumer does with an answer; empty: nothing that is declared.
func (m *Model) action(label string, value *float64) string {
	for _, a := range m.actions {
		w := a.GetWhen()
		match := len(w.GetLabelIn()) > 0 && slices.Contains(w.GetLabelIn(), label)
		if value != nil && (w.Above != nil || w.Below != nil) {
			match = (w.Above == nil || *value > w.GetAbove()) && (w.Below == nil || *value < w.GetBelow())
		}
		if match {
			return a.GetName()
		}
	}
	return ""
}
