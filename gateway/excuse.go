package gateway

import (
	"fmt"
	"math"

	"github.com/candor-gateway/candor/backend"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/wire"
	"github.com/candor-gateway/candor/router"
)

// excuse takes those rows out of a Verdict that could not but be bad: whose own inputs hold a NaN or an infinite number. Most models make a NaN
// of them, which is no answer and takes its route, but says nothing of the model server: a client could open its breaker for everybody. evidence is of
// these rows of the call, in order. It reads the call only, and may run beside others.
func (c *call) excuse(v *backend.Verdict, evidence []router.Evidence, rows []int) {
	if v.BadRows == 0 || v.Unusable != "" {
		return
	}
	inputs := c.floatInputs()
	bad, detail := 0, ""
	for i := range evidence {
		if e := &evidence[i]; len(e.Faults) > 0 && e.Faults[0] != candorv1.Reason_REASON_ABSTAINED {
			row := rows[i] / len(c.model.fields)
			if inputs.wild(row) {
				continue
			}
			if bad++; detail == "" {
				detail = fmt.Sprintf("row %d: %s", row, e.Detail)
			}
		}
	}
	if bad < v.BadRows {
		v.BadRows, v.Detail = bad, detail
	}
}

// floatInputs are a request's inputs that can hold what is no finite number.
type floatInputs struct {
	perRow []*wire.RowReader
	// all: an input that is the same for all rows holds one.
	all bool
}

func (c *call) floatInputs() floatInputs {
	var out floatInputs
	for i := range c.req.Inputs {
		t := &c.req.Inputs[i]
		if !t.Datatype.IsFloat() {
			continue
		}
		rows := c.requestRows
		if c.model.whole() || c.model.card.Shared(t.Name) {
			rows = 0
		}
		reader, err := t.Rows(rows)
		switch {
		case err != nil:
		case rows == 0:
			out.all = out.all || wild(reader, 0)
		default:
			out.perRow = append(out.perRow, reader)
		}
	}
	return out
}

// wild says that an input of the row holds a NaN or an infinite number.
func (in *floatInputs) wild(row int) bool {
	if in.all {
		return true
	}
	for _, reader := range in.perRow {
		if wild(reader, row) {
			return true
		}
	}
	return false
}

func wild(reader *wire.RowReader, row int) bool {
	values, err := reader.Floats(row)
	if err != nil {
		return false
	}
	for _, v := range values {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return true
		}
	}
	return false
}
