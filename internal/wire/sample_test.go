package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/candor-gateway/candor/gen/inference"
)

// The samples are made by the generated code, so that they don't share mistakes with this package.

var allDatatypes = []Datatype{BOOL, UINT8, UINT16, UINT32, UINT64, INT8, INT16, INT32, INT64, FP16, FP32, FP64, BF16, BYTES}

func marshal(t testing.TB, m proto.Message) []byte {
	t.Helper()
	data, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func scanRequest(t testing.TB, data []byte) *Request {
	t.Helper()
	r, err := ScanRequest(NewFrame(data))
	if err != nil {
		t.Fatalf("ScanRequest: %v", err)
	}
	return r
}

func scanResponse(t testing.TB, data []byte) *Response {
	t.Helper()
	r, err := ScanResponse(NewFrame(data))
	if err != nil {
		t.Fatalf("ScanResponse: %v", err)
	}
	return r
}

// unknown is a field that the protocol doesn't have: a group, so that it is an uncommon one as well.
func unknown() []byte {
	b := protowire.AppendTag(nil, 999, protowire.StartGroupType)
	b = appendBytes(b, 7, "kept")
	return protowire.AppendTag(b, 999, protowire.EndGroupType)
}

// sampleTensor is random elements of one datatype as the generated code holds them, typed and raw.
type sampleTensor struct {
	datatype Datatype
	contents *inference.InferTensorContents
	raw      []byte
	elements [][]byte // the raw bytes of each; of BYTES without the length
}

// newSample returns n random elements, extreme values among them.
func newSample(rng *rand.Rand, d Datatype, n int) sampleTensor {
	s := sampleTensor{datatype: d, contents: &inference.InferTensorContents{}}
	for range n {
		bits := rng.Uint64()
		if rng.IntN(3) == 0 {
			bits = []uint64{0, 1, math.MaxUint64, 1 << 63, 1<<63 - 1, 1<<53 + 1, 1 << 31, 0x7fc00001}[rng.IntN(8)]
		}
		s.add(d, bits)
	}
	return s
}

func (s *sampleTensor) add(d Datatype, bits uint64) {
	c := s.contents
	var e []byte
	switch d {
	case BOOL:
		c.BoolContents = append(c.BoolContents, bits&1 == 1)
		e = []byte{byte(bits & 1)}
	case UINT8:
		c.UintContents = append(c.UintContents, uint32(uint8(bits)))
		e = []byte{byte(bits)}
	case UINT16:
		c.UintContents = append(c.UintContents, uint32(uint16(bits)))
		e = binary.LittleEndian.AppendUint16(nil, uint16(bits))
	case UINT32:
		c.UintContents = append(c.UintContents, uint32(bits))
		e = binary.LittleEndian.AppendUint32(nil, uint32(bits))
	case UINT64:
		c.Uint64Contents = append(c.Uint64Contents, bits)
		e = binary.LittleEndian.AppendUint64(nil, bits)
	case INT8:
		c.IntContents = append(c.IntContents, int32(int8(bits)))
		e = []byte{byte(bits)}
	case INT16:
		c.IntContents = append(c.IntContents, int32(int16(bits)))
		e = binary.LittleEndian.AppendUint16(nil, uint16(bits))
	case INT32:
		c.IntContents = append(c.IntContents, int32(bits))
		e = binary.LittleEndian.AppendUint32(nil, uint32(bits))
	case INT64:
		c.Int64Contents = append(c.Int64Contents, int64(bits))
		e = binary.LittleEndian.AppendUint64(nil, bits)
	case FP16, BF16:
		e = binary.LittleEndian.AppendUint16(nil, uint16(bits))
	case FP32:
		c.Fp32Contents = append(c.Fp32Contents, math.Float32frombits(uint32(bits)))
		e = binary.LittleEndian.AppendUint32(nil, uint32(bits))
	case FP64:
		c.Fp64Contents = append(c.Fp64Contents, math.Float64frombits(bits))
		e = binary.LittleEndian.AppendUint64(nil, bits)
	case BYTES:
		e = fmt.Appendf(nil, "%x", bits)[:bits%5%uint64(len(fmt.Sprintf("%x", bits))+1)]
		c.BytesContents = append(c.BytesContents, e)
		s.raw = binary.LittleEndian.AppendUint32(s.raw, uint32(len(e)))
	}
	s.elements = append(s.elements, e)
	s.raw = append(s.raw, e...)
}

// onlyRaw reports whether typed contents can't hold the datatype.
func onlyRaw(d Datatype) bool { return d == FP16 || d == BF16 }

// sampleRequest has one input per datatype (raw: all; typed: all that can be), rows of random width, beside one input
// without rows, parameters everywhere and unknown fields.
func sampleRequest(t testing.TB, rng *rand.Rand, rows int, raw bool) ([]byte, map[string]sampleTensor) {
	t.Helper()
	m := &inference.ModelInferRequest{
		ModelName: "digits", ModelVersion: "3", Id: "a-1",
		Parameters: map[string]*inference.InferParameter{
			"priority":   {ParameterChoice: &inference.InferParameter_Uint64Param{Uint64Param: 1}},
			"candor_why": {ParameterChoice: &inference.InferParameter_StringParam{StringParam: "stripped"}},
			"nothing":    {},
		},
		Outputs: []*inference.ModelInferRequest_InferRequestedOutputTensor{{Name: "scores"}, {Name: "candor_route"}},
	}
	m.ProtoReflect().SetUnknown(unknown())
	samples := make(map[string]sampleTensor)
	add := func(name string, d Datatype, shape ...int64) {
		n, err := product(shape)
		if err != nil {
			t.Fatal(err)
		}
		s := newSample(rng, d, int(n))
		samples[name] = s
		in := &inference.ModelInferRequest_InferInputTensor{
			Name: name, Datatype: d.String(), Shape: shape,
			Parameters: map[string]*inference.InferParameter{
				"content_type": {ParameterChoice: &inference.InferParameter_StringParam{StringParam: "np"}},
			},
		}
		in.ProtoReflect().SetUnknown(unknown())
		if raw {
			m.RawInputContents = append(m.RawInputContents, s.raw)
		} else {
			in.Contents = s.contents
		}
		m.Inputs = append(m.Inputs, in)
	}
	add("config", FP32, 3) // shared by all rows
	for _, d := range allDatatypes {
		if raw || !onlyRaw(d) {
			add("in_"+d.String(), d, int64(rows), int64(rng.IntN(4)), 2)
		}
	}
	return marshal(t, m), samples
}

// sampleResponse has one output per datatype, each of the given rows and a width of 2.
func sampleResponse(t testing.TB, rng *rand.Rand, rows int, raw bool) ([]byte, map[string]sampleTensor) {
	t.Helper()
	m := &inference.ModelInferResponse{
		ModelName: "digits", ModelVersion: "3", Id: "a-1",
		Parameters: map[string]*inference.InferParameter{
			"took":         {ParameterChoice: &inference.InferParameter_DoubleParam{DoubleParam: 1.5}},
			"candor_faked": {ParameterChoice: &inference.InferParameter_BoolParam{BoolParam: true}},
		},
	}
	m.ProtoReflect().SetUnknown(unknown())
	samples := make(map[string]sampleTensor)
	for _, d := range allDatatypes {
		if !raw && onlyRaw(d) {
			continue
		}
		s := newSample(rng, d, rows*2)
		name := "out_" + d.String()
		samples[name] = s
		out := &inference.ModelInferResponse_InferOutputTensor{Name: name, Datatype: d.String(), Shape: []int64{int64(rows), 2}}
		out.ProtoReflect().SetUnknown(unknown())
		if raw {
			m.RawOutputContents = append(m.RawOutputContents, s.raw)
		} else {
			out.Contents = s.contents
		}
		m.Outputs = append(m.Outputs, out)
	}
	return marshal(t, m), samples
}

// elementBytes returns each element of a tensor in the raw encoding (BYTES without the length).
func elementBytes(t testing.TB, ts *Tensor) [][]byte {
	t.Helper()
	if ts.Datatype == BYTES {
		texts, err := ts.Texts()
		if err != nil {
			t.Fatal(err)
		}
		return texts
	}
	r, err := ts.transcode(true)
	if err != nil {
		t.Fatal(err)
	}
	var out [][]byte
	for data := r.data; len(data) > 0; data = data[r.width:] {
		out = append(out, data[:r.width])
	}
	return out
}

// wantField fails the test unless err is a FieldError for the field.
func wantField(t testing.TB, err error, field string) {
	t.Helper()
	var fe *FieldError
	if !errors.As(err, &fe) {
		t.Fatalf("error %v is no FieldError, want one for %q", err, field)
	}
	if fe.Field != field {
		t.Fatalf("error %q names the field %q, want %q", err, fe.Field, field)
	}
}

func newRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 1)) }
