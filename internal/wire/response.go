package wire

import "google.golang.org/protobuf/encoding/protowire"

// The field numbers of ModelInferResponse.
const (
	responseModelName    protowire.Number = 1
	responseModelVersion protowire.Number = 2
	responseID           protowire.Number = 3
	responseParameters   protowire.Number = 4
	responseOutputs      protowire.Number = 5
	responseRaw          protowire.Number = 6
)

// Response is a view of an inference.ModelInferResponse. It aliases the frame that it was scanned from, which nobody may change,
// and which must not be freed while the view is in use.
type Response struct {
	ModelName    string
	ModelVersion string
	ID           string
	// Params are the response's parameters; of entries with one key the last is kept, as in a map.
	Params  []Param
	Outputs []Tensor
	// RawForm reports whether raw_output_contents is present: then every output's elements are there.
	RawForm bool

	frame *Frame
	raws  []rawContents
	room  room
}

// ScanResponse views f, an encoded inference.ModelInferResponse, in one pass and without building tensors. It accepts what
// proto.Unmarshal accepts, up to [MaxItems] and [MaxDimensions]; errors are *FieldError. The view takes over f: see [Response.Free]. After an error f
// is still the caller's.
func ScanResponse(f *Frame) (*Response, error) {
	r := responses.Get().(*Response)
	r.frame, r.Outputs, r.raws = f, r.room.tensors[:0], r.room.raws[:0]
	s := scanner{room: &r.room}
	params := paramList{params: r.room.params[:0]}
	c := walk(f, responseRaw)
	for c.next() {
		if c.typ != protowire.BytesType {
			continue // an unknown field
		}
		field, index := "", -1
		var err error
		switch c.num {
		case responseModelName:
			field = "model_name"
			r.ModelName, err = s.text(c.data)
		case responseModelVersion:
			field = "model_version"
			r.ModelVersion, err = s.text(c.data)
		case responseID:
			field = "id"
			r.ID, err = s.text(c.data)
		case responseParameters:
			field = "parameters"
			err = s.param(&params, c.data)
		case responseOutputs:
			field, index = "outputs", len(r.Outputs)
			r.Outputs = append(r.Outputs, Tensor{owner: field, index: index})
			err = s.tensor(&r.Outputs[index], c.data)
		case responseRaw:
			field, index = rawOutputs, len(r.raws)
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
	attachRaw(r.Outputs, r.raws)
	return r, nil
}

// Frame returns the message that the view is of.
func (r *Response) Frame() *Frame { return r.frame }

// Output returns the output tensor with the given name, nil if there is none.
func (r *Response) Output(name string) *Tensor { return findTensor(r.Outputs, name) }

// Param returns the response's parameter with the given key.
func (r *Response) Param(key string) (Param, bool) { return findParam(r.Params, key) }
