package wire

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/candor-gateway/candor/gen/inference"
)

func isOurs(name string) bool { return strings.HasPrefix(name, "candor_") }

func unmarshalRequest(t testing.TB, data []byte) *inference.ModelInferRequest {
	t.Helper()
	m := new(inference.ModelInferRequest)
	if err := proto.Unmarshal(data, m); err != nil {
		t.Fatal(err)
	}
	return m
}

func unmarshalResponse(t testing.TB, segments ...[]byte) *inference.ModelInferResponse {
	t.Helper()
	m := new(inference.ModelInferResponse)
	if err := proto.Unmarshal(slices.Concat(segments...), m); err != nil {
		t.Fatal(err)
	}
	return m
}

// diff compares messages by their bits, NaN included.
func diff(t testing.TB, got, want proto.Message) {
	t.Helper()
	if !bytes.Equal(marshal(t, got), marshal(t, want)) {
		t.Fatalf("message differs (-want +got):\n%s", cmp.Diff(want, got, protocmp.Transform()))
	}
}

func TestForwardByteExact(t *testing.T) {
	for name, data := range oddMessages() {
		r, err := ScanRequest(NewFrame(data))
		if err != nil {
			continue
		}
		if got := r.Forward(Forward{}).Bytes(); !bytes.Equal(got, data) {
			t.Errorf("%s: %x, want %x unchanged", name, got, data)
		}
		got := r.Forward(Forward{Model: "m2", Version: "7", StripOutputs: isOurs, StripParams: isOurs}).Bytes()
		if !bytes.HasPrefix(got, data) {
			t.Errorf("%s: %x, want %x and more", name, got, data)
		}
		want := unmarshalRequest(t, data)
		want.ModelName, want.ModelVersion = "m2", "7"
		diff(t, unmarshalRequest(t, got), want)
	}
}

func TestForwardModelAndVersion(t *testing.T) {
	data, _ := sampleRequest(t, newRand(10), 2, true) // digits, version 3
	r := scanRequest(t, data)
	for _, tt := range []struct {
		forward Forward
		tail    string
	}{
		{Forward{}, ""},
		{Forward{Version: "9"}, ""},
		{Forward{Model: "digits", Version: "3"}, ""},
		{Forward{Model: "digits", Version: "4"}, "\x12\x014"},
		{Forward{Model: "letters", Version: "3"}, "\x0a\x07letters"},
		{Forward{Model: "letters"}, "\x0a\x07letters\x12\x00"}, // the server chooses the version
	} {
		got := r.Forward(tt.forward).Bytes()
		if !bytes.Equal(got, slices.Concat(data, []byte(tt.tail))) {
			t.Errorf("%+v: tail %q, want %q", tt.forward, got[min(len(data), len(got)):], tt.tail)
		}
		if tt.tail == "" && &got[0] != &data[0] {
			t.Errorf("%+v: copied although nothing changes", tt.forward)
		}
	}
}

func TestForwardStripsAndAdds(t *testing.T) {
	for _, raw := range []bool{true, false} {
		data, _ := sampleRequest(t, newRand(11), 2, raw)
		r := scanRequest(t, data)
		got := unmarshalRequest(t, r.Forward(Forward{
			Model: "m2", StripOutputs: isOurs, StripParams: isOurs,
			AddOutputs: []string{"scores", "embedding", "embedding"},
		}).Bytes())
		want := unmarshalRequest(t, data)
		want.ModelName, want.ModelVersion = "m2", ""
		want.Outputs = []*protoOutput{{Name: "scores"}, {Name: "embedding"}}
		delete(want.Parameters, "candor_why")
		diff(t, got, want)
	}
}

func TestForwardAsksForAllOutputs(t *testing.T) {
	for name, outputs := range map[string][]*protoOutput{
		"none named": nil,
		"none left":  {{Name: "candor_route"}, {Name: "candor_confidence"}},
	} {
		r := scanRequest(t, marshal(t, &protoRequest{ModelName: "m", Outputs: outputs}))
		got := unmarshalRequest(t, r.Forward(Forward{StripOutputs: isOurs, AddOutputs: []string{"scores"}}).Bytes())
		if len(got.Outputs) != 0 {
			t.Errorf("%s: asks for %v, want nothing named", name, got.Outputs)
		}
	}
}

// A key that comes in two entries is stripped in both, an entry whose key comes twice by its last.
func TestForwardStripsRepeatedParams(t *testing.T) {
	data := []byte("\x22\x03\x0a\x01a" + "\x22\x03\x0a\x01b" + "\x22\x03\x0a\x01a" + "\x22\x06\x0a\x01b\x0a\x01a" + "\x22\x06\x0a\x01a\x0a\x01b")
	got := scanRequest(t, data).Forward(Forward{StripParams: func(key string) bool { return key == "a" }}).Bytes()
	if want := "\x22\x03\x0a\x01b" + "\x22\x06\x0a\x01a\x0a\x01b"; string(got) != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
