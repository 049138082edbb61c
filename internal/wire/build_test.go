package wire

import (
	"math"
	"testing"

	"github.com/candor-gateway/candor/gen/inference"
)

func TestBuildRequest(t *testing.T) {
	for _, raw := range []bool{true, false} {
		data, err := BuildRequest("m", "2", "id", []Param{Int64Param("n", -1), {Key: "d", Kind: ParamDouble, F64: 2.5}, {Key: "u", Kind: ParamUint64, U64: math.MaxUint64}},
			[]TensorData{
				{Name: "x", Datatype: INT8, Shape: []int64{2}, Floats: []float64{-1.5, 2.5}},
				{Name: "t", Datatype: BYTES, Shape: []int64{1}, Texts: [][]byte{[]byte("a")}},
			}, []string{"y"}, raw)
		if err != nil {
			t.Fatal(err)
		}
		want := &inference.ModelInferRequest{
			ModelName: "m", ModelVersion: "2", Id: "id",
			Parameters: map[string]*inference.InferParameter{
				"n": {ParameterChoice: &inference.InferParameter_Int64Param{Int64Param: -1}},
				"d": {ParameterChoice: &inference.InferParameter_DoubleParam{DoubleParam: 2.5}},
				"u": {ParameterChoice: &inference.InferParameter_Uint64Param{Uint64Param: math.MaxUint64}},
			},
			Inputs: []*protoInput{
				{Name: "x", Datatype: "INT8", Shape: []int64{2}}, {Name: "t", Datatype: "BYTES", Shape: []int64{1}},
			},
			Outputs: []*protoOutput{{Name: "y"}},
		}
		if raw {
			want.RawInputContents = [][]byte{{0xfe, 2}, {1, 0, 0, 0, 'a'}} // halves went to even
		} else {
			want.Inputs[0].Contents = &contents{IntContents: []int32{-2, 2}}
			want.Inputs[1].Contents = &contents{BytesContents: [][]byte{[]byte("a")}}
		}
		diff(t, unmarshalRequest(t, data), want)
		if err := compareRequest(t, data).Validate(); err != nil {
			t.Error(err)
		}
	}
}

func TestBuildRefuses(t *testing.T) {
	for name, tt := range map[string]struct {
		tensor TensorData
		raw    bool
		field  string
	}{
		"no datatype":        {TensorData{}, true, "outputs[0].datatype"},
		"odd datatype":       {TensorData{Datatype: 99}, true, "outputs[0].datatype"},
		"BF16 typed":         {TensorData{Datatype: BF16, Floats: []float64{1}}, false, "outputs[0].datatype"},
		"name":               {TensorData{Name: "\xff", Datatype: FP32}, true, "outputs[0].name"},
		"negative dimension": {TensorData{Datatype: FP32, Shape: []int64{-1}}, true, "outputs[0].shape"},
		"huge shape":         {TensorData{Datatype: FP32, Shape: []int64{1 << 40}}, true, "outputs[0].contents"},
		"BOOL":               {TensorData{Datatype: BOOL, Floats: []float64{0.5}}, true, "outputs[0].contents"},
		"INT8":               {TensorData{Datatype: INT8, Floats: []float64{128}}, true, "outputs[0].contents"},
		"INT64":              {TensorData{Datatype: INT64, Floats: []float64{1 << 63}}, false, "outputs[0].contents"},
		"UINT64":             {TensorData{Datatype: UINT64, Floats: []float64{-1}}, false, "outputs[0].contents"},
		"UINT64 above":       {TensorData{Datatype: UINT64, Floats: []float64{1 << 64}}, false, "outputs[0].contents"},
		"INT32 infinite":     {TensorData{Datatype: INT32, Floats: []float64{math.Inf(1)}}, true, "outputs[0].contents"},
		"FP32":               {TensorData{Datatype: FP32, Floats: []float64{1e300}}, false, "outputs[0].contents"},
		"FP16":               {TensorData{Datatype: FP16, Floats: []float64{65520}}, true, "outputs[0].contents"},
		"BF16":               {TensorData{Datatype: BF16, Floats: []float64{math.MaxFloat32}}, true, "outputs[0].contents"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := BuildResponse("m", "", "", nil, []TensorData{tt.tensor}, tt.raw)
			wantField(t, err, tt.field)
		})
	}
	_, err := BuildRequest("m", "", "\xff", nil, nil, nil, true)
	wantField(t, err, "id")
	_, err = BuildRequest("m", "", "", nil, nil, []string{"\xff"}, true)
	wantField(t, err, "outputs[0]")
	_, err = BuildRequest("m", "", "", []Param{BoolParam("\xff", true)}, nil, nil, true)
	wantField(t, err, "parameters.key")
}
