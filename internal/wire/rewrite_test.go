package wire

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/candor-gateway/candor/gen/inference"
)

func rewrite(t testing.TB, r *Response, w Rewrite) [][]byte {
	t.Helper()
	f, err := r.Rewrite(w)
	if err != nil {
		t.Fatal(err)
	}
	var segments [][]byte
	for _, b := range f.buffers {
		segments = append(segments, b.ReadOnlyData())
	}
	return segments
}

func TestRewriteFastPath(t *testing.T) {
	for _, raw := range []bool{true, false} {
		data, _ := sampleResponse(t, newRand(30), 2, raw)
		r := scanResponse(t, data)
		if got := rewrite(t, r, Rewrite{}); len(got) != 1 || &got[0][0] != &data[0] || len(got[0]) != len(data) {
			t.Errorf("nothing to change: %d segments, want the response itself", len(got))
		}
		model, version := "card", ""
		got := rewrite(t, r, Rewrite{
			Model: &model, Version: &version,
			StripOutputs: func(string) bool { return false },
			StripParams:  func(key string) bool { return key == "candor_route" },
			AppendParams: appends(StringParam("candor_route", "accept"), Int64Param("took", 7), BoolParam("b", true), Param{Key: "none"}),
			AppendOutputs: []TensorData{
				{Name: "candor_confidence", Datatype: FP32, Shape: []int64{2}, Floats: []float64{0.5, math.NaN()}},
				{Name: "candor_route", Datatype: BYTES, Shape: []int64{2}, Texts: [][]byte{[]byte("accept"), []byte("defer")}},
			},
		})
		if len(got) != 2 || &got[0][0] != &data[0] || len(got[0]) != len(data) {
			t.Fatalf("%d segments, want the response itself and one more", len(got))
		}
		want := unmarshalResponse(t, data)
		want.ModelName, want.ModelVersion = "card", ""
		want.Parameters["candor_route"] = &inference.InferParameter{ParameterChoice: &inference.InferParameter_StringParam{StringParam: "accept"}}
		want.Parameters["took"] = &inference.InferParameter{ParameterChoice: &inference.InferParameter_Int64Param{Int64Param: 7}}
		want.Parameters["b"] = &inference.InferParameter{ParameterChoice: &inference.InferParameter_BoolParam{BoolParam: true}}
		want.Parameters["none"] = &inference.InferParameter{}
		confidence := &inference.ModelInferResponse_InferOutputTensor{Name: "candor_confidence", Datatype: "FP32", Shape: []int64{2}}
		route := &inference.ModelInferResponse_InferOutputTensor{Name: "candor_route", Datatype: "BYTES", Shape: []int64{2}}
		want.Outputs = append(want.Outputs, confidence, route)
		if raw {
			want.RawOutputContents = append(want.RawOutputContents,
				[]byte{0, 0, 0, 0x3f, 0, 0, 0xc0, 0x7f}, []byte("\x06\x00\x00\x00accept\x05\x00\x00\x00defer"))
		} else {
			confidence.Contents = &contents{Fp32Contents: []float32{0.5, float32(math.NaN())}}
			route.Contents = &contents{BytesContents: [][]byte{[]byte("accept"), []byte("defer")}}
		}
		diff(t, unmarshalResponse(t, got...), want)
		if err := compareResponse(t, slices.Concat(got...)).Validate(); err != nil {
			t.Error(err)
		}
	}
}

func TestRewriteStrips(t *testing.T) {
	for _, raw := range []bool{true, false} {
		data, _ := sampleResponse(t, newRand(31), 2, raw)
		r := scanResponse(t, data)
		got := rewrite(t, r, Rewrite{
			StripOutputs: func(name string) bool { return name == "out_FP32" || name == "out_BYTES" },
			StripParams:  isOurs,
			AppendParams: appends(BoolParam("candor_ours", true)),
			Splices:      []Splice{{Output: "out_FP32", Row: 0, Rows: 2, Floats: []float64{1, 2}}},
		})
		want := unmarshalResponse(t, data)
		delete(want.Parameters, "candor_faked")
		want.Parameters["candor_ours"] = &inference.InferParameter{ParameterChoice: &inference.InferParameter_BoolParam{BoolParam: true}}
		for i := len(want.Outputs) - 1; i >= 0; i-- {
			if name := want.Outputs[i].Name; name == "out_FP32" || name == "out_BYTES" {
				want.Outputs = slices.Delete(want.Outputs, i, i+1)
				if raw {
					want.RawOutputContents = slices.Delete(want.RawOutputContents, i, i+1)
				}
			}
		}
		diff(t, unmarshalResponse(t, got...), want)
	}
}

// Rows of a batch replaced by the rows of another: every element comes from where it should, with all its bits where
// float64 keeps them, and the other rows keep all of theirs.
func TestRewriteSplices(t *testing.T) {
	rng := newRand(32)
	for range 30 {
		rows, raw := 1+rng.IntN(5), rng.IntN(2) == 0
		data, samples := sampleResponse(t, rng, rows, raw)
		r := scanResponse(t, data)
		want := make(map[string][][]byte)
		var splices []Splice
		for i := range r.Outputs {
			x := &r.Outputs[i]
			want[x.Name] = slices.Clone(samples[x.Name].elements)
			for row := range rows {
				if rng.IntN(2) == 0 {
					continue
				}
				s, elements := randomSplice(x, row, rows, rng.Uint64())
				splices = append(splices, s)
				copy(want[x.Name][2*row:], elements)
			}
		}
		rng.Shuffle(len(splices), func(i, j int) { splices[i], splices[j] = splices[j], splices[i] })
		got := compareResponse(t, slices.Concat(rewrite(t, r, Rewrite{Splices: splices})...))
		if err := got.Validate(); err != nil {
			t.Fatal(err)
		}
		if got.RawForm != raw || len(got.Outputs) != len(r.Outputs) {
			t.Fatalf("raw form %v, %d outputs; want %v, %d", got.RawForm, len(got.Outputs), raw, len(r.Outputs))
		}
		for i := range got.Outputs {
			x := &got.Outputs[i]
			if have := elementBytes(t, x); !slices.EqualFunc(have, want[x.Name], bytes.Equal) {
				t.Fatalf("%s raw=%v: %x, want %x", x.Name, raw, have, want[x.Name])
			}
		}
	}
}

// randomSplice returns a splice of two elements that the datatype holds exactly, and their raw bytes.
func randomSplice(x *Tensor, row, rows int, bits uint64) (Splice, [][]byte) {
	s := Splice{Output: x.Name, Row: row, Rows: rows}
	if x.Datatype == BYTES {
		s.Texts = [][]byte{{}, fmt.Appendf(nil, "%d", bits)}
		return s, s.Texts
	}
	sample := sampleTensor{contents: &contents{}}
	for _, v := range []uint64{bits & 1, bits >> 63} {
		s.Floats = append(s.Floats, float64(v))
		encoded, _ := bitsOf(x.Datatype, float64(v))
		sample.add(x.Datatype, encoded)
	}
	return s, sample.elements
}

func TestRewriteLaterSpliceCounts(t *testing.T) {
	data, err := BuildResponse("m", "", "", nil, []TensorData{{Name: "y", Datatype: INT64, Shape: []int64{2}, Floats: []float64{1, 2}}}, false)
	if err != nil {
		t.Fatal(err)
	}
	got := unmarshalResponse(t, rewrite(t, scanResponse(t, data), Rewrite{Splices: []Splice{
		{Output: "y", Row: 1, Rows: 2, Floats: []float64{7}},
		{Output: "y", Row: 0, Rows: 2, Floats: []float64{8}},
		{Output: "y", Row: 1, Rows: 2, Floats: []float64{9}},
	}})...)
	if c := got.Outputs[0].Contents.Int64Contents; !slices.Equal(c, []int64{8, 9}) {
		t.Errorf("got %v, want [8 9]", c)
	}
}

func TestRewriteRefuses(t *testing.T) {
	outputs := []TensorData{
		{Name: "y", Datatype: UINT8, Shape: []int64{2, 1}, Floats: []float64{1, 2}},
		{Name: "t", Datatype: BYTES, Shape: []int64{2}, Texts: [][]byte{{}, {}}},
	}
	data, err := BuildResponse("m", "", "", nil, outputs, false)
	if err != nil {
		t.Fatal(err)
	}
	r := scanResponse(t, data)
	bad := "\xff"
	for name, tt := range map[string]struct {
		rewrite Rewrite
		field   string
	}{
		"no such output":   {Rewrite{Splices: []Splice{{Output: "z", Rows: 2}}}, "outputs"},
		"wrong rows":       {Rewrite{Splices: []Splice{{Output: "y", Rows: 3, Floats: []float64{1}}}}, "outputs[0].shape"},
		"too many":         {Rewrite{Splices: []Splice{{Output: "y", Rows: 2, Floats: []float64{1, 2}}}}, "outputs[0].contents.row 0"},
		"out of range":     {Rewrite{Splices: []Splice{{Output: "y", Rows: 2, Row: 1, Floats: []float64{256}}}}, "outputs[0].contents.row 1"},
		"NaN in integers":  {Rewrite{Splices: []Splice{{Output: "y", Rows: 2, Floats: []float64{math.NaN()}}}}, "outputs[0].contents.row 0"},
		"texts in numbers": {Rewrite{Splices: []Splice{{Output: "y", Rows: 2, Texts: [][]byte{{}}}}}, "outputs[0].contents.row 0"},
		"numbers in texts": {Rewrite{Splices: []Splice{{Output: "t", Rows: 2, Floats: []float64{1}}}}, "outputs[1].contents.row 0"},
		"FP16 typed":       {Rewrite{AppendOutputs: []TensorData{{Name: "h", Datatype: FP16}}}, "outputs[0].datatype"},
		"shape and count":  {Rewrite{AppendOutputs: []TensorData{{Name: "h", Datatype: FP32, Shape: []int64{2}}}}, "outputs[0].contents"},
		"model":            {Rewrite{Model: &bad}, "model_name"},
		"version":          {Rewrite{Version: &bad}, "model_version"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := r.Rewrite(tt.rewrite)
			wantField(t, err, tt.field)
		})
	}
	if _, err := r.Rewrite(Rewrite{Splices: []Splice{{Output: "y", Row: 2, Rows: 2, Floats: []float64{1}}}}); err == nil {
		t.Error("row 2 of 2 is replaced")
	}
	odd := scanResponse(t, marshal(t, &inference.ModelInferResponse{RawOutputContents: [][]byte{{}}}))
	_, err = odd.Rewrite(Rewrite{})
	wantField(t, err, "raw_output_contents")
}

// appends is encoded for a Rewrite.
func appends(params ...Param) func([]byte) []byte {
	return func(b []byte) []byte { return append(b, encoded(params...)...) }
}

func encoded(params ...Param) []byte {
	var b []byte
	for _, p := range params {
		b = AppendParam(b, p)
	}
	return b
}

func TestAppendParamSendsUTF8(t *testing.T) {
	got := unmarshalResponse(t, encoded(StringParam("k\xff", "a\xffb")))
	if v := got.Parameters["k\ufffd"].GetStringParam(); v != "a\ufffdb" {
		t.Errorf("got %v", got)
	}
}
