package gateway

import (
	"errors"
	"fmt"

	"github.com/candor-gateway/candor/condition"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/wire"
	"github.com/candor-gateway/candor/router"
)

// newConditions compiles a policy's conditions for the router. Errors name the field, relative to the policy.
func newConditions(specs []*candorv1.Condition) ([]router.Condition, error) {
	var out []router.Condition
	for i, spec := range specs {
		p, err := condition.Compile(spec.GetWhen(), condition.ForRow)
		if err != nil {
			return nil, fmt.Errorf("conditions[%d].when: %w", i, err)
		}
		out = append(out, router.Condition{
			Name: spec.GetName(), Route: spec.GetRoute(), OfCall: !p.ReadsEvidence(),
			Holds: func(e *router.Evidence, call any) (bool, error) { return call.(*facts).holds(i, spec.GetName(), p, e) },
		})
	}
	return out, nil
}

// facts are what expressions see of a call. They belong to the call's goroutine.
type facts struct {
	vars     condition.Vars
	card     condition.Card
	evidence condition.Evidence
	// settled conditions, by their index: those whose result is the same for every row that is still to come.
	settled []settled
	// failed counts a condition that could not be computed.
	failed func(name string)
}

type settled struct {
	done, holds bool
	err         error
}

// factsOf makes the call's facts when they are first wanted.
func (g *Gateway) factsOf(c *call) *facts {
	if c.facts != nil {
		return c.facts
	}
	created := c.model.created()
	f := &facts{
		card: condition.Card{
			Owner: c.model.backendCfg.GetCard().GetOwner(), Version: c.model.backendCfg.GetVersion(),
			Created: created, Age: g.ledger.Now().Sub(created),
		},
		settled: make([]settled, len(c.model.policy.Conditions)),
		failed:  func(name string) { g.metrics.conditionErrors.WithLabelValues(c.model.name, name).Inc() },
	}
	f.vars = condition.Vars{
		Evidence: &f.evidence, Card: &f.card, Params: paramsOf(c.req), Consumer: c.who.Name, Model: c.model.name,
	}
	c.facts = f
	return f
}

// paramsOf are the request's parameters as expressions see them; nil: there are none.
func paramsOf(req *wire.Request) map[string]any {
	if len(req.Params) == 0 {
		return nil
	}
	out := make(map[string]any, len(req.Params))
	for _, p := range req.Params {
		switch p.Kind {
		case wire.ParamBool:
			out[p.Key] = p.Bool
		case wire.ParamInt64:
			out[p.Key] = p.Int64
		case wire.ParamString:
			out[p.Key] = condition.Text(p.Str)
		case wire.ParamDouble:
			out[p.Key] = p.F64
		case wire.ParamUint64:
			out[p.Key] = p.U64
		}
	}
	return out
}

// applyConditions raises what the router has decided of a row on this Evidence, where a condition of the policy holds.
func (g *Gateway) applyConditions(c *call, r *row, policy *router.Policy, d router.Decision, e *router.Evidence) router.Decision {
	if len(policy.Conditions) == 0 {
		return d
	}
	f := g.factsOf(c)
	f.vars.Row = r.row
	next := factsOfEvidence(e)
	next.Field = c.fieldOf(r).Name
	f.evidence.Set(next)
	return router.Apply(*policy, d, e, f)
}

// factsOfEvidence leaves out of a faulty Evidence everything but its faults: nothing else in it may be trusted.
func factsOfEvidence(e *router.Evidence) condition.Evidence {
	out := condition.Evidence{Stage: e.Stage, ScoreKind: scoreKindNames[int32(e.Kind)]}
	if len(e.Faults) > 0 {
		for _, r := range e.Faults {
			out.Faults = append(out.Faults, reasonName(r))
		}
		return out
	}
	out.Label, out.Value, out.Confidence, out.RawConfidence = e.Label, e.Value, e.Confidence, e.RawConfidence
	out.Labels, out.Probs = e.Labels, e.Probs
	if e.UncertaintyKind != candorv1.UncertaintyKind_UNCERTAINTY_KIND_UNSPECIFIED {
		out.Uncertainty, out.UncertaintyKind = e.Uncertainty, uncertaintyKindNames[int32(e.UncertaintyKind)]
	}
	return out
}

// holds evaluates a condition for the row and the Evidence that the facts show.
func (f *facts) holds(i int, name string, p *condition.Program, e *router.Evidence) (bool, error) {
	s := &f.settled[i]
	if s.done {
		return s.holds, s.err
	}
	holds, err := p.Bool(&f.vars)
	// What is too dear for one row is so for all: a client that makes it so must not have us try it for each.
	if p.PerCall() || errors.Is(err, condition.ErrTooDear) {
		*s = settled{done: true, holds: holds, err: err}
	}
	if err != nil && len(e.Faults) == 0 {
		f.failed(name)
	}
	return holds, err
}
