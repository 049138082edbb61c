package modelserver

import (
	"slices"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/candor-gateway/candor/examples/digits"
	"github.com/candor-gateway/candor/gen/inference"
)

// Names and datatypes of the tensors.
const (
	inputName = "image"
	labelName = "label"
	fp32      = "FP32"
	bytesType = "BYTES"
)

// readImages checks the request's one input, typed or raw, and gives 64 pixels per row.
func readImages(req *inference.ModelInferRequest) ([][]float64, error) {
	if n := len(req.GetInputs()); n != 1 {
		return nil, invalid("inputs: %d tensors, want one named %q", n, inputName)
	}
	in, raw := req.GetInputs()[0], req.GetRawInputContents()
	if in.GetName() != inputName {
		return nil, invalid("inputs[0].name: %q, want %q", in.GetName(), inputName)
	}
	if in.GetDatatype() != fp32 {
		return nil, invalid("inputs[0].datatype: %q, want %q", in.GetDatatype(), fp32)
	}
	shape := in.GetShape()
	if len(shape) != 2 || shape[1] != digits.Pixels || shape[0] < 1 {
		return nil, invalid("inputs[0].shape: %v, want [rows, %d] with at least one row", shape, digits.Pixels)
	}
	var values []float32
	switch {
	case len(raw) > 0 && in.GetContents() != nil:
		return nil, invalid("raw_input_contents: given together with inputs[0].contents; use one of the two")
	case len(raw) > 1:
		return nil, invalid("raw_input_contents: %d elements for 1 input", len(raw))
	case len(raw) == 1:
		if len(raw[0])%4 != 0 {
			return nil, invalid("raw_input_contents[0]: %d bytes are not a whole number of FP32", len(raw[0]))
		}
		values = floats(raw[0])
	default:
		values = in.GetContents().GetFp32Contents()
	}
	// Divided, not multiplied: the shape is the caller's and may be as large as an int64.
	if len(values)%digits.Pixels != 0 || int64(len(values)/digits.Pixels) != shape[0] {
		return nil, invalid("inputs[0]: %d numbers for the shape %v", len(values), shape)
	}
	images := make([][]float64, 0, shape[0])
	for row := range slices.Chunk(values, digits.Pixels) {
		image := make([]float64, digits.Pixels)
		for i, v := range row {
			if !(v >= 0 && v <= digits.MaxPixel) { // NaN fails both
				return nil, invalid("inputs[0]: row %d, pixel %d is %v; a pixel is a number from 0 (paper) to %d (ink)", len(images), i, v, digits.MaxPixel)
			}
			image[i] = float64(v)
		}
		images = append(images, image)
	}
	return images, nil
}

// wantedOutputs is the names to answer, in the order of the request; all if it names none.
func wantedOutputs(m *digits.Model, req *inference.ModelInferRequest) ([]string, error) {
	all := []string{string(m.Output), labelName}
	if len(req.GetOutputs()) == 0 {
		return all, nil
	}
	wanted := make([]string, 0, len(all))
	for i, out := range req.GetOutputs() {
		if !slices.Contains(all, out.GetName()) {
			return nil, invalid("outputs[%d].name: model %q has no output %q; it has %q", i, m.Name, out.GetName(), all)
		}
		if slices.Contains(wanted, out.GetName()) {
			return nil, invalid("outputs[%d].name: %q is asked for twice", i, out.GetName())
		}
		wanted = append(wanted, out.GetName())
	}
	return wanted, nil
}

// answersRaw mirrors the question: raw unless the input came typed.
func answersRaw(req *inference.ModelInferRequest) bool {
	return len(req.GetRawInputContents()) > 0
}

func invalid(format string, args ...any) error {
	return status.Errorf(codes.InvalidArgument, format, args...)
}
