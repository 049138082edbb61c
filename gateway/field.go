package gateway

import (
	"fmt"
	"slices"
	"strings"

	"github.com/candor-gateway/candor/backend"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/router"
)

// field is one of the things that a model answers of each row: most models answer one, whose name is empty. Read-only.
type field struct {
	backend.Field
	policy router.Policy
	// promised: the policy's promise covers it. coinScope keeps its coins apart from those of the model's other fields.
	promised  bool
	coinScope string
	// tolerance of the promise, in the field's unit; nil: another label than the verdict's is wrong.
	tolerance *float64
	// defaultLabel or defaultValue stands for "we do not know"; both unset: nothing does.
	defaultLabel string
	defaultValue *float64
	// actions that an answer of the field may mean, and "", none.
	actions []string
}

// newFields compiles the policy for each field of the primary's card. Errors name the field of the configuration, relative to the
// policy.
func newFields(p *candorv1.Policy, card *backend.Card, calibrated bool) ([]field, error) {
	conditions, err := newConditions(p.GetConditions())
	if err != nil {
		return nil, err
	}
	var out []field
	for _, f := range card.Fields() {
		own := p
		if f.Name != "" {
			own = router.ForField(p, f.Name)
		}
		policy, err := router.Compile(own, f.Source(calibrated))
		if err != nil && f.Name != "" {
			return nil, fmt.Errorf("fields.%s.%w", f.Name, err)
		}
		if err != nil {
			return nil, err
		}
		policy.Conditions = conditions
		next := field{
			Field: f, policy: policy, defaultLabel: own.GetReview().GetDefaultLabel(),
			promised: own.GetAccept().GetPromise() != nil, tolerance: toleranceOf(p, f.Name),
		}
		next.actions = append(next.actions, "")
		for _, a := range p.GetActions() {
			if output := a.GetWhen().GetOutput(); output == "" || output == f.Output {
				next.actions = append(next.actions, a.GetName())
			}
		}
		if review := own.GetReview(); review != nil {
			next.defaultValue = review.DefaultValue
		}
		out = append(out, next)
	}
	return out, nil
}

// toleranceOf is the tolerance of a policy's promise for a field; nil: it has none.
func toleranceOf(p *candorv1.Policy, name string) *float64 {
	if name == "" && p.GetAccept().GetPromise() != nil {
		return p.GetAccept().GetPromise().Tolerance
	}
	if own := p.GetFields()[name]; own != nil {
		return own.Tolerance
	}
	return nil
}

// several says that a row has more than one field.
func (m *model) several() bool { return len(m.fields) > 1 }

// fieldNames are the names of a model's fields, in order; empty: it has one.
func (m *model) fieldNames() string {
	if !m.several() {
		return ""
	}
	names := make([]string, len(m.fields))
	for k := range m.fields {
		names[k] = m.fields[k].Name
	}
	return strings.Join(names, ",")
}

// fieldNamed finds a field by the name that records have of it; nil: the model has none such, or no longer.
func (m *model) fieldNamed(name string) *field {
	i := slices.IndexFunc(m.fields, func(f field) bool { return f.Name == name })
	if i < 0 {
		return nil
	}
	return &m.fields[i]
}

// fieldOf is the field of which the model's answer is, as the configuration has it now; nil: it isn't there.
func (g *Gateway) fieldOf(model, name string) *field {
	m := g.plan().models[model]
	if m == nil {
		return nil
	}
	return m.fieldNamed(name)
}

// fieldOf is the field that a row of the call is.
func (c *call) fieldOf(r *row) *field { return &c.model.fields[r.field] }

// cell is one field of a row of the request.
func (c *call) cell(requestRow, field int) *row { return &c.rows[requestRow*len(c.model.fields)+field] }

// units names what the elements of rows are, for messages.
func (c *call) units() string {
	if c.model.several() {
		return "fields"
	}
	return "rows"
}
