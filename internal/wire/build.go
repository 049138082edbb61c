package wire

import "google.golang.org/protobuf/encoding/protowire"

// TensorData is a tensor to encode. Floats holds the elements of every datatype but BYTES, row-major, Texts those of
// BYTES; as many as the shape says. Integers are rounded to the nearest, halves to even, and BOOL takes 0 and 1; a
// value that the datatype can't hold is an error, never clipped.
type TensorData struct {
	Name     string
	Datatype Datatype
	Shape    []int64
	Floats   []float64
	Texts    [][]byte
}

// BuildRequest encodes an inference.ModelInferRequest. rawForm puts the elements into raw_input_contents; otherwise
// they are typed, which FP16 and BF16 can't be. Errors are *FieldError.
func BuildRequest(model, version, id string, params []Param, inputs []TensorData, outputs []string, rawForm bool) ([]byte, error) {
	data, err := buildHead(model, version, id, params)
	if err != nil {
		return nil, err
	}
	for i, name := range outputs {
		if err := text(name); err != nil {
			return nil, within("outputs", i, err)
		}
		data = appendRequestedOutput(data, name)
	}
	return appendTensors(data, "inputs", inputs, requestInputs, requestRaw, rawForm)
}

// BuildResponse encodes an inference.ModelInferResponse. rawForm puts the elements into raw_output_contents; otherwise
// they are typed, which FP16 and BF16 can't be. Errors are *FieldError.
func BuildResponse(model, version, id string, params []Param, outputs []TensorData, rawForm bool) ([]byte, error) {
	data, err := buildHead(model, version, id, params)
	if err != nil {
		return nil, err
	}
	return appendTensors(data, "outputs", outputs, responseOutputs, responseRaw, rawForm)
}

// buildHead encodes the fields that requests and responses number alike.
func buildHead(model, version, id string, params []Param) ([]byte, error) {
	var data []byte
	for _, f := range []struct {
		num         protowire.Number
		name, value string
	}{
		{requestModelName, "model_name", model},
		{requestModelVersion, "model_version", version},
		{requestID, "id", id},
	} {
		if err := text(f.value); err != nil {
			return nil, within(f.name, -1, err)
		}
		if f.value != "" {
			data = appendBytes(data, f.num, f.value)
		}
	}
	if err := checkParams(params); err != nil {
		return nil, err
	}
	for _, p := range params {
		data = appendParam(data, requestParameters, p)
	}
	return data, nil
}

// appendRequestedOutput appends an InferRequestedOutputTensor.
func appendRequestedOutput(dst []byte, name string) []byte {
	return appendBytes(dst, requestOutputs, appendBytes(nil, 1, name))
}

// appendTensors appends tensors as the field tensorNum and, if raw, their elements as the field rawNum. owner names
// the tensors' field in errors.
func appendTensors(dst []byte, owner string, ts []TensorData, tensorNum, rawNum protowire.Number, raw bool) ([]byte, error) {
	runs := make([]run, len(ts))
	for i := range ts {
		var err error
		if runs[i], err = ts[i].run(raw); err != nil {
			return nil, within(owner, i, err)
		}
		header := appendBytes(nil, 1, ts[i].Name)
		header = appendBytes(header, 2, ts[i].Datatype.String())
		header = appendShape(header, ts[i].Shape)
		if !raw {
			header = appendBytes(header, 5, appendRun(nil, ts[i].Datatype.content(), runs[i].data))
		}
		dst = appendBytes(dst, tensorNum, header)
	}
	if raw {
		for i := range runs {
			dst = appendBytes(dst, rawNum, runs[i].data)
		}
	}
	return dst, nil
}

// run encodes the tensor's elements.
func (t *TensorData) run(raw bool) (run, error) {
	if err := text(t.Name); err != nil {
		return run{}, within("name", -1, err)
	}
	n, err := product(t.Shape)
	if err != nil {
		return run{}, within("shape", -1, err)
	}
	r, ok := newRun(t.Datatype, raw)
	switch {
	case !t.Datatype.known():
		return r, faultf("datatype", "use one of "+datatypeNames(), "no datatype is given")
	case !ok:
		return r, faultf("datatype", "use raw contents", "%v exists only raw", t.Datatype)
	}
	if err := r.add(t.Floats, t.Texts, n); err != nil {
		return r, within("contents", -1, err)
	}
	return r, nil
}

// appendShape appends the shape of a tensor, packed.
func appendShape(dst []byte, shape []int64) []byte {
	if len(shape) == 0 {
		return dst
	}
	var dims []byte
	for _, d := range shape {
		dims = protowire.AppendVarint(dims, uint64(d))
	}
	return appendBytes(dst, 3, dims)
}
