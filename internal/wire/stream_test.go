package wire

import (
	"bytes"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/candor-gateway/candor/gen/inference"
)

// compareStream fails the test if ScanStreamFrame, with ScanResponse behind it, and proto.Unmarshal disagree about data.
func compareStream(t testing.TB, data []byte) (StreamFrame, bool) {
	t.Helper()
	var want inference.ModelStreamInferResponse
	wantErr := proto.Unmarshal(data, &want)
	got, err := ScanStreamFrame(chopped(data))
	var inner *Response
	if err == nil {
		inner, err = ScanResponse(got.Response)
	}
	if (err == nil) != (wantErr == nil) {
		t.Fatalf("scanned: %v; proto.Unmarshal: %v", err, wantErr)
	}
	if err != nil {
		return StreamFrame{}, false
	}
	if got.Error != want.GetErrorMessage() {
		t.Fatalf("error %q, want %q", got.Error, want.GetErrorMessage())
	}
	ref := want.GetInferResponse()
	if inner.ID != ref.GetId() || inner.ModelName != ref.GetModelName() || len(inner.Outputs) != len(ref.GetOutputs()) {
		t.Fatalf("response %q %q %d, want %v", inner.ID, inner.ModelName, len(inner.Outputs), ref)
	}
	compareParams(t, inner.Params, ref.GetParameters())
	return got, true
}

func TestStreamFrames(t *testing.T) {
	response, _ := sampleResponse(t, newRand(60), 2, true)
	half := len(response) / 2
	parts := func(bs ...[]byte) []byte {
		var out []byte
		for _, b := range bs {
			out = appendBytes(out, streamResponse, b)
		}
		return out
	}
	id := appendBytes(nil, responseID, "later")
	for name, data := range map[string][]byte{
		"nothing":                      nil,
		"an error alone":               appendBytes(nil, streamError, "no"),
		"an error and an answer":       append(appendBytes(nil, streamError, "no"), parts(response)...),
		"an empty answer":              parts(nil),
		"an answer in two parts":       parts(response, id),
		"an answer in three parts":     parts(response, id, response),
		"an answer cut in two":         parts(response[:half], response[half:]),
		"an unknown field before":      append(unknown(), parts(response)...),
		"an unknown field behind":      append(parts(response), unknown()...),
		"two errors":                   appendBytes(appendBytes(nil, streamError, "no"), streamError, "never"),
		"an error that is not UTF-8":   appendBytes(nil, streamError, "\xff"),
		"an error of another type":     protowire.AppendVarint(protowire.AppendTag(nil, streamError, protowire.VarintType), 7),
		"an answer longer than itself": append(protowire.AppendTag(nil, streamResponse, protowire.BytesType), 0xff, 0xff, 0xff, 0x7f),
		"cut within the answer":        parts(response)[:half],
		"an answer that is none":       parts([]byte{0x0a, 0x7f}),
	} {
		t.Run(name, func(t *testing.T) { compareStream(t, data) })
	}
}

func TestScanStreamFrameCopiesNothing(t *testing.T) {
	response, _ := sampleResponse(t, newRand(61), 2, true)
	data := appendBytes(nil, streamResponse, response)
	f, err := ScanStreamFrame(NewFrame(data))
	if err != nil || &f.Response.Bytes()[0] != &data[len(data)-len(response)] {
		t.Errorf("the response was copied, %v", err)
	}
	again, err := WrapStream("", f.Response)
	if err != nil || len(again.buffers) != 2 || &again.buffers[1].ReadOnlyData()[0] != &data[len(data)-len(response)] {
		t.Errorf("%d buffers, %v", len(again.buffers), err)
	}
	if !bytes.Equal(again.Bytes(), data) {
		t.Error("unwrapped and wrapped again it is another message")
	}
}

func TestExtend(t *testing.T) {
	response, _ := sampleResponse(t, newRand(62), 1, true)
	response = appendBytes(response, responseID, "theirs")
	own := "mine"
	extended := NewFrame(response)
	if err := ExtendResponse(extended, &own, []Param{Int64Param("candor_response_index", 3), BoolParam("last", true)}); err != nil {
		t.Fatal(err)
	}
	got := compareResponse(t, extended.Bytes())
	if p, ok := got.Param("candor_response_index"); got.ID != "mine" || !ok || p.Int64 != 3 {
		t.Errorf("%q %v", got.ID, got.Params)
	}
	none := ""
	extended = NewFrame(response)
	err := ExtendResponse(extended, &none, nil)
	if got := compareResponse(t, extended.Bytes()); err != nil || got.ID != "" {
		t.Errorf("an id that is taken away is %q, %v", got.ID, err)
	}
	same := NewFrame(response)
	if err := ExtendResponse(same, nil, nil); err != nil || len(same.buffers) != 1 {
		t.Errorf("%d buffers, %v", len(same.buffers), err)
	}
	bad := "\xff"
	if err := ExtendResponse(NewFrame(), &bad, nil); err == nil {
		t.Error("an id that is not UTF-8 was taken")
	}
	if err := ExtendResponse(NewFrame(), nil, []Param{StringParam("k", bad)}); err == nil {
		t.Error("a parameter that is not UTF-8 was taken")
	}
	if _, err := WrapStream(bad, NewFrame()); err == nil {
		t.Error("an error that is not UTF-8 was taken")
	}
	request, _ := sampleRequest(t, newRand(63), 1, false)
	r := scanRequest(t, request)
	longer := compareRequest(t, r.Forward(Forward{ID: &own, AppendParams: []Param{BoolParam("triton_enable_empty_final_response", true)}}).Bytes())
	if p, ok := longer.Param("triton_enable_empty_final_response"); longer.ID != "mine" || !ok || !p.Bool {
		t.Errorf("%q %v", longer.ID, longer.Params)
	}
	if same := r.Forward(Forward{ID: &r.ID}); &same.Bytes()[0] != &request[0] {
		t.Error("a request that keeps its id was copied")
	}
}

func FuzzScanStreamFrame(f *testing.F) {
	response, _ := sampleResponse(f, newRand(64), 2, false)
	f.Add(appendBytes(nil, streamResponse, response))
	f.Add(appendBytes(appendBytes(nil, streamError, "no"), streamResponse, response[:40]))
	f.Add(appendBytes(appendBytes(nil, streamResponse, response[:20]), streamResponse, response[20:]))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, ok := compareStream(t, data)
		if !ok {
			return
		}
		response := got.Response.Bytes()
		frame, err := WrapStream(got.Error, got.Response)
		if err != nil {
			t.Fatal(err)
		}
		again, ok := compareStream(t, frame.Bytes())
		if !ok || again.Error != got.Error || !bytes.Equal(again.Response.Bytes(), response) {
			t.Fatalf("wrapped again it is %v, was %v", again, got)
		}
	})
}

// FuzzWrapStream makes a frame of any response and any message.
func FuzzWrapStream(f *testing.F) {
	response, _ := sampleResponse(f, newRand(65), 1, true)
	f.Add(response, "no", "id", int64(2))
	f.Add([]byte{}, "", "", int64(0))
	f.Fuzz(func(t *testing.T, data []byte, message, id string, index int64) {
		if _, err := ScanResponse(chopped(data)); err != nil {
			return
		}
		response := chopped(data)
		if err := ExtendResponse(response, &id, []Param{Int64Param("candor_response_index", index)}); err != nil {
			return
		}
		frame, err := WrapStream(message, response)
		if err != nil {
			return
		}
		got, ok := compareStream(t, frame.Bytes())
		if !ok || got.Error != message {
			t.Fatalf("%q %v", got.Error, ok)
		}
		inner := compareResponse(t, got.Response.Bytes())
		if p, _ := inner.Param("candor_response_index"); inner.ID != id || p.Int64 != index {
			t.Fatalf("id %q, index %v", inner.ID, p)
		}
	})
}
