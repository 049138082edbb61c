// Package payload has what the benchmark sends and what it expects back: the models of the stub, their requests and their
// answers.
package payload

import (
	"encoding/binary"
	"math"

	"google.golang.org/protobuf/proto"

	"github.com/candor-gateway/candor/gen/inference"
)

// Models of the stub. All answer probabilities of two labels, raw, at version Version.
const (
	// Tabular takes rows of Features floats and is always sure.
	Tabular = "tabular"
	// Image takes one picture of ImageFloats floats and is always sure.
	Image = "image"
	// TabularMixed and ImageMixed are the same, but unsure about UnsureShare of their rows.
	TabularMixed = "tabular-mixed"
	ImageMixed   = "image-mixed"
	// SecondTabular and SecondImage are what a gateway falls back to: sure about all rows but one in six.
	SecondTabular = "tabular-second"
	SecondImage   = "image-second"
)

const (
	// Version of every model.
	Version = "1"
	// Method is what is called.
	Method = inference.GRPCInferenceService_ModelInfer_FullMethodName
	// Output is the tensor that every model answers.
	Output = "probabilities"
	// Features of one row.
	Features = 16
	// ImageFloats of a picture: 3 channels of 224 × 224.
	ImageFloats = 3 * 224 * 224
)

// Confidence of a row that a model is sure about, and of one that it isn't: above and below any threshold in the benchmark.
const (
	sure   = 0.97
	unsure = 0.6
)

// Threshold that the gateway's policies use.
const Threshold = 0.8

// fraudEvery: of the rows of a batch every 16th is labelled fraud, the first one included, so that a request of one row takes
// a permit of the action limit, and a batch takes 16.
const fraudEvery = 16

// TabularRequest is an encoded request of rows × Features floats. It names no version and no id, as most clients don't.
func TabularRequest(rows int) []byte {
	return request(Tabular, "x", []int64{int64(rows), Features}, rows*Features)
}

// ImageRequest is an encoded request of one picture, 602 kB.
func ImageRequest() []byte { return request(Image, "image", []int64{1, 3, 224, 224}, ImageFloats) }

func request(model, input string, shape []int64, floats int) []byte {
	raw := make([]byte, 0, 4*floats)
	for i := range floats {
		raw = appendFloat(raw, float32(i%255)/255)
	}
	return marshal(&inference.ModelInferRequest{
		ModelName:        model,
		Inputs:           []*inference.ModelInferRequest_InferInputTensor{{Name: input, Datatype: "FP32", Shape: shape}},
		RawInputContents: [][]byte{raw},
	})
}

// Answer is an encoded answer of a model to rows rows; isUnsure says which of them it is not sure about, nil: none.
func Answer(model string, rows int, isUnsure func(row int) bool) []byte {
	raw := make([]byte, 0, 8*rows)
	for i := range rows {
		p := float32(sure)
		if isUnsure != nil && isUnsure(i) {
			p = unsure
		}
		fraud := p
		if i%fraudEvery != 0 {
			fraud = 1 - p
		}
		raw = appendFloat(appendFloat(raw, 1-fraud), fraud)
	}
	return marshal(&inference.ModelInferResponse{
		ModelName: model, ModelVersion: Version,
		Outputs:           []*inference.ModelInferResponse_InferOutputTensor{{Name: Output, Datatype: "FP32", Shape: []int64{int64(rows), 2}}},
		RawOutputContents: [][]byte{raw},
	})
}

func appendFloat(b []byte, v float32) []byte {
	return binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
}

func marshal(m proto.Message) []byte {
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		panic(err) // a message that is written down here can't fail
	}
	return b
}
