package wire

import (
	"google.golang.org/protobuf/encoding/protowire"
)

// MaxItems is how many tensors, requested outputs, parameters and raw contents a message may have altogether. Real
// messages have a few; an empty tensor takes two bytes to write and a hundred times that to hold, so without a limit a
// message of 64 MiB could ask for several GiB.
const MaxItems = 1 << 16

// MaxDimensions is how many dimensions the shapes of a message may have altogether. One takes a byte to write and eight to hold, and several more
// where an error tells of it.
const MaxDimensions = 4 * MaxItems

// The field numbers of ModelInferRequest.
const (
	requestModelName    protowire.Number = 1
	requestModelVersion protowire.Number = 2
	requestID           protowire.Number = 3
	requestParameters   protowire.Number = 4
	requestInputs       protowire.Number = 5
	requestOutputs      protowire.Number = 6
	requestRaw          protowire.Number = 7
)

// Request is a view of an inference.ModelInferRequest. It aliases the frame that it was scanned from, which nobody may change,
// and which must not be freed while the view is in use.
type Request struct {
	ModelName    string
	ModelVersion string
	ID           string
	// Params are the request's parameters; of entries with one key the last is kept, as in a map.
	Params []Param
	Inputs []Tensor
	// Outputs are the outputs that the client names; without any it asks for all.
	Outputs []RequestedOutput
	// RawForm reports whether raw_input_contents is present: then every input's elements are there.
	RawForm bool

	frame *Frame
	raws  []rawContents
	room  room
}

// RequestedOutput is an output tensor that the client names.
type RequestedOutput struct {
	Name string
	// Params are the output's own parameters, for example Triton's classification.
	Params []Param
}

// ScanRequest views f, an encoded inference.ModelInferRequest, in one pass and without building tensors. It accepts what
// proto.Unmarshal accepts, up to [MaxItems] and [MaxDimensions]; errors are *FieldError. The view takes over f: see [Request.Free]. After an error f
// is still the caller's.
func ScanRequest(f *Frame) (*Request, error) {
	r := requests.Get().(*Request)
	r.frame, r.Inputs, r.raws = f, r.room.tensors[:0], r.room.raws[:0]
	r.Outputs = r.room.outputs[:0]
	s := scanner{room: &r.room}
	params := paramList{params: r.room.params[:0]}
	c := walk(f, requestRaw)
	for c.next() {
		if c.typ != protowire.BytesType {
			continue // an unknown field
		}
		field, index := "", -1
		var err error
		switch c.num {
		case requestModelName:
			field = "model_name"
			r.ModelName, err = s.text(c.data)
		case requestModelVersion:
			field = "model_version"
			r.ModelVersion, err = s.text(c.data)
		case requestID:
			field = "id"
			r.ID, err = s.text(c.data)
		case requestParameters:
			field = "parameters"
			err = s.param(&params, c.data)
		case requestInputs:
			field, index = "inputs", len(r.Inputs)
			r.Inputs = append(r.Inputs, Tensor{owner: field, index: index})
			err = s.tensor(&r.Inputs[index], c.data)
		case requestOutputs:
			field, index = "outputs", len(r.Outputs)
			var o RequestedOutput
			o, err = s.requestedOutput(c.data)
			r.Outputs = append(r.Outputs, o)
		case requestRaw:
			field, index = rawInputs, len(r.raws)
			err = s.item()
			r.raws = append(r.raws, c.rawContents())
		}
		if err != nil {
			return nil, within(field, index, err)
		}
	}
	if c.err != nil {
		return nil, c.err
	}
	r.Params = params.params
	r.RawForm = len(r.raws) > 0
	attachRaw(r.Inputs, r.raws)
	return r, nil
}

// Frame returns the message that the view is of.
func (r *Request) Frame() *Frame { return r.frame }

// Input returns the input tensor with the given name, nil if there is none.
func (r *Request) Input(name string) *Tensor { return findTensor(r.Inputs, name) }

// Param returns the request's parameter with the given key.
func (r *Request) Param(key string) (Param, bool) { return findParam(r.Params, key) }

func findTensor(ts []Tensor, name string) *Tensor {
	for i := range ts {
		if ts[i].Name == name {
			return &ts[i]
		}
	}
	return nil
}

func findParam(ps []Param, key string) (Param, bool) {
	for _, p := range ps {
		if p.Key == key {
			return p, true
		}
	}
	return Param{}, false
}
