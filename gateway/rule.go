package gateway

import (
	"fmt"
	"slices"
	"strings"

	"github.com/candor-gateway/candor/condition"
	"github.com/candor-gateway/candor/internal/wire"
)

// rule answers rows from their inputs, as an ensemble's remedial stage. Read-only and safe for concurrent use.
type rule struct {
	program *condition.Program
	labels  []string
	// inputs that it reads; all: any.
	inputs []string
	all    bool
}

// newRule compiles a rule that answers one of labels, or "" to abstain.
func newRule(expr string, labels []string) (*rule, error) {
	p, err := condition.Compile(expr, condition.ForRule)
	if err != nil {
		return nil, err
	}
	r := &rule{program: p, labels: labels}
	r.inputs, r.all = p.Inputs()
	return r, nil
}

// answer is the rule's label for one row of the call; empty: none. A label that is none of the rule's is an error, as is an input
// that the request doesn't have. It is for the call's own goroutine.
func (r *rule) answer(c *call, row int) (string, error) {
	if row < 0 || row >= c.requestRows {
		return "", fmt.Errorf("there is no row %d", row)
	}
	vars := condition.Vars{
		Params: paramsOf(c.req), Consumer: c.who.Name, Model: c.model.name,
		Inputs: map[string][]float64{}, Texts: map[string][]string{},
	}
	for i := range c.req.Inputs {
		t := &c.req.Inputs[i]
		if !r.all && !slices.Contains(r.inputs, t.Name) {
			continue
		}
		if err := c.rowInput(&vars, t, row); err != nil {
			return "", fmt.Errorf("input %q: %w", t.Name, err)
		}
	}
	label, err := r.program.Text(&vars)
	if err != nil || label == "" {
		return "", err
	}
	if !slices.Contains(r.labels, label) {
		return "", fmt.Errorf("the rule answered %.64q, which is none of the labels %.64q", label, r.labels)
	}
	return label, nil
}

// rowInput reads a row's part of an input; all of it when the tensor has no dimension for rows.
func (c *call) rowInput(vars *condition.Vars, t *wire.Tensor, requestRow int) error {
	reader, row, err := c.rowsOf(t, requestRow)
	if err != nil {
		return err
	}
	if t.Datatype != wire.BYTES {
		vars.Inputs[t.Name], err = reader.Floats(row)
		return err
	}
	texts, err := reader.Texts(row)
	values := make([]string, len(texts))
	for i, text := range texts {
		values[i] = strings.ToValidUTF8(string(text), "\ufffd") // CEL's strings are UTF-8
	}
	vars.Texts[t.Name] = values
	return err
}
