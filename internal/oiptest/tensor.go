package oiptest

import (
	"encoding/binary"
	"math"

	"github.com/candor-gateway/candor/gen/inference"
)

// Form is where the data of a message's tensors lies.
type Form int

const (
	// TypedForm: in each tensor's contents.
	TypedForm Form = iota
	// RawForm: in raw_input_contents or raw_output_contents, little-endian.
	RawForm
)

// Tensor is one tensor with its data in both forms. Nothing checks that the shape fits the data: a test may want a
// pair that doesn't.
type Tensor struct {
	Name     string
	Datatype string
	Shape    []int64

	typed *inference.InferTensorContents // nil: this datatype exists only raw
	raw   []byte
}

// FP32 is a tensor of float32.
func FP32(name string, shape []int64, values ...float32) Tensor {
	raw := make([]byte, 0, 4*len(values))
	for _, v := range values {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
	}
	return Tensor{name, "FP32", shape, &inference.InferTensorContents{Fp32Contents: values}, raw}
}

// FP64 is a tensor of float64.
func FP64(name string, shape []int64, values ...float64) Tensor {
	raw := make([]byte, 0, 8*len(values))
	for _, v := range values {
		raw = binary.LittleEndian.AppendUint64(raw, math.Float64bits(v))
	}
	return Tensor{name, "FP64", shape, &inference.InferTensorContents{Fp64Contents: values}, raw}
}

// INT32 is a tensor of int32.
func INT32(name string, shape []int64, values ...int32) Tensor {
	raw := make([]byte, 0, 4*len(values))
	for _, v := range values {
		raw = binary.LittleEndian.AppendUint32(raw, uint32(v))
	}
	return Tensor{name, "INT32", shape, &inference.InferTensorContents{IntContents: values}, raw}
}

// INT64 is a tensor of int64.
func INT64(name string, shape []int64, values ...int64) Tensor {
	raw := make([]byte, 0, 8*len(values))
	for _, v := range values {
		raw = binary.LittleEndian.AppendUint64(raw, uint64(v))
	}
	return Tensor{name, "INT64", shape, &inference.InferTensorContents{Int64Contents: values}, raw}
}

// UINT8 is a tensor of bytes as numbers.
func UINT8(name string, shape []int64, values ...uint8) Tensor {
	wide := make([]uint32, len(values))
	for i, v := range values {
		wide[i] = uint32(v)
	}
	return Tensor{name, "UINT8", shape, &inference.InferTensorContents{UintContents: wide}, append([]byte{}, values...)}
}

// BOOL is a tensor of truth values.
func BOOL(name string, shape []int64, values ...bool) Tensor {
	raw := make([]byte, len(values))
	for i, v := range values {
		if v {
			raw[i] = 1
		}
	}
	return Tensor{name, "BOOL", shape, &inference.InferTensorContents{BoolContents: values}, raw}
}

// BYTES is a tensor of strings; raw, each is preceded by its length in four bytes.
func BYTES(name string, shape []int64, values ...string) Tensor {
	elements := make([][]byte, len(values))
	var raw []byte
	for i, v := range values {
		elements[i] = []byte(v)
		raw = binary.LittleEndian.AppendUint32(raw, uint32(len(v)))
		raw = append(raw, v...)
	}
	return Tensor{name, "BYTES", shape, &inference.InferTensorContents{BytesContents: elements}, raw}
}

// Raw is a tensor of any datatype from its little-endian bytes: FP16 and BF16, which have no typed form, and data that
// is deliberately wrong.
func Raw(name, datatype string, shape []int64, data []byte) Tensor {
	return Tensor{name, datatype, shape, nil, data}
}

// Request builds a ModelInferRequest. In TypedForm a [Raw] tensor has no data.
func Request(model, version string, form Form, inputs ...Tensor) *inference.ModelInferRequest {
	req := &inference.ModelInferRequest{ModelName: model, ModelVersion: version}
	for _, in := range inputs {
		tensor := &inference.ModelInferRequest_InferInputTensor{Name: in.Name, Datatype: in.Datatype, Shape: in.Shape}
		if form == RawForm {
			req.RawInputContents = append(req.RawInputContents, in.raw)
		} else {
			tensor.Contents = in.typed
		}
		req.Inputs = append(req.Inputs, tensor)
	}
	return req
}

// Response builds a ModelInferResponse without model name, version and id, which the server fills in. In TypedForm a
// [Raw] tensor has no data.
func Response(form Form, outputs ...Tensor) *inference.ModelInferResponse {
	resp := new(inference.ModelInferResponse)
	for _, out := range outputs {
		tensor := &inference.ModelInferResponse_InferOutputTensor{Name: out.Name, Datatype: out.Datatype, Shape: out.Shape}
		if form == RawForm {
			resp.RawOutputContents = append(resp.RawOutputContents, out.raw)
		} else {
			tensor.Contents = out.typed
		}
		resp.Outputs = append(resp.Outputs, tensor)
	}
	return resp
}

// Mirror is the form of a request, which MLServer and KServe answer in.
func Mirror(req *inference.ModelInferRequest) Form {
	if len(req.GetRawInputContents()) > 0 {
		return RawForm
	}
	return TypedForm
}
