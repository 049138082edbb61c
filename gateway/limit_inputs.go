package gateway

import (
	"slices"
	"strings"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/limits"
)

// limitWants are the sources that the limits ask for, and what the request has of them. It belongs to its call.
type limitWants struct {
	// sources of each of the model's fields; nil: nothing is asked for.
	sources [][]limits.Source
	// read sources, each with its inputs: one for each of the request's rows, or one that holds for all.
	read []readSource
}

type readSource struct {
	source limits.Source
	inputs []limits.Input
}

// limitWants asks the limits what they take from the request, whatever its answers mean: what people answer later may mean another
// action than what the model does.
func (g *Gateway) limitWants(c *call) limitWants {
	var w limitWants
	for k := range c.model.fields {
		for _, action := range c.model.fields[k].actions {
			for _, s := range g.gate.Sources(action, c.model.name, c.who.Name) {
				if w.sources == nil {
					w.sources = make([][]limits.Source, len(c.model.fields))
				}
				if !slices.Contains(w.sources[k], s) {
					w.sources[k] = append(w.sources[k], s)
				}
			}
		}
	}
	return w
}

// of are the inputs of a row and field; nil: none is asked for.
func (w *limitWants) of(c *call, r *row) []limits.Input {
	if w.sources == nil || len(w.sources[r.field]) == 0 {
		return nil
	}
	out := make([]limits.Input, 0, len(w.sources[r.field]))
	for _, s := range w.sources[r.field] {
		i := slices.IndexFunc(w.read, func(have readSource) bool { return have.source == s })
		if i < 0 {
			i = len(w.read)
			w.read = append(w.read, readSource{s, c.readSource(s)})
		}
		inputs := w.read[i].inputs
		in := inputs[min(r.row, len(inputs)-1)]
		in.Source = s
		out = append(out, in)
	}
	return out
}

// readSource reads a source, once for all rows. What is wrong is in the Faults, which name the field.
func (c *call) readSource(text limits.Source) []limits.Input {
	s, ok := parseSource(text)
	if !ok {
		return []limits.Input{{Fault: "is no source of an amount or a key; report this as a bug of candor"}}
	}
	var inputs []limits.Input
	switch {
	case c.vague:
		inputs = []limits.Input{{Fault: "can't be told: the response may be another request's; send one request at a time on the stream"}}
	case s.parameter != "":
		p, found := c.req.Param(s.parameter)
		inputs = []limits.Input{s.ofParam(p, found)}
	default:
		inputs = c.readColumn(s)
	}
	for i := range inputs {
		if inputs[i].Fault != "" {
			inputs[i].Fault = s.field() + " " + inputs[i].Fault
		}
	}
	return inputs
}

func (c *call) readColumn(s limitSource) []limits.Input {
	t := c.req.Input(s.input)
	if t == nil {
		return []limits.Input{{Fault: "is missing; send this input with the request"}}
	}
	rows := c.requestRows
	if c.model.whole() || c.model.card.Shared(s.input) {
		rows = 0
	}
	elements, err := t.Column(rows, s.column)
	if err != nil {
		return []limits.Input{{Fault: "can't be read: " + err.Error()}}
	}
	inputs := make([]limits.Input, len(elements))
	for i, e := range elements {
		inputs[i] = s.ofElement(e)
	}
	return inputs
}

// badInput is the fault that a limit withheld a row for: the field of the request, and what is wrong with it.
type badInput struct{ field, problem string }

// badInputOf finds it among a row's inputs by what the limit says.
func badInputOf(inputs []limits.Input, said error) badInput {
	words := said.Error()
	for _, in := range inputs {
		if s, ok := parseSource(in.Source); ok && in.Fault != "" && strings.Contains(words, string(in.Source)) {
			return badInput{s.field(), strings.TrimPrefix(in.Fault, s.field()+" ")}
		}
	}
	return badInput{"request", words}
}

// limitInputProtos are inputs as records and items keep them.
func limitInputProtos(inputs []limits.Input, units limitUnits) []*candorv1.LimitInput {
	var out []*candorv1.LimitInput
	for _, in := range inputs {
		p := &candorv1.LimitInput{Source: string(in.Source), Amount: in.Amount, Fault: cut(in.Fault, maxDetail), Unit: units[in.Source]}
		if in.Key != "" {
			p.Key = []byte(in.Key)
		}
		out = append(out, p)
	}
	return out
}

// limitInputsOf is the inverse of limitInputProtos.
func limitInputsOf(kept []*candorv1.LimitInput) []limits.Input {
	var out []limits.Input
	for _, p := range kept {
		out = append(out, limits.Input{Source: limits.Source(p.GetSource()), Amount: p.GetAmount(), Key: string(p.GetKey()), Fault: p.GetFault()})
	}
	return out
}
