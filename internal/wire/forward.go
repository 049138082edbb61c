package wire

import (
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
)

// Forward says how the request that a backend gets differs from the one that came. The zero value changes nothing.
type Forward struct {
	// Model and Version replace the model's name and version. An empty Version asks the server to choose. An empty
	// Model leaves both as they are.
	Model, Version string
	// ID replaces the request's id; nil leaves it.
	ID *string
	// StripOutputs reports which requested outputs are taken out; nil takes out none.
	StripOutputs func(name string) bool
	// AddOutputs are asked for as well, unless they already are. If no output is named, or none is left after
	// StripOutputs, the server is asked for all of its outputs and nothing is added.
	AddOutputs []string
	// StripParams reports which of the request's parameters are taken out, those of its inputs and of the outputs that it names included;
	// nil takes out none.
	StripParams func(key string) bool
	// AppendParams are added; one with a key that the request has replaces it. Their strings must be valid UTF-8, as ID must.
	AppendParams []Param
}

// Forward returns the request for a backend. What f doesn't change keeps its bytes and its order, unknown fields
// included, and is not copied: the model's name and version are replaced by appending the new ones.
func (r *Request) Forward(f Forward) *Frame {
	a := assemble(r.frame)
	if r.strips(f) {
		inputs, outputs := 0, 0
		c := walk(r.frame, requestRaw)
		for c.next() {
			switch {
			case c.is(requestInputs, protowire.BytesType):
				a.stripped(&c, tensorParameters, f.StripParams, r.Inputs[inputs].Params)
				inputs++
			case c.is(requestOutputs, protowire.BytesType):
				a.output(&c, f, &r.Outputs[outputs])
				outputs++
			case !f.keeps(&c.cursor):
				a.replace(c.start, c.end, nil)
			}
		}
	}
	return a.finish(r.appended(f))
}

// output takes over an output that the request names, without what f takes out of it, or leaves it out.
func (a *assembly) output(w *walker, f Forward, o *RequestedOutput) {
	if f.stripsOutput(o.Name) {
		a.replace(w.start, w.end, nil)
		return
	}
	a.stripped(w, outputParameters, f.StripParams, o.Params)
}

// strips reports whether f takes anything out of this request.
func (r *Request) strips(f Forward) bool {
	s := strip(f.StripParams)
	for i := range r.Outputs {
		if o := &r.Outputs[i]; f.stripsOutput(o.Name) || s.any(o.Params) {
			return true
		}
	}
	for i := range r.Inputs {
		if s.any(r.Inputs[i].Params) {
			return true
		}
	}
	return s.any(r.Params)
}

func (f *Forward) stripsOutput(name string) bool {
	return f.StripOutputs != nil && f.StripOutputs(name)
}
func (f *Forward) stripsParam(key string) bool { return f.StripParams != nil && f.StripParams(key) }

// keeps reports whether the field of the request that c stands at, which is no output, stays.
func (f *Forward) keeps(c *cursor) bool {
	return !c.is(requestParameters, protowire.BytesType) || !f.stripsParam(lastString(c.data, 1))
}

// appended returns the fields that follow what stays of the request.
func (r *Request) appended(f Forward) []byte {
	var tail []byte
	if f.Model != "" {
		if f.Model != r.ModelName {
			tail = appendBytes(tail, requestModelName, f.Model)
		}
		if f.Version != r.ModelVersion {
			tail = appendBytes(tail, requestModelVersion, f.Version)
		}
	}
	if f.ID != nil && *f.ID != r.ID {
		tail = appendBytes(tail, requestID, *f.ID)
	}
	for _, p := range f.AppendParams {
		tail = appendParam(tail, requestParameters, p)
	}
	named := make([]string, 0, len(r.Outputs)+len(f.AddOutputs))
	for _, o := range r.Outputs {
		if !f.stripsOutput(o.Name) {
			named = append(named, o.Name)
		}
	}
	if len(named) == 0 {
		return tail
	}
	for _, name := range f.AddOutputs {
		if !slices.Contains(named, name) {
			tail = appendRequestedOutput(tail, name)
			named = append(named, name)
		}
	}
	return tail
}

// lastString returns the string field num of an encoded message that was scanned before: a map entry's key, a tensor's
// name. The last one counts.
func lastString(message []byte, num protowire.Number) string {
	var s []byte
	c := cursor{rest: message}
	for c.next() {
		if c.is(num, protowire.BytesType) {
			s = c.data
		}
	}
	return string(s)
}
