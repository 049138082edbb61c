package gateway

import (
	"math"
	"slices"
	"strings"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/wire"
	"github.com/candor-gateway/candor/router"
)

// losses are what wrong answers of a model cost. Nil: the loss of an answer is 1 - its confidence. Read-only.
type losses struct {
	// fields have the costs of each, in the model's order; nil where none of its labels costs anything: 1 - confidence.
	fields []matrix
	amount amount
}

// matrix is the cost of an answer (first) where something else is true (second).
type matrix map[string]map[string]float64

// largest cost there is.
func (m matrix) largest() float64 {
	most := 0.0
	for _, row := range m {
		for _, c := range row {
			most = max(most, c)
		}
	}
	return most
}

// amount is where a row's amount stands: in a column of an input, or in a request parameter. The zero value is nowhere: 1.
type amount struct {
	input  string
	column int
	param  string
}

// maxAmount bounds amounts: more is nothing that costs could be compared by.
const maxAmount = 1e15

func newLosses(cfg *candorv1.Costs, card *candorv1.ModelCard, fields []field) *losses {
	if cfg == nil {
		return nil
	}
	l := &losses{fields: make([]matrix, len(fields)), amount: amountOf(cfg.GetAmount(), card)}
	for k := range fields {
		for _, e := range cfg.GetEntries() {
			if !slices.Contains(fields[k].Labels, e.GetAnswer()) || !slices.Contains(fields[k].Labels, e.GetTruth()) {
				continue
			}
			if l.fields[k] == nil {
				l.fields[k] = matrix{}
			}
			if l.fields[k][e.GetAnswer()] == nil {
				l.fields[k][e.GetAnswer()] = map[string]float64{}
			}
			l.fields[k][e.GetAnswer()][e.GetTruth()] = e.GetCost()
		}
	}
	return l
}

// amountOf finds the input or the column of one that a name means; a name that is neither is a request parameter's.
func amountOf(name string, card *candorv1.ModelCard) amount {
	for _, in := range card.GetInputs() {
		if in.GetName() == name {
			return amount{input: name}
		}
		feature, ok := strings.CutPrefix(name, in.GetName()+".")
		at := slices.IndexFunc(in.GetFeatures(), func(f *candorv1.FeatureSpec) bool { return f.GetName() == feature })
		if ok && at >= 0 {
			return amount{input: in.GetName(), column: at}
		}
	}
	return amount{param: name}
}

// lossOf is the expected loss of a row, found once: before something else stands in the place of the answer that it is of.
func (g *Gateway) lossOf(c *call, r *row) float64 {
	if !r.weighed {
		r.loss, r.weighed = g.expectedLoss(c, r), true
	}
	return r.loss
}

// expectedLoss of the answer that a row has so far, at least 0 and finite: what it costs by the policy's costs, each truth with its
// probability, times the row's amount; 1 - confidence where there are no costs. Where nothing is known it is the most that it could be.
func (g *Gateway) expectedLoss(c *call, r *row) float64 {
	known := r.answeredBy >= 0 && r.answer.Confidence != nil
	l := c.model.losses
	if l == nil || l.fields[r.field] == nil {
		if !known {
			return 1
		}
		return 1 - *r.answer.Confidence
	}
	value, fault := l.amount.of(c, r.row)
	if fault {
		g.metrics.badAmounts.WithLabelValues(c.model.name).Inc()
	}
	if !known || r.answer.Label == "" {
		return l.fields[r.field].largest() * value
	}
	return l.fields[r.field].lossOf(r.answer) * value
}

// lossOf an answer is Σ_y p(y)·cost[answer][y]. Of an answer without probabilities its label has the confidence, and the other labels share what
// is left evenly.
func (m matrix) lossOf(e *router.Evidence) float64 {
	sum := 0.0
	for i, truth := range e.Labels {
		var p float64
		switch {
		case len(e.Probs) == len(e.Labels):
			p = e.Probs[i]
		case truth == e.Label:
			p = *e.Confidence
		default:
			p = (1 - *e.Confidence) / float64(max(len(e.Labels)-1, 1))
		}
		sum += p * m[e.Label][truth]
	}
	if !(sum >= 0) { // a NaN as well
		return 0
	}
	return math.Min(sum, math.MaxFloat64/maxAmount)
}

// of reads a row's amount: 1 where there is none. One that is no number, negative or beyond maxAmount is bounded, and a fault.
func (a amount) of(c *call, requestRow int) (value float64, fault bool) {
	value, ok := a.read(c, requestRow)
	switch {
	case !ok:
		return 1, false
	case math.IsNaN(value):
		return 1, true
	case value < 0:
		return 0, true
	case value > maxAmount:
		return maxAmount, true
	}
	return value, false
}

func (a amount) read(c *call, requestRow int) (float64, bool) {
	if a.input == "" {
		p, ok := c.req.Param(a.param)
		switch {
		case !ok || a.param == "":
			return 0, false
		case p.Kind == wire.ParamInt64:
			return float64(p.Int64), true
		case p.Kind == wire.ParamUint64:
			return float64(p.U64), true
		case p.Kind == wire.ParamDouble:
			return p.F64, true
		}
		return 0, false
	}
	t := c.req.Input(a.input)
	if t == nil || t.Datatype == wire.BYTES {
		return 0, false
	}
	reader, row, err := c.rowsOf(t, requestRow)
	if err != nil {
		return 0, false
	}
	values, err := reader.Floats(row)
	if err != nil || a.column >= len(values) {
		return 0, false
	}
	return values[a.column], true
}
