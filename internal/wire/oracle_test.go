package wire

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/candor-gateway/candor/gen/inference"
)

// The oracle compares what a scan sees with what proto.Unmarshal builds.

type protoTensor interface {
	GetName() string
	GetDatatype() string
	GetShape() []int64
	GetParameters() map[string]*inference.InferParameter
	GetContents() *inference.InferTensorContents
}

// compareRequest fails the test if ScanRequest and proto.Unmarshal disagree about data, be it about whether it is a
// message at all, in one piece or in several. It returns the view of the one in several, nil if all refuse.
func compareRequest(t testing.TB, data []byte) *Request {
	t.Helper()
	var want inference.ModelInferRequest
	wantErr := proto.Unmarshal(data, &want)
	var got *Request
	for _, f := range []*Frame{NewFrame(data), chopped(data)} {
		var err error
		got, err = ScanRequest(f)
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("ScanRequest of %d buffers: %v; proto.Unmarshal: %v", len(f.buffers), err, wantErr)
		}
		if err == nil {
			compareRequestView(t, got, &want)
		}
	}
	if wantErr != nil {
		return nil
	}
	return got
}

func compareRequestView(t testing.TB, got *Request, want *inference.ModelInferRequest) {
	t.Helper()
	if got.ModelName != want.ModelName || got.ModelVersion != want.ModelVersion || got.ID != want.Id {
		t.Fatalf("scanned %q %q %q, want %q %q %q", got.ModelName, got.ModelVersion, got.ID, want.ModelName, want.ModelVersion, want.Id)
	}
	compareParams(t, got.Params, want.Parameters)
	if len(got.Outputs) != len(want.Outputs) {
		t.Fatalf("scanned %d outputs, want %d", len(got.Outputs), len(want.Outputs))
	}
	for i, o := range got.Outputs {
		if o.Name != want.Outputs[i].Name {
			t.Fatalf("outputs[%d] is %q, want %q", i, o.Name, want.Outputs[i].Name)
		}
		compareParams(t, o.Params, want.Outputs[i].Parameters)
	}
	var tensors []protoTensor
	for _, in := range want.Inputs {
		tensors = append(tensors, in)
	}
	compareTensors(t, got.Inputs, tensors, want.RawInputContents)
}

// compareResponse is compareRequest for responses.
func compareResponse(t testing.TB, data []byte) *Response {
	t.Helper()
	var want inference.ModelInferResponse
	wantErr := proto.Unmarshal(data, &want)
	var got *Response
	for _, f := range []*Frame{NewFrame(data), chopped(data)} {
		var err error
		got, err = ScanResponse(f)
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("ScanResponse of %d buffers: %v; proto.Unmarshal: %v", len(f.buffers), err, wantErr)
		}
		if err == nil {
			compareResponseView(t, got, &want)
		}
	}
	if wantErr != nil {
		return nil
	}
	return got
}

func compareResponseView(t testing.TB, got *Response, want *inference.ModelInferResponse) {
	t.Helper()
	if got.ModelName != want.ModelName || got.ModelVersion != want.ModelVersion || got.ID != want.Id {
		t.Fatalf("scanned %q %q %q, want %q %q %q", got.ModelName, got.ModelVersion, got.ID, want.ModelName, want.ModelVersion, want.Id)
	}
	compareParams(t, got.Params, want.Parameters)
	var tensors []protoTensor
	for _, out := range want.Outputs {
		tensors = append(tensors, out)
	}
	compareTensors(t, got.Outputs, tensors, want.RawOutputContents)
}

func compareParams(t testing.TB, got []Param, want map[string]*inference.InferParameter) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("scanned %d parameters, want %d", len(got), len(want))
	}
	for _, p := range got {
		w, ok := want[p.Key]
		if !ok {
			t.Fatalf("scanned a parameter %q that isn't there", p.Key)
		}
		// Encoding what was scanned and decoding it compares the kinds, and values such as NaN by their bits.
		var back inference.ModelInferRequest
		if err := proto.Unmarshal(appendParam(nil, requestParameters, p), &back); err != nil {
			t.Fatal(err)
		}
		g := back.Parameters[p.Key]
		stripped := proto.CloneOf(w)
		stripped.ProtoReflect().SetUnknown(nil)
		if !bytes.Equal(marshal(t, g), marshal(t, stripped)) {
			t.Fatalf("parameter %q is %v, want %v", p.Key, g, w)
		}
	}
}

func compareTensors(t testing.TB, got []Tensor, want []protoTensor, raws [][]byte) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("scanned %d tensors, want %d", len(got), len(want))
	}
	for i := range got {
		g, w := &got[i], want[i]
		d, _ := ParseDatatype(w.GetDatatype())
		if g.Name != w.GetName() || g.DatatypeName != w.GetDatatype() || g.Datatype != d || !slices.Equal(g.Shape, w.GetShape()) {
			t.Fatalf("tensor %d is %q %q %v, want %q %q %v", i, g.Name, g.DatatypeName, g.Shape, w.GetName(), w.GetDatatype(), w.GetShape())
		}
		compareParams(t, g.Params, w.GetParameters())
		if g.HasContents != (w.GetContents() != nil) {
			t.Fatalf("tensor %d has contents: %v, want %v", i, g.HasContents, w.GetContents() != nil)
		}
		if g.HasContents {
			compareContents(t, g, w.GetContents())
		}
		if g.HasRaw != (i < len(raws)) || g.HasRaw && !bytes.Equal(g.Raw(), raws[i]) {
			t.Fatalf("tensor %d has other raw contents than were sent", i)
		}
	}
}

// compareContents compares the merged contents, and how many elements were counted in which fields.
func compareContents(t testing.TB, got *Tensor, want *inference.InferTensorContents) {
	t.Helper()
	var back inference.InferTensorContents
	if err := proto.Unmarshal(got.Contents, &back); err != nil {
		t.Fatalf("contents: %v", err)
	}
	if !bytes.Equal(marshal(t, &back), marshal(t, want)) {
		t.Fatalf("contents are %v, want %v", &back, want)
	}
	counts := map[contentField]int{
		boolContents: len(want.BoolContents), intContents: len(want.IntContents), int64Contents: len(want.Int64Contents),
		uintContents: len(want.UintContents), uint64Contents: len(want.Uint64Contents), fp32Contents: len(want.Fp32Contents),
		fp64Contents: len(want.Fp64Contents), bytesContents: len(want.BytesContents),
	}
	used := 0
	for _, n := range counts {
		if n > 0 {
			used++
		}
	}
	switch {
	case (got.content != 0) != (used > 0), (got.mixed != 0) != (used > 1),
		got.content != 0 && got.count != int64(counts[got.content]), got.mixed != 0 && counts[got.mixed] == 0:
		t.Fatalf("counted %d in %v, mixed with %v; want %s", got.count, got.content, got.mixed, fmt.Sprint(counts))
	}
}

// chopped is data in buffers of a few bytes each, so that fields of all kinds lie across their borders.
func chopped(data []byte) *Frame {
	sizes := []int{1, 3, 2, 7, 1, 1, 13, 5}
	var pieces [][]byte
	for i := len(data); len(data) > 0; i++ {
		n := min(sizes[i%len(sizes)], len(data))
		pieces = append(pieces, data[:n:n])
		data = data[n:]
	}
	return NewFrame(pieces...)
}
