package gateway

import (
	"math"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/wire"
	"github.com/candor-gateway/candor/limits"
)

func TestSourcesAreTakenApartAsTheyWereMade(t *testing.T) {
	column := &candorv1.LimitAmount_Input{Input: &candorv1.InputColumn{Name: "odd[2]*name", Column: 3}}
	for want, got := range map[limits.Source]limits.Source{
		"parameter:cents":               sourceOfAmount(&candorv1.LimitAmount{From: &candorv1.LimitAmount_Parameter{Parameter: "cents"}}),
		"input:odd[2]*name[3]":          sourceOfAmount(&candorv1.LimitAmount{From: column, Scale: proto.Float64(1)}),
		"input:odd[2]*name[3]*0.001":    sourceOfAmount(&candorv1.LimitAmount{From: column, Scale: proto.Float64(0.001)}),
		"input:odd[2]*name[3]*1e+21":    sourceOfAmount(&candorv1.LimitAmount{From: column, Scale: proto.Float64(1e21)}),
		"parameter:merchant as key":     sourceOfKey(&candorv1.LimitKey{From: &candorv1.LimitKey_Parameter{Parameter: "merchant"}}),
		"input:odd[2]*name[0] as key":   sourceOfKey(&candorv1.LimitKey{From: &candorv1.LimitKey_Input{Input: &candorv1.InputColumn{Name: "odd[2]*name"}}}),
		"":                              sourceOfKey(nil),
		"parameter:1:2/a-b.c_d as key":  sourceOfKey(&candorv1.LimitKey{From: &candorv1.LimitKey_Parameter{Parameter: "1:2/a-b.c_d"}}),
		"input:parameter:x[4294967295]": sourceOfAmount(&candorv1.LimitAmount{From: &candorv1.LimitAmount_Input{Input: &candorv1.InputColumn{Name: "parameter:x", Column: math.MaxUint32}}}),
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
		if s, ok := parseSource(got); got != "" && (!ok || s.text() != got) {
			t.Errorf("%q is %+v, %t", got, s, ok)
		}
	}
}

// What isn't one is refused, and nothing else is read into it.
func FuzzParseSource(f *testing.F) {
	for _, s := range []string{"", "parameter:", "input:", "input:x", "input:x[", "input:x[]", "input:x[-1]", "input:x[1]2", "input:x[1]*", "input:x[1]*a", "input:x[1]*2 as key", "parameter:a as key", "input:x[1]*1/0", "input:[1]"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, ok := parseSource(limits.Source(text))
		if !ok {
			return
		}
		if (s.parameter == "") == (s.input == "") || s.column < 0 {
			t.Errorf("%q is %+v", text, s)
		}
		if again, ok := parseSource(s.text()); !ok || again != s {
			t.Errorf("%q is %+v, and again %+v, %t", text, s, again, ok)
		}
	})
}

// element is one number as a tensor sends it.
func element(t *testing.T, d wire.Datatype, v float64, text string) wire.Element {
	t.Helper()
	in := wire.TensorData{Name: "x", Datatype: d, Shape: []int64{1}}
	if in.Floats = []float64{v}; d == wire.BYTES {
		in.Floats, in.Texts = nil, [][]byte{[]byte(text)}
	}
	data, err := wire.BuildResponse("m", "", "", nil, []wire.TensorData{in}, true)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := wire.ScanResponse(wire.NewFrame(data, nil))
	if err != nil {
		t.Fatal(err)
	}
	elements, err := resp.Output("x").Column(1, 0)
	if err != nil {
		t.Fatal(err)
	}
	return elements[0]
}

func TestAmountsOfElements(t *testing.T) {
	for _, tc := range []struct {
		datatype wire.Datatype
		value    float64
		scale    string
		want     int64
		fault    string
	}{
		{wire.FP32, float64(float32(20.01)), "100", 2001, ""},
		{wire.FP64, 20.01, "100", 2001, ""},
		{wire.FP64, 20.011, "100", 2002, ""},
		{wire.FP64, 0.30000000000000004, "10", 4, ""}, // It is more than 0.3, and says so.
		{wire.FP64, 1e-300, "", 1, ""},
		{wire.FP64, math.Copysign(0, -1), "", 0, ""},
		{wire.INT64, 7, "0.5", 4, ""},
		{wire.INT64, 1e15, "", 1e15, ""},
		{wire.UINT8, 255, "1e+12", 255e12, ""},
		{wire.FP64, 1e18, "", 1e18, ""},
		{wire.FP64, 1.1e18, "", 0, "more than can be counted"},
		{wire.FP64, 1e300, "1e300", 0, "more than can be counted"},
		{wire.UINT64, 1 << 63, "", 0, "more than can be counted"},
		{wire.FP64, math.NaN(), "", 0, "is not a number"},
		{wire.FP32, math.Inf(1), "", 0, "more than can be counted"},
		{wire.FP32, math.Inf(-1), "", 0, "below 0"},
		{wire.INT8, -1, "", 0, "is -1, below 0; send 0 or more"},
		{wire.BOOL, 1, "", 0, "is BOOL; send numbers"},
		{wire.BYTES, 0, "", 0, "is BYTES; send numbers"},
	} {
		in := limitSource{input: "x", scale: tc.scale}.ofElement(element(t, tc.datatype, tc.value, "7"))
		if in.Amount != tc.want || !strings.Contains(in.Fault, tc.fault) || (tc.fault == "") != (in.Fault == "") || in.Key != "" {
			t.Errorf("%v %v times %q: %+v, want %d %q", tc.datatype, tc.value, tc.scale, in, tc.want, tc.fault)
		}
	}
}

func TestKeysAndParameters(t *testing.T) {
	long := strings.Repeat("k", maxLimitKey+1)
	for _, tc := range []struct {
		key   bool
		param wire.Param
		want  limits.Input
	}{
		{false, wire.Int64Param("p", 5), limits.Input{Amount: 5}},
		{false, wire.Int64Param("p", -5), limits.Input{Fault: "is -5, below 0; send 0 or more"}},
		{false, wire.Param{Kind: wire.ParamUint64, U64: 9}, limits.Input{Amount: 9}},
		{false, wire.Param{Kind: wire.ParamUint64, U64: math.MaxUint64}, limits.Input{Fault: "is 1.8446744073709552e+19, more than can be counted; send at most 1000000000000000000 whole units"}},
		{false, wire.Int64Param("p", 1e18+1), limits.Input{Fault: "is 1e+18, more than can be counted; send at most 1000000000000000000 whole units"}},
		{false, wire.StringParam("p", "5"), limits.Input{Fault: "is a string; send an int64, 0 or more"}},
		{false, wire.Param{Kind: wire.ParamDouble, F64: 5}, limits.Input{Fault: "is a double; send an int64, 0 or more"}},
		{false, wire.Param{}, limits.Input{Fault: "is missing; send it with the request, as an int64, 0 or more"}},
		{true, wire.StringParam("p", "acme"), limits.Input{Key: "acme"}},
		{true, wire.Int64Param("p", -5), limits.Input{Key: "-5"}},
		{true, wire.Param{Kind: wire.ParamUint64, U64: math.MaxUint64}, limits.Input{Key: "18446744073709551615"}},
		{true, wire.BoolParam("p", true), limits.Input{Fault: "is a bool; send a string or an int64"}},
		{true, wire.StringParam("p", long), limits.Input{Key: cutKey(long)}},
	} {
		if got := (limitSource{parameter: "p", key: tc.key}).ofParam(tc.param, true); got != tc.want {
			t.Errorf("%+v: %+v, want %+v", tc.param, got, tc.want)
		}
	}
	if got := (limitSource{parameter: "p"}).ofParam(wire.Int64Param("p", 1), false); got.Fault == "" {
		t.Errorf("a parameter that isn't there is %+v", got)
	}
	if len(cutKey(long)) > maxLimitKey || cutKey(long) == cutKey(long+"k") || cutKey(cutKey(long)) != cutKey(long) {
		t.Errorf("a long key is %q", cutKey(long))
	}
	for _, tc := range []struct {
		datatype wire.Datatype
		want     limits.Input
	}{
		{wire.BYTES, limits.Input{Key: "\xff\x00"}},
		{wire.INT16, limits.Input{Key: "7"}},
		{wire.FP64, limits.Input{Fault: "is FP64; send integers or BYTES"}},
	} {
		if got := (limitSource{input: "x", key: true}).ofElement(element(t, tc.datatype, 7, "\xff\x00")); got != tc.want {
			t.Errorf("%v: %+v, want %+v", tc.datatype, got, tc.want)
		}
	}
}
