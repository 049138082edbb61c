package oiptest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/candor-gateway/candor/gen/inference"
)

// Floats reads an FP32 output of either form. A missing output, another datatype, or data whose length isn't that of
// the shape is an error.
func Floats(resp *inference.ModelInferResponse, output string) ([]float32, error) {
	tensor, raw, isRaw, err := findOutput(resp, output, "FP32")
	if err != nil {
		return nil, err
	}
	return floats(output, tensor.GetShape(), tensor.GetContents(), raw, isRaw)
}

// Texts reads a BYTES output of either form, under the same conditions.
func Texts(resp *inference.ModelInferResponse, output string) ([]string, error) {
	tensor, raw, isRaw, err := findOutput(resp, output, "BYTES")
	if err != nil {
		return nil, err
	}
	var texts []string
	if isRaw {
		for len(raw) > 0 {
			if len(raw) < 4 || uint64(len(raw)-4) < uint64(binary.LittleEndian.Uint32(raw)) {
				return nil, fmt.Errorf("output %q: BYTES element %d is cut off", output, len(texts))
			}
			n := int(binary.LittleEndian.Uint32(raw))
			texts, raw = append(texts, string(raw[4:4+n])), raw[4+n:]
		}
	} else {
		for _, b := range tensor.GetContents().GetBytesContents() {
			texts = append(texts, string(b))
		}
	}
	if want := elements(tensor.GetShape()); int64(len(texts)) != want {
		return nil, fmt.Errorf("output %q: %d elements for the shape %v", output, len(texts), tensor.GetShape())
	}
	return texts, nil
}

// findOutput finds a tensor and, in a raw message, its bytes.
func findOutput(resp *inference.ModelInferResponse, output, datatype string) (tensor *inference.ModelInferResponse_InferOutputTensor, raw []byte, isRaw bool, err error) {
	contents := resp.GetRawOutputContents()
	isRaw = len(contents) > 0
	for i, tensor := range resp.GetOutputs() {
		if tensor.GetName() != output {
			continue
		}
		if tensor.GetDatatype() != datatype {
			return nil, nil, false, fmt.Errorf("output %q is %s, not %s", output, tensor.GetDatatype(), datatype)
		}
		if isRaw {
			if i >= len(contents) {
				return nil, nil, false, fmt.Errorf("output %q has no element in raw_output_contents", output)
			}
			raw = contents[i]
		}
		return tensor, raw, isRaw, nil
	}
	return nil, nil, false, fmt.Errorf("no output %q", output)
}

// inputFloats reads a request's first input.
func inputFloats(req *inference.ModelInferRequest) ([]float32, error) {
	if len(req.GetInputs()) == 0 {
		return nil, errors.New("no input")
	}
	in := req.GetInputs()[0]
	if in.GetDatatype() != "FP32" {
		return nil, fmt.Errorf("input %q is %s, not FP32", in.GetName(), in.GetDatatype())
	}
	var raw []byte
	isRaw := len(req.GetRawInputContents()) > 0
	if isRaw {
		raw = req.GetRawInputContents()[0]
	}
	return floats(in.GetName(), in.GetShape(), in.GetContents(), raw, isRaw)
}

func floats(name string, shape []int64, contents *inference.InferTensorContents, raw []byte, isRaw bool) ([]float32, error) {
	values := contents.GetFp32Contents()
	if isRaw {
		if len(raw)%4 != 0 {
			return nil, fmt.Errorf("tensor %q: %d raw bytes are not a multiple of 4", name, len(raw))
		}
		values = make([]float32, len(raw)/4)
		for i := range values {
			values[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
		}
	}
	if want := elements(shape); int64(len(values)) != want {
		return nil, fmt.Errorf("tensor %q: %d values for the shape %v", name, len(values), shape)
	}
	return values, nil
}

func elements(shape []int64) int64 {
	n := int64(1)
	for _, dim := range shape {
		n *= dim
	}
	return n
}
