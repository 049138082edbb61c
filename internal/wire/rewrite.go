package wire

import (
	"google.golang.org/protobuf/encoding/protowire"
)

// Rewrite says how the response that a client gets differs from the one that a backend gave. The zero value changes
// nothing.
type Rewrite struct {
	// Model and Version replace the model's name and version; nil leaves them.
	Model, Version *string
	// StripOutputs reports which of the backend's tensors are taken out, with their raw contents; nil takes out none.
	StripOutputs func(name string) bool
	// StripParams reports which of the backend's parameters are taken out, the response's and its tensors'; nil takes out none.
	StripParams func(key string) bool
	// Splices replace rows of tensors. Of two for the same row of an output, the later counts.
	Splices []Splice
	// AppendParams appends the parameters that are added, by [AppendParam]; one with a key that the response has replaces it.
	// nil adds none. What it is given has room for most.
	AppendParams func(b []byte) []byte
	// AppendOutputs are added in the form that the response has: raw if it has raw_output_contents, else typed.
	AppendOutputs []TensorData
}

// Rewrite returns the response for a client, to be sent once. Whatever w doesn't change keeps its bytes and is not copied.
func (r *Response) Rewrite(w Rewrite) (*Frame, error) {
	if r.RawForm && len(r.raws) != len(r.Outputs) {
		return nil, miscounted(rawOutputs, len(r.raws), len(r.Outputs))
	}
	spliced, err := r.spliced(&w)
	if err != nil {
		return nil, err
	}
	room := lend()
	tail, err := r.appended(room.empty(), &w)
	if err != nil {
		room.giveBack()
		return nil, err
	}
	a := assemble(r.frame)
	if len(spliced) > 0 || r.strips(&w) {
		r.edit(&a, &w, spliced)
	}
	a.keep(r.frame.Len())
	a.out.addLent(room, tail)
	return a.out, nil
}

// edit walks the response's fields and keeps, drops or replaces each.
func (r *Response) edit(a *assembly, w *Rewrite, spliced map[int]*run) {
	outputs, raws := 0, 0
	c := walk(r.frame, responseRaw)
	for c.next() {
		keep := true
		var replacement []byte
		switch {
		case c.is(responseParameters, protowire.BytesType):
			keep = !w.stripsParam(lastString(c.data, 1))
		case c.is(responseOutputs, protowire.BytesType):
			t := &r.Outputs[outputs]
			keep = !w.stripsOutput(t.Name)
			elements := spliced[outputs]
			if retyped := elements != nil && !t.HasRaw; retyped || strip(w.StripParams).any(t.Params) {
				data := strip(w.StripParams).from(c.data, tensorParameters, t.Params)
				if retyped {
					data = t.edited(data, nil, elements)
				}
				replacement = appendBytes(nil, responseOutputs, data)
			}
			outputs++
		case c.is(responseRaw, protowire.BytesType):
			keep = !w.stripsOutput(r.Outputs[raws].Name)
			if elements := spliced[raws]; elements != nil {
				replacement = appendBytes(nil, responseRaw, elements.data)
			}
			raws++
		}
		switch {
		case !keep:
			a.replace(c.start, c.end, nil)
		case replacement != nil:
			a.replace(c.start, c.end, replacement)
		}
	}
}

// strips reports whether w takes anything out of this response.
func (r *Response) strips(w *Rewrite) bool {
	s := strip(w.StripParams)
	for i := range r.Outputs {
		if t := &r.Outputs[i]; w.stripsOutput(t.Name) || s.any(t.Params) {
			return true
		}
	}
	return s.any(r.Params)
}

func (w *Rewrite) stripsOutput(name string) bool {
	return w.StripOutputs != nil && w.StripOutputs(name)
}
func (w *Rewrite) stripsParam(key string) bool { return w.StripParams != nil && w.StripParams(key) }

// appended appends the fields that follow what stays of the response.
func (r *Response) appended(tail []byte, w *Rewrite) ([]byte, error) {
	if w.AppendParams != nil {
		tail = w.AppendParams(tail)
	}
	if w.Model != nil && *w.Model != r.ModelName {
		if err := text(*w.Model); err != nil {
			return nil, within("model_name", -1, err)
		}
		tail = appendBytes(tail, responseModelName, *w.Model)
	}
	if w.Version != nil && *w.Version != r.ModelVersion {
		if err := text(*w.Version); err != nil {
			return nil, within("model_version", -1, err)
		}
		tail = appendBytes(tail, responseModelVersion, *w.Version)
	}
	return appendTensors(tail, "outputs", w.AppendOutputs, responseOutputs, responseRaw, r.RawForm)
}
