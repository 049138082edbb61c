package wire

import (
	"math"
	"testing"

	"github.com/candor-gateway/candor/gen/inference"
)

type (
	protoRequest = inference.ModelInferRequest
	protoInput   = inference.ModelInferRequest_InferInputTensor
	protoOutput  = inference.ModelInferRequest_InferRequestedOutputTensor
	contents     = inference.InferTensorContents
)

func TestValidateRequest(t *testing.T) {
	fp32 := func(n int) *contents { return &contents{Fp32Contents: make([]float32, n)} }
	region := map[string]*inference.InferParameter{
		"shared_memory_region": {ParameterChoice: &inference.InferParameter_StringParam{StringParam: "r"}},
	}
	typed := func(ins ...*protoInput) *protoRequest { return &protoRequest{Inputs: ins} }
	raw := func(raws [][]byte, ins ...*protoInput) *protoRequest {
		return &protoRequest{Inputs: ins, RawInputContents: raws}
	}
	for name, tt := range map[string]struct {
		message *protoRequest
		field   string
	}{
		"unknown datatype":    {typed(&protoInput{Datatype: "FP8"}), "inputs[0].datatype"},
		"no datatype":         {typed(&protoInput{}), "inputs[0].datatype"},
		"negative dimension":  {typed(&protoInput{Datatype: "FP32", Shape: []int64{2, -3}}), "inputs[0].shape"},
		"overflow":            {typed(&protoInput{Datatype: "FP32", Shape: []int64{math.MaxInt64, 3}}), "inputs[0].shape"},
		"no contents":         {typed(&protoInput{Datatype: "FP32", Shape: []int64{2}}), "inputs[0].contents"},
		"too few":             {typed(&protoInput{Datatype: "FP32", Shape: []int64{2}, Contents: fp32(1)}), "inputs[0].contents"},
		"too many":            {typed(&protoInput{Datatype: "FP32", Shape: []int64{2}, Contents: fp32(3)}), "inputs[0].contents"},
		"claims more":         {typed(&protoInput{Datatype: "FP32", Shape: []int64{1 << 60}, Contents: fp32(3)}), "inputs[0].contents"},
		"wrong field":         {typed(&protoInput{Datatype: "INT32", Shape: []int64{2}, Contents: fp32(2)}), "inputs[0].contents.fp32_contents"},
		"second field":        {typed(&protoInput{Datatype: "BOOL", Shape: []int64{1}, Contents: &contents{BoolContents: []bool{true}, BytesContents: [][]byte{{}}}}), "inputs[0].contents.bytes_contents"},
		"FP16 typed":          {typed(&protoInput{Datatype: "FP16", Shape: []int64{2}, Contents: fp32(2)}), "inputs[0].contents"},
		"BF16 typed":          {typed(&protoInput{Datatype: "BF16", Shape: []int64{2}, Contents: fp32(2)}), "inputs[0].contents"},
		"name twice":          {typed(&protoInput{Name: "x", Datatype: "FP32", Shape: []int64{0}}, &protoInput{Name: "x"}), "inputs[1].name"},
		"shared memory":       {typed(&protoInput{Datatype: "FP32", Shape: []int64{2}, Parameters: region}), "inputs[0].parameters[shared_memory_region]"},
		"shared output":       {&protoRequest{Outputs: []*protoOutput{{Name: "y"}, {Parameters: region}}}, "outputs[1].parameters[shared_memory_region]"},
		"mixed":               {raw([][]byte{make([]byte, 4)}, &protoInput{Datatype: "FP32", Shape: []int64{1}, Contents: fp32(1)}), "inputs[0].contents"},
		"raw and typed":       {raw([][]byte{make([]byte, 4)}, &protoInput{Name: "x", Datatype: "FP32", Shape: []int64{1}}, &protoInput{Datatype: "FP32", Shape: []int64{1}, Contents: fp32(1)}), "raw_input_contents"},
		"raw too many":        {raw([][]byte{make([]byte, 4), {}}, &protoInput{Datatype: "FP32", Shape: []int64{1}}), "raw_input_contents"},
		"raw for nothing":     {raw([][]byte{{}}), "raw_input_contents"},
		"raw too short":       {raw([][]byte{make([]byte, 4)}, &protoInput{Datatype: "FP32", Shape: []int64{2}}), "raw_input_contents[0]"},
		"raw ragged":          {raw([][]byte{make([]byte, 5)}, &protoInput{Datatype: "FP32", Shape: []int64{1}}), "raw_input_contents[0]"},
		"raw claims more":     {raw([][]byte{make([]byte, 8)}, &protoInput{Datatype: "FP64", Shape: []int64{math.MaxInt64}}), "raw_input_contents[0]"},
		"text cut in length":  {raw([][]byte{{1, 0, 0}}, &protoInput{Datatype: "BYTES", Shape: []int64{1}}), "raw_input_contents[0]"},
		"text cut in element": {raw([][]byte{{}, {1, 0, 0, 0, 'a', 2, 0, 0, 0, 'b'}}, &protoInput{Name: "x", Datatype: "FP32", Shape: []int64{0}}, &protoInput{Datatype: "BYTES", Shape: []int64{2}}), "raw_input_contents[1]"},
		"text huge":           {raw([][]byte{{255, 255, 255, 255, 'a'}}, &protoInput{Datatype: "BYTES", Shape: []int64{1}}), "raw_input_contents[0]"},
		"texts too few":       {raw([][]byte{{0, 0, 0, 0}}, &protoInput{Datatype: "BYTES", Shape: []int64{1 << 50}}), "raw_input_contents[0]"},
		"typed texts too few": {typed(&protoInput{Datatype: "BYTES", Shape: []int64{2}, Contents: &contents{BytesContents: [][]byte{{}}}}), "inputs[0].contents"},
	} {
		t.Run(name, func(t *testing.T) {
			err := scanRequest(t, marshal(t, tt.message)).Validate()
			wantField(t, err, tt.field)
		})
	}
}

func TestValidateAccepts(t *testing.T) {
	rng := newRand(6)
	for rows := range 5 {
		for _, raw := range []bool{true, false} {
			data, _ := sampleRequest(t, rng, rows, raw)
			if err := scanRequest(t, data).Validate(); err != nil {
				t.Errorf("rows=%d raw=%v: %v", rows, raw, err)
			}
			data, _ = sampleResponse(t, rng, rows, raw)
			if err := scanResponse(t, data).Validate(); err != nil {
				t.Errorf("rows=%d raw=%v: %v", rows, raw, err)
			}
		}
	}
	for name, m := range map[string]*protoRequest{
		"nothing":                     {},
		"scalar":                      {Inputs: []*protoInput{{Datatype: "FP32", Contents: &contents{Fp32Contents: []float32{1}}}}},
		"raw beside empty contents":   {Inputs: []*protoInput{{Datatype: "INT8", Shape: []int64{1}, Contents: &contents{}}}, RawInputContents: [][]byte{{7}}},
		"no elements, no contents":    {Inputs: []*protoInput{{Datatype: "BYTES", Shape: []int64{3, 0}}}},
		"no rows of overflowing size": {Inputs: []*protoInput{{Datatype: "INT8", Shape: []int64{0, 1 << 40, 1 << 40}}}},
	} {
		if err := scanRequest(t, marshal(t, m)).Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestValidateResponse(t *testing.T) {
	m := &inference.ModelInferResponse{
		Outputs:           []*inference.ModelInferResponse_InferOutputTensor{{Name: "y", Datatype: "FP32", Shape: []int64{2}}},
		RawOutputContents: [][]byte{make([]byte, 4)},
	}
	wantField(t, scanResponse(t, marshal(t, m)).Validate(), "raw_output_contents[0]")
	m.RawOutputContents = nil
	wantField(t, scanResponse(t, marshal(t, m)).Validate(), "outputs[0].contents")
}

func TestFieldErrorText(t *testing.T) {
	err := &FieldError{Field: "inputs[0].shape", Problem: "dimension -3 is negative", Remedy: "send dimensions of 0 or more"}
	if got, want := err.Error(), "inputs[0].shape: dimension -3 is negative; send dimensions of 0 or more"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := (&FieldError{Problem: "odd"}).Error(); got != "odd" {
		t.Errorf("got %q", got)
	}
}
