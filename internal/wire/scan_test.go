package wire

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/candor-gateway/candor/gen/inference"
)

// oddMessages are well-formed messages that encoders seldom write, and malformed ones; the field numbers are those of
// requests and, up to field 5, of responses. Both scans must agree with proto.Unmarshal about all of them.
func oddMessages() map[string][]byte {
	str := func(num protowire.Number, s string) []byte { return appendBytes(nil, num, s) }
	cat := func(parts ...[]byte) []byte { return slices.Concat(parts...) }
	varint := func(num protowire.Number, v uint64) []byte {
		return protowire.AppendVarint(protowire.AppendTag(nil, num, protowire.VarintType), v)
	}
	msg := func(num protowire.Number, parts ...[]byte) []byte { return appendBytes(nil, num, cat(parts...)) }
	one := varint(2, 1) // an InferParameter: int64 1
	group := func(depth int) []byte {
		return cat([]byte(strings.Repeat("\x7b", depth)), []byte(strings.Repeat("\x7c", depth))) // field 15
	}
	return map[string][]byte{
		"nothing":                       nil,
		"name twice":                    cat(str(1, "a"), str(1, "b")),
		"name as a varint":              cat(str(1, "a"), varint(1, 7)),
		"name not UTF-8":                str(1, "\xff"),
		"name not UTF-8, then replaced": cat(str(1, "\xff"), str(1, "a")),
		"name in an overlong tag":       cat([]byte{0x8a, 0x80, 0x00, 0x01}, []byte("a")),
		"truncated":                     {0x0a, 0x05, 'a'},
		"length beyond the end":         {0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f},
		"length overflows":              {0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02},
		"field number zero":             {0x02, 0x00},
		"field number too large":        protowire.AppendVarint(nil, 1<<32),
		"largest field number":          varint(protowire.MaxValidNumber, 1),
		"number above the largest":      cat(protowire.AppendVarint(nil, uint64(protowire.MaxValidNumber+1)<<3), []byte{0}),
		"wire type 6":                   {0x0e, 0x00},
		"wire type 7":                   {0x0f, 0x00},
		"end of no group":               {0x0c},
		"group":                         unknown(),
		"group for a known field":       cat([]byte{0x2b}, str(1, "x"), []byte{0x2c}),
		"group that doesn't end":        {0x7b, 0x08, 0x01},
		"group with another's end":      {0x7b, 0x74},
		"nested groups":                 group(500),
		"groups nested too deep":        group(10_100),
		"number above in a group":       cat([]byte{0x7b}, protowire.AppendVarint(nil, uint64(protowire.MaxValidNumber+1)<<3), []byte{0, 0x7c}),
		"parameter":                     msg(4, str(1, "k"), msg(2, one)),
		"parameter twice":               cat(msg(4, str(1, "k"), msg(2, one)), msg(4, str(1, "k"), msg(2, varint(1, 1)))),
		"parameter, value first":        msg(4, msg(2, one), str(1, "k")),
		"parameter without key":         msg(4, msg(2, one)),
		"parameter without value":       msg(4, str(1, "k")),
		"parameter of nothing":          msg(4),
		"parameter, key twice":          msg(4, str(1, "k"), str(1, "l"), msg(2, one)),
		"parameter, value merged":       msg(4, str(1, "k"), msg(2, one), msg(2, varint(5, 9)), msg(2)),
		"parameter, value a varint":     msg(4, str(1, "k"), varint(2, 1)),
		"parameter, key not UTF-8":      msg(4, str(1, "\xc0"), msg(2, one)),
		"parameter, string not UTF-8":   msg(4, str(1, "k"), msg(2, str(3, "\xc0"))),
		"parameter, unknown choice":     msg(4, str(1, "k"), msg(2, one, varint(9, 1), str(2, "odd"))),
		"parameter, broken value":       msg(4, str(1, "k"), appendBytes(nil, 2, "\x08")),
		"parameter, broken entry":       msg(4, []byte{0x0a}),
		"parameter, end of group":       msg(4, []byte{0x0c}),
		"parameters as a varint":        varint(4, 1),
		"empty tensors":                 cat(msg(5), msg(5)),
		"tensor":                        msg(5, str(1, "x"), str(2, "INT8"), varint(3, 2), msg(5, varint(2, 1), varint(2, 2))),
		"datatype twice":                msg(5, str(2, "INT8"), str(2, "FP8")),
		"datatype not UTF-8":            msg(5, str(2, "\xff")),
		"shape in pieces":               msg(5, varint(3, 2), str(3, "\x03\x04"), varint(3, 5), str(3, "")),
		"shape with a broken varint":    msg(5, str(3, "\x80")),
		"shape as fixed64":              msg(5, []byte{0x19, 1, 2, 3, 4, 5, 6, 7, 8}),
		"tensor's parameter twice":      msg(5, msg(4, str(1, "k"), msg(2, one)), msg(4, str(1, "k"))),
		"contents merged":               msg(5, msg(5, varint(2, 1)), str(1, "x"), msg(5, varint(2, 2)), msg(5)),
		"contents mixed":                msg(5, msg(5, varint(2, 1), varint(3, 1), str(8, "b"))),
		"contents of nothing":           msg(5, msg(5, str(6, ""), str(2, ""))),
		"contents packed and not":       msg(5, msg(5, str(4, "\x01\x02"), varint(4, 3))),
		"contents, ragged floats":       msg(5, msg(5, str(6, "123"))),
		"contents, ragged doubles":      msg(5, msg(5, str(7, "123456789"))),
		"contents, one float":           msg(5, msg(5, []byte{0x35, 1, 2, 3, 4})),
		"contents, float as double":     msg(5, msg(5, []byte{0x31, 1, 2, 3, 4, 5, 6, 7, 8})),
		"contents, broken varints":      msg(5, msg(5, str(2, "\x01\x80"))),
		"contents, varint overflows":    msg(5, msg(5, str(2, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"))),
		"contents, bytes not UTF-8":     msg(5, msg(5, str(8, "\xff"))),
		"contents, unknown field":       msg(5, msg(5, unknown(), varint(8, 1))),
		"contents broken":               msg(5, msg(5, []byte{0x08})),
		"field 6":                       cat(msg(6, str(1, "y"), msg(2, str(1, "k"), msg(2, one))), msg(6)),
		"field 6 not UTF-8":             msg(6, str(1, "\xff")),
		"field 6, broken parameter":     msg(6, str(2, "\x12\x01\x08")),
		"field 7":                       cat(str(7, "abc"), msg(5, str(1, "late")), str(7, ""), varint(7, 1)),
	}
}

func TestScanAgreesWithUnmarshal(t *testing.T) {
	for name, data := range oddMessages() {
		t.Run(name, func(t *testing.T) {
			compareRequest(t, data)
			compareResponse(t, data)
		})
	}
	rng := newRand(2)
	for range 10 {
		for _, raw := range []bool{true, false} {
			data, _ := sampleRequest(t, rng, rng.IntN(4), raw)
			compareRequest(t, data)
			data, _ = sampleResponse(t, rng, rng.IntN(4), raw)
			compareResponse(t, data)
		}
	}
}

// Every prefix of a message, and every message with one byte changed, is taken alike.
func TestScanAgreesAboutDamage(t *testing.T) {
	rng := newRand(3)
	for _, raw := range []bool{true, false} {
		data, _ := sampleRequest(t, rng, 2, raw)
		for n := range data {
			compareRequest(t, data[:n])
			damaged := slices.Clone(data)
			damaged[n] ^= byte(1 << rng.IntN(8))
			compareRequest(t, damaged)
		}
	}
}

func TestScanNamesTheField(t *testing.T) {
	for field, data := range map[string]string{
		"":                                 "\x0e",
		"model_name":                       "\x0a\x01\xff",
		"parameters.key":                   "\x22\x03\x0a\x01\xff",
		"parameters.value.string_param":    "\x22\x05\x12\x03\x1a\x01\xff",
		"inputs[1].name":                   "\x2a\x00\x2a\x03\x0a\x01\xff",
		"inputs[0].shape":                  "\x2a\x03\x1a\x01\x80",
		"inputs[0].contents":               "\x2a\x03\x2a\x01\x08",
		"inputs[0].contents.fp32_contents": "\x2a\x05\x2a\x03\x32\x01\x00",
		"outputs[0].name":                  "\x32\x03\x0a\x01\xff",
	} {
		_, err := ScanRequest(NewFrame([]byte(data)))
		wantField(t, err, field)
	}
	_, err := ScanResponse(NewFrame([]byte("\x2a\x00\x2a\x03\x0a\x01\xff")))
	wantField(t, err, "outputs[1].name")
}

func TestScanLimitsItems(t *testing.T) {
	tensors := strings.Repeat("\x2a\x00", MaxItems)
	if _, err := ScanRequest(NewFrame([]byte(tensors))); err != nil {
		t.Errorf("%d tensors: %v", MaxItems, err)
	}
	for _, more := range []string{"\x2a\x00", "\x22\x00", "\x32\x00", "\x3a\x00", "\x2a\x02\x22\x00"} {
		_, err := ScanRequest(NewFrame([]byte(tensors + more)))
		if err == nil || !strings.Contains(err.Error(), "more than 65536") {
			t.Errorf("%q after %d tensors: %v, want an error about the limit", more, MaxItems, err)
		}
	}
}

// A dimension takes a byte to send and eight to hold, and an error about a shape writes all of it down.
func TestScanLimitsDimensions(t *testing.T) {
	shape := func(packed bool, n int) []byte {
		if packed {
			return appendBytes(nil, 5, appendBytes(nil, 3, make([]byte, n)))
		}
		return appendBytes(nil, 5, bytes.Repeat([]byte{0x18, 0}, n))
	}
	for _, packed := range []bool{true, false} {
		all := shape(packed, MaxDimensions)
		if _, err := ScanRequest(NewFrame(all)); err != nil {
			t.Errorf("%d dimensions: %v", MaxDimensions, err)
		}
		for _, more := range []bool{true, false} {
			_, err := ScanRequest(NewFrame(slices.Concat(all, shape(more, 1))))
			wantField(t, err, "inputs[1].shape")
			_, err = ScanResponse(NewFrame(slices.Concat(all, shape(more, 1))))
			wantField(t, err, "outputs[1].shape")
		}
		_, err := ScanRequest(NewFrame(shape(packed, 64*MaxDimensions)))
		wantField(t, err, "inputs[0].shape")
	}
}

// Parameters beyond the few that are looked through one by one are still a map.
func TestScanManyParams(t *testing.T) {
	want := &inference.ModelInferRequest{Parameters: map[string]*inference.InferParameter{}}
	for i := range 100 {
		want.Parameters[fmt.Sprint(i)] = &inference.InferParameter{
			ParameterChoice: &inference.InferParameter_Int64Param{Int64Param: int64(i)},
		}
	}
	data := marshal(t, want)
	r := compareRequest(t, slices.Concat(data, data))
	if p, ok := r.Param("77"); !ok || p.Int64 != 77 {
		t.Errorf("parameter 77 is %v, %v", p, ok)
	}
	if _, ok := r.Param("100"); ok {
		t.Error("parameter 100 is there")
	}
}

// A scan of a message that was appended to itself is that of the merged message.
func TestScanMergesMessages(t *testing.T) {
	data, _ := sampleRequest(t, newRand(4), 2, false)
	twice := slices.Concat(data, data)
	if got := compareRequest(t, twice); len(got.Inputs) == 0 {
		t.Error("no inputs")
	}
	var m inference.ModelInferRequest
	if err := proto.Unmarshal(twice, &m); err != nil {
		t.Fatal(err)
	}
}

func TestLookups(t *testing.T) {
	data, _ := sampleRequest(t, newRand(5), 1, true)
	req := scanRequest(t, data)
	if x := req.Input("in_FP32"); x == nil || x.Datatype != FP32 {
		t.Errorf("Input(in_FP32) = %v", x)
	}
	if x := req.Input("none"); x != nil {
		t.Errorf("Input(none) = %v", x)
	}
	data, _ = sampleResponse(t, newRand(5), 1, true)
	resp := scanResponse(t, data)
	if x := resp.Output("out_BYTES"); x == nil || x.Datatype != BYTES {
		t.Errorf("Output(out_BYTES) = %v", x)
	}
	if p, ok := resp.Param("took"); !ok || p.Kind != ParamDouble || p.F64 != 1.5 {
		t.Errorf("Param(took) = %v, %v", p, ok)
	}
	if _, ok := resp.Param("none"); ok {
		t.Error("Param(none) is there")
	}
}
