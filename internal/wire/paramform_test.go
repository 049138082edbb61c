package wire

import (
	"bytes"
	"math"
	"slices"
	"strconv"
	"testing"

	"google.golang.org/protobuf/proto"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/gen/inference"
)

// basicOracle converts parameters as docs/dialects.md says, on messages that were built.
func basicOracle(params map[string]*inference.InferParameter) {
	for _, p := range params {
		switch v := p.GetParameterChoice().(type) {
		case *inference.InferParameter_DoubleParam:
			p.ProtoReflect().SetUnknown(nil)
			p.ParameterChoice = &inference.InferParameter_StringParam{StringParam: strconv.FormatFloat(v.DoubleParam, 'g', -1, 64)}
		case *inference.InferParameter_Uint64Param:
			p.ProtoReflect().SetUnknown(nil)
			p.ParameterChoice = &inference.InferParameter_Int64Param{Int64Param: int64(v.Uint64Param)}
			if v.Uint64Param > math.MaxInt64 {
				p.ParameterChoice = &inference.InferParameter_StringParam{StringParam: strconv.FormatUint(v.Uint64Param, 10)}
			}
		}
	}
}

func basicRequest(m *inference.ModelInferRequest) {
	basicOracle(m.GetParameters())
	for _, in := range m.GetInputs() {
		basicOracle(in.GetParameters())
	}
	for _, out := range m.GetOutputs() {
		basicOracle(out.GetParameters())
	}
}

func basicResponse(m *inference.ModelInferResponse) {
	basicOracle(m.GetParameters())
	for _, out := range m.GetOutputs() {
		basicOracle(out.GetParameters())
	}
}

// everyKind has a parameter of every kind, on the border of what an int64 holds.
func everyKind() map[string]*inference.InferParameter {
	return map[string]*inference.InferParameter{
		"bool":   {ParameterChoice: &inference.InferParameter_BoolParam{BoolParam: true}},
		"int64":  {ParameterChoice: &inference.InferParameter_Int64Param{Int64Param: -1}},
		"string": {ParameterChoice: &inference.InferParameter_StringParam{StringParam: "s"}},
		"third":  {ParameterChoice: &inference.InferParameter_DoubleParam{DoubleParam: 1.0 / 3}},
		"nan":    {ParameterChoice: &inference.InferParameter_DoubleParam{DoubleParam: math.NaN()}},
		"large":  {ParameterChoice: &inference.InferParameter_DoubleParam{DoubleParam: -math.MaxFloat64}},
		"fits":   {ParameterChoice: &inference.InferParameter_Uint64Param{Uint64Param: math.MaxInt64}},
		"beyond": {ParameterChoice: &inference.InferParameter_Uint64Param{Uint64Param: math.MaxInt64 + 1}},
		"none":   {},
	}
}

func TestConvert(t *testing.T) {
	for _, tt := range []struct{ in, want Param }{
		{BoolParam("k", true), BoolParam("k", true)},
		{Int64Param("k", math.MinInt64), Int64Param("k", math.MinInt64)},
		{StringParam("k", "x"), StringParam("k", "x")},
		{Param{Key: "k", Kind: ParamUint64, U64: 7}, Int64Param("k", 7)},
		{Param{Key: "k", Kind: ParamUint64, U64: math.MaxUint64}, StringParam("k", "18446744073709551615")},
		{Param{Key: "k", Kind: ParamDouble, F64: 0.1}, StringParam("k", "0.1")},
		{Param{Key: "k", Kind: ParamDouble, F64: 1e300}, StringParam("k", "1e+300")},
		{Param{Key: "k", Kind: ParamDouble, F64: math.Inf(-1)}, StringParam("k", "-Inf")},
	} {
		if got := ParamsBasic.Convert(tt.in); got != tt.want {
			t.Errorf("%+v: %+v, want %+v", tt.in, got, tt.want)
		}
		if got := ParamsAll.Convert(tt.in); got != tt.in {
			t.Errorf("%+v changed to %+v", tt.in, got)
		}
	}
}

func TestRequestForBasicParams(t *testing.T) {
	m := &inference.ModelInferRequest{
		ModelName: "m", Parameters: everyKind(),
		Inputs:  []*inference.ModelInferRequest_InferInputTensor{{Name: "x", Datatype: "BOOL", Shape: []int64{1}, Parameters: everyKind()}},
		Outputs: []*inference.ModelInferRequest_InferRequestedOutputTensor{{Name: "y", Parameters: everyKind()}},

		RawInputContents: [][]byte{{1}},
	}
	data := append(marshal(t, m), unknown()...)
	if r, err := scanRequest(t, data).For(DialectOf(candorv1.Dialect_DIALECT_TRITON)); err != nil || &r.Frame().Bytes()[0] != &data[0] {
		t.Errorf("changed for Triton: %v", err)
	}
	r, err := scanRequest(t, data).For(DialectOf(candorv1.Dialect_DIALECT_KSERVE))
	if err != nil {
		t.Fatal(err)
	}
	want := unmarshalRequest(t, data)
	basicRequest(want)
	diff(t, unmarshalRequest(t, r.Frame().Bytes()), want)
	again, err := r.For(DialectOf(candorv1.Dialect_DIALECT_KSERVE))
	if err != nil || again != r {
		t.Errorf("converted twice: %v", err)
	}
}

func TestRequestForTypedServers(t *testing.T) {
	torchserve := DialectOf(candorv1.Dialect_DIALECT_TORCHSERVE)
	m := &inference.ModelInferRequest{
		ModelName: "m", Parameters: everyKind(), RawInputContents: [][]byte{{1, 0}, {3, 0, 0, 0, 'a', 'b', 'c'}},
		Inputs: []*inference.ModelInferRequest_InferInputTensor{
			{Name: "x", Datatype: "BOOL", Shape: []int64{2}}, {Name: "s", Datatype: "BYTES", Shape: []int64{1}},
		},
	}
	r, err := scanRequest(t, append(marshal(t, m), unknown()...)).For(torchserve)
	if err != nil {
		t.Fatal(err)
	}
	basicRequest(m)
	m.RawInputContents = nil
	m.Inputs[0].Contents = &inference.InferTensorContents{BoolContents: []bool{true, false}}
	m.Inputs[1].Contents = &inference.InferTensorContents{BytesContents: [][]byte{[]byte("abc")}}
	want := unmarshalRequest(t, append(marshal(t, m), unknown()...))
	diff(t, unmarshalRequest(t, r.Frame().Bytes()), want)

	m = &inference.ModelInferRequest{
		Inputs:           []*inference.ModelInferRequest_InferInputTensor{{Name: "x", Datatype: "FP16", Shape: []int64{1}}},
		RawInputContents: [][]byte{{1, 0}},
	}
	_, err = scanRequest(t, marshal(t, m)).For(torchserve)
	wantField(t, err, "inputs[0].datatype")
}

// What fits is not touched, and looking costs nothing.
func TestForAllocatesNothing(t *testing.T) {
	data, _ := sampleRequest(t, newRand(61), 2, true)
	request := scanRequest(t, data)
	request.Params = []Param{BoolParam("a", true), Int64Param("b", 1), StringParam("c", "x")}
	data, _ = sampleResponse(t, newRand(62), 2, true)
	response := scanResponse(t, data)
	response.Params = request.Params
	triton, kserve := DialectOf(candorv1.Dialect_DIALECT_TRITON), DialectOf(candorv1.Dialect_DIALECT_KSERVE)
	allocs := testing.AllocsPerRun(100, func() {
		for _, d := range []*Dialect{triton, kserve} {
			if r, err := request.For(d); r != request || err != nil {
				t.Fatalf("%v: %v", d.Value, err)
			}
			if r, err := response.For(d.Params); r != response || err != nil {
				t.Fatalf("%v: %v", d.Value, err)
			}
		}
		if r, err := response.In(true); r != response || err != nil {
			t.Fatal(err)
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}

func FuzzParams(f *testing.F) {
	addOddMessages(f, func(raw bool) []byte {
		data, _ := sampleRequest(f, newRand(60), 2, raw)
		return data
	})
	f.Add(marshal(f, &inference.ModelInferRequest{Parameters: everyKind()}))
	f.Add(marshal(f, &inference.ModelInferResponse{Outputs: []*inference.ModelInferResponse_InferOutputTensor{{Parameters: everyKind()}}}))
	kserve := DialectOf(candorv1.Dialect_DIALECT_KSERVE)
	f.Fuzz(func(t *testing.T, data []byte) {
		if r, err := ScanRequest(chopped(data)); err == nil {
			got, err := r.For(kserve)
			if err != nil {
				t.Fatal(err)
			}
			want := unmarshalRequest(t, data)
			basicRequest(want)
			sameMessage(t, unmarshalRequest(t, got.Frame().Bytes()), want)
		}
		if r, err := ScanResponse(chopped(data)); err == nil {
			got, err := r.For(ParamsBasic)
			if err != nil {
				t.Fatal(err)
			}
			want := unmarshalResponse(t, data)
			basicResponse(want)
			sameMessage(t, unmarshalResponse(t, got.Frame().Bytes()), want)
		}
	})
}

// sameMessage compares by encoding, so that NaN is the same as NaN.
func sameMessage(t testing.TB, got, want proto.Message) {
	t.Helper()
	if !bytes.Equal(marshal(t, got), marshal(t, want)) {
		t.Fatalf("got  %v\nwant %v", got, want)
	}
}

// FuzzTyped moves raw inputs into contents: the values stay what they were.
func FuzzTyped(f *testing.F) {
	for seed := range uint64(4) {
		data, _ := sampleRequest(f, newRand(70+seed), 2, true)
		f.Add(data)
	}
	f.Add(marshal(f, &inference.ModelInferRequest{
		Inputs:           []*inference.ModelInferRequest_InferInputTensor{{Datatype: "BYTES", Shape: []int64{2}}, {Name: "x", Datatype: "INT16", Shape: []int64{1}}},
		RawInputContents: [][]byte{{0, 0, 0, 0, 1, 0, 0, 0, 'a'}, {0xff, 0xff}},
	}))
	torchserve := DialectOf(candorv1.Dialect_DIALECT_TORCHSERVE)
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := ScanRequest(chopped(data))
		if err != nil || r.Validate() != nil {
			return
		}
		typed, err := r.For(torchserve)
		if err != nil {
			return // FP16 or BF16
		}
		compareRequest(t, typed.Frame().Bytes())
		if err := typed.Validate(); err != nil || typed.RawForm {
			t.Fatalf("raw %v, %v", typed.RawForm, err)
		}
		for i := range r.Inputs {
			before, after := &r.Inputs[i], &typed.Inputs[i]
			if before.Datatype == BYTES {
				a, _ := before.Texts()
				b, err := after.Texts()
				if err != nil || !slices.EqualFunc(a, b, bytes.Equal) {
					t.Fatalf("%q became %q, %v", a, b, err)
				}
				continue
			}
			a, aErr := before.Floats(nil)
			b, bErr := after.Floats(nil)
			if (aErr == nil) != (bErr == nil) || !slices.EqualFunc(a, b, sameFloat) {
				t.Fatalf("%v became %v, %v, %v", a, b, aErr, bErr)
			}
		}
	})
}
