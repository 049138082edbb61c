package backend

import (
	"fmt"
	"slices"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/wire"
)

// Rows holds a request's inputs against the card and answers how many rows it has: 1 to MaxRows, divided by the number of fields. It looks at names,
// datatypes and shapes only: that the elements sent are as many as the shapes claim is the request's own Validate. Errors are
// *wire.FieldError.
func (c *Card) Rows(req *wire.Request) (int, error) {
	rows, first := int64(-1), ""
	seen := make([]string, 0, len(c.inputs))
	for i := range req.Inputs {
		in := &req.Inputs[i]
		at := func(field string) string { return fmt.Sprintf("inputs[%d].%s", i, field) }
		spec := find(c.inputs, in.Name)
		if spec == nil {
			return 0, &wire.FieldError{Field: at("name"), Problem: fmt.Sprintf("the model has no input %q", in.Name), Remedy: "send " + names(c.inputs)}
		}
		if slices.Contains(seen, in.Name) {
			return 0, &wire.FieldError{Field: at("name"), Problem: fmt.Sprintf("input %q is sent twice", in.Name), Remedy: "send each input once"}
		}
		seen = append(seen, in.Name)
		if in.Datatype != spec.datatype {
			return 0, &wire.FieldError{
				Field: at("datatype"), Problem: fmt.Sprintf("input %q is %s, the model takes %v", in.Name, in.DatatypeName, spec.datatype),
				Remedy: fmt.Sprintf("send %v", spec.datatype),
			}
		}
		if problem := spec.misfit(in.Shape); problem != "" {
			return 0, &wire.FieldError{
				Field: at("shape"), Problem: fmt.Sprintf("input %q: %s", in.Name, problem),
				Remedy: "send the shape " + shapeText(spec.shape) + ", where -1 is any size of at least 1",
			}
		}
		if !spec.perRow {
			continue
		}
		switch n := in.Shape[0]; {
		case n > int64(MaxRows/len(c.fields)):
			return 0, &wire.FieldError{
				Field: at("shape"), Problem: fmt.Sprintf("input %q has %d rows, more than %d", in.Name, n, MaxRows/len(c.fields)),
				Remedy: "send several smaller batches",
			}
		case rows < 0:
			rows, first = n, in.Name
		case n != rows:
			return 0, &wire.FieldError{
				Field: at("shape"), Problem: fmt.Sprintf("input %q has %d rows, input %q has %d", in.Name, n, first, rows),
				Remedy: "give all inputs the same first dimension",
			}
		}
	}
	for i := range c.inputs {
		if spec := &c.inputs[i]; !slices.Contains(seen, spec.name) {
			return 0, &wire.FieldError{
				Field: "inputs", Problem: fmt.Sprintf("input %q is missing", spec.name),
				Remedy: fmt.Sprintf("send it as %v of shape %s", spec.datatype, shapeText(spec.shape)),
			}
		}
	}
	if c.rows == candorv1.Rows_ROWS_NONE {
		return 1, nil
	}
	return int(rows), nil
}

// misfit says why a shape isn't one that the card allows; empty: it is. A dimension of 0 never fits: a row without elements
// says nothing, and costs its sender nothing.
func (t *tensorSpec) misfit(shape []int64) string {
	if len(shape) != len(t.shape) {
		return fmt.Sprintf("the shape %s has %d dimensions instead of %d", shapeText(shape), len(shape), len(t.shape))
	}
	for i, d := range shape {
		if want := t.shape[i]; d < 1 || want != -1 && d != want {
			return fmt.Sprintf("the shape %s does not fit %s", shapeText(shape), shapeText(t.shape))
		}
	}
	return ""
}
