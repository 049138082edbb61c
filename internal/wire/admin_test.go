package wire

import (
	"bytes"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/candor-gateway/candor/gen/inference"
)

// kserveLoad is a request, or with done an answer, as the KServe SDK's proto has it.
func kserveLoad(name string, done ...bool) []byte {
	b := appendBytes(nil, 1, name)
	for _, d := range done {
		b = protowire.AppendVarint(protowire.AppendTag(b, 2, protowire.VarintType), protowire.EncodeBool(d))
	}
	return b
}

func TestLoad(t *testing.T) {
	triton := marshal(t, &inference.RepositoryModelLoadRequest{
		RepositoryName: "repo", ModelName: "fraud",
		Parameters: map[string]*inference.ModelRepositoryParameter{"config": {ParameterChoice: &inference.ModelRepositoryParameter_StringParam{StringParam: "{}"}}},
	})
	l, err := ScanLoad(append(triton, unknown()...))
	if err != nil || l.Model != "fraud" || l.Form != LoadSecond {
		t.Fatalf("%+v, %v", l, err)
	}
	var got inference.RepositoryModelLoadRequest
	if err := proto.Unmarshal(l.For(LoadSecond, "m"), &got); err != nil {
		t.Fatal(err)
	}
	if got.GetModelName() != "m" || got.GetRepositoryName() != "repo" || got.GetParameters()["config"].GetStringParam() != "{}" ||
		!bytes.Equal(got.ProtoReflect().GetUnknown(), unknown()) {
		t.Errorf("for Triton: %v", &got)
	}
	if b := l.For(LoadFirst, "m"); !bytes.Equal(b, kserveLoad("m")) {
		t.Errorf("for KServe: %q", b)
	}
	if b := l.Done(LoadFirst, kserveLoad("m", true)); len(b) != 0 {
		t.Errorf("KServe's answer for Triton's client: %q", b)
	}
	if b := l.Done(LoadSecond, unknown()); !bytes.Equal(b, unknown()) {
		t.Errorf("Triton's answer for Triton's client: %q", b)
	}

	l, err = ScanLoad(kserveLoad("fraud"))
	if err != nil || l.Model != "fraud" || l.Form != LoadFirst {
		t.Fatalf("%+v, %v", l, err)
	}
	got.Reset()
	if err := proto.Unmarshal(l.For(LoadSecond, "m"), &got); err != nil || got.GetModelName() != "m" || got.GetRepositoryName() != "" {
		t.Errorf("KServe's request for Triton: %v, %v", &got, err)
	}
	for _, done := range []bool{true, false} {
		if b := l.Done(LoadFirst, kserveLoad("m", done)); !bytes.Equal(b, kserveLoad("fraud", done)) {
			t.Errorf("KServe's answer for KServe's client: %q", b)
		}
	}
	if b := l.Done(LoadSecond, nil); !bytes.Equal(b, kserveLoad("fraud", true)) {
		t.Errorf("Triton's answer for KServe's client: %q", b)
	}

	_, err = ScanLoad([]byte("\x12\x01\xff"))
	wantField(t, err, "model_name")
	if _, err = ScanLoad([]byte("\x12\x05x")); err == nil {
		t.Error("a truncated message is no error")
	}
}

func TestRenameConfig(t *testing.T) {
	config := append(appendBytes(appendBytes(nil, 1, "net"), 2, "onnx"), unknown()...)
	data := append(unknown(), marshal(t, &inference.ModelConfigResponse{Config: config})...)
	got, err := RenameConfig(data, "fraud")
	want := append(unknown(), appendBytes(nil, 1, append(appendBytes(appendBytes(nil, 1, "fraud"), 2, "onnx"), unknown()...))...)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%q, %v; want %q", got, err, want)
	}
	// The occurrences of a message are one message.
	got, err = RenameConfig(append(appendBytes(nil, 1, appendBytes(nil, 1, "net")), appendBytes(nil, 1, appendBytes(nil, 2, "onnx"))...), "fraud")
	if want := appendBytes(nil, 1, appendBytes(appendBytes(nil, 1, "fraud"), 2, "onnx")); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%q, %v; want %q", got, err, want)
	}
	for _, bad := range []string{"\x0a\x05x", "\x0a\x02\x0a\x05"} {
		if _, err := RenameConfig([]byte(bad), "fraud"); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

func TestRenameStatistics(t *testing.T) {
	m := &inference.ModelStatisticsResponse{ModelStats: []*inference.ModelStatistics{
		{Name: "net", Version: "3", InferenceCount: 7}, {Name: "somebody else's", InferenceCount: 9},
	}}
	got, err := RenameStatistics(append(marshal(t, m), unknown()...), "net", "fraud")
	if err != nil {
		t.Fatal(err)
	}
	want := &inference.ModelStatisticsResponse{ModelStats: m.GetModelStats()[:1]}
	want.ModelStats[0].Name = "fraud"
	want.ProtoReflect().SetUnknown(unknown())
	var have inference.ModelStatisticsResponse
	if err := proto.Unmarshal(got, &have); err != nil {
		t.Fatal(err)
	}
	sameMessage(t, &have, want)
	for _, bad := range []string{"\x0a\x05x", "\x0a\x06\x0a\x03net\x0a"} {
		if _, err := RenameStatistics([]byte(bad), "net", "fraud"); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

func TestTraced(t *testing.T) {
	data := append(marshal(t, &inference.TraceSettingRequest{
		ModelName: "fraud", Settings: map[string]*inference.TraceSettingRequest_SettingValue{"trace_level": {Value: []string{"TIMESTAMPS"}}},
	}), unknown()...)
	if name, err := TracedModel(data); name != "fraud" || err != nil {
		t.Errorf("%q, %v", name, err)
	}
	var got inference.TraceSettingRequest
	if err := proto.Unmarshal(RenameTraced(data, "net"), &got); err != nil || got.GetModelName() != "net" ||
		len(got.GetSettings()) != 1 || !bytes.Equal(got.ProtoReflect().GetUnknown(), unknown()) {
		t.Errorf("%v, %v", &got, err)
	}
	_, err := TracedModel([]byte("\x12\x01\xff"))
	wantField(t, err, "model_name")
}

// FuzzAdmin holds the readers of requests and answers that are forwarded against the generated code.
func FuzzAdmin(f *testing.F) {
	f.Add(kserveLoad("fraud", true))
	f.Add(marshal(f, &inference.RepositoryModelLoadRequest{RepositoryName: "r", ModelName: "m"}))
	f.Add(marshal(f, &inference.ModelStatisticsResponse{ModelStats: []*inference.ModelStatistics{{Name: "net"}}}))
	f.Add(append(appendBytes(nil, 1, appendBytes(nil, 1, "net")), unknown()...))
	f.Fuzz(func(t *testing.T, data []byte) {
		var load inference.RepositoryModelUnloadRequest
		if l, err := ScanLoad(data); err == nil && proto.Unmarshal(data, &load) == nil {
			if l.Form == LoadSecond && l.Model != load.GetModelName() || l.Form == LoadFirst && l.Model != load.GetRepositoryName() {
				t.Fatalf("%q: %+v, want %v", data, l, &load)
			}
			want := proto.CloneOf(&load)
			want.ModelName = "m"
			if l.Form == LoadFirst {
				want.RepositoryName = ""
			}
			var got inference.RepositoryModelUnloadRequest
			if err := proto.Unmarshal(l.For(LoadSecond, "m"), &got); err != nil {
				t.Fatal(err)
			}
			sameMessage(t, &got, want)
			l.Done(LoadFirst, data)
		}
		var config inference.ModelConfigResponse
		if got, err := RenameConfig(data, "fraud"); err == nil {
			if err := proto.Unmarshal(got, &config); err != nil {
				t.Fatal(err)
			}
			if len(config.GetConfig()) > 0 && lastString(config.GetConfig(), 1) != "fraud" {
				t.Fatalf("%q became %q", data, got)
			}
		}
		var before, after inference.ModelStatisticsResponse
		if got, err := RenameStatistics(data, "net", "fraud"); err == nil && proto.Unmarshal(data, &before) == nil {
			if err := proto.Unmarshal(got, &after); err != nil {
				t.Fatal(err)
			}
			n := 0
			for _, s := range before.GetModelStats() {
				if s.GetName() == "net" {
					want := proto.CloneOf(s)
					want.Name = "fraud"
					sameMessage(t, after.GetModelStats()[n], want)
					n++
				}
			}
			if n != len(after.GetModelStats()) {
				t.Fatalf("%d of %d", len(after.GetModelStats()), n)
			}
		}
		if name, err := TracedModel(data); err == nil {
			var trace inference.TraceSettingRequest
			if proto.Unmarshal(data, &trace) == nil && trace.GetModelName() != name {
				t.Fatalf("%q, want %q", name, trace.GetModelName())
			}
		}
	})
}
