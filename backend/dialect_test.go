package backend

import (
	"context"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/oiptest"
)

// What servers answer about themselves, as their sources have it, and not as our table does.
const (
	published  = "inference.GRPCInferenceService"
	torchserve = "org.pytorch.serve.grpc.openinference.GRPCInferenceService"
	aissemble  = "inference.GrpcInferenceService"
)

// parameterTail is a field 6 as MLServer has it: {content_type: InferParameter{string_param: "np"}}.
var parameterTail = entry6("content_type", string(protowire.AppendString(protowire.AppendTag(nil, 3, protowire.BytesType), "np")))

// tensorTail is one more input, with a parameter of the tensor's own as MLServer describes it.
var tensorTail = append([]byte{0x22, 25, 0x0a, 1, 'x', 0x22, 20}, "\x0a\x0ccontent_type\x12\x04\x1a\x02np"...)

// entry6 is an entry of field 6.
func entry6(key, value string) []byte {
	e := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), key)
	e = protowire.AppendString(protowire.AppendTag(e, 2, protowire.BytesType), value)
	return protowire.AppendBytes(protowire.AppendTag(nil, 6, protowire.BytesType), e)
}

func answered(context.Context, []byte) ([]byte, error) { return nil, nil }

func TestDetect(t *testing.T) {
	for _, tc := range []struct {
		name    string
		server  oiptest.Dialect
		want    candorv1.Dialect
		service string
		says    string
	}{
		{"triton", oiptest.Dialect{Name: "triton"}, candorv1.Dialect_DIALECT_TRITON, published, "triton 1"},
		{
			"triton with another id", oiptest.Dialect{Name: "fraud", Extensions: []string{"classification", "model_configuration", "statistics"}},
			candorv1.Dialect_DIALECT_TRITON, published, "fraud 1",
		},
		{"mlserver", oiptest.Dialect{Name: "mlserver"}, candorv1.Dialect_DIALECT_MLSERVER, published, "mlserver 1"},
		{"mlserver with another name", oiptest.Dialect{Name: "ours", MetadataTail: parameterTail}, candorv1.Dialect_DIALECT_MLSERVER, published, "ours 1"},
		{"mlserver by its tensors", oiptest.Dialect{Name: "ours", MetadataTail: tensorTail}, candorv1.Dialect_DIALECT_MLSERVER, published, "ours 1"},
		{"kserve", oiptest.Dialect{Name: "kserve", Extensions: []string{"model_repository_extension"}}, candorv1.Dialect_DIALECT_KSERVE, published, "kserve 1"},
		{"ovms", oiptest.Dialect{Name: "OpenVINO Model Server"}, candorv1.Dialect_DIALECT_OVMS, published, "OpenVINO Model Server 1"},
		{"torchserve", oiptest.Dialect{Service: torchserve, Missing: []string{"ServerMetadata"}}, candorv1.Dialect_DIALECT_TORCHSERVE, torchserve, ""},
		{"aissemble", oiptest.Dialect{Service: aissemble, Name: "something"}, candorv1.Dialect_DIALECT_AISSEMBLE, aissemble, "something 1"},
		{
			"dynamo", oiptest.Dialect{
				Missing: []string{"ServerMetadata", "ServerLive", "ServerReady", "ModelReady"}, Methods: map[string]oiptest.Method{"ModelConfig": answered},
			},
			candorv1.Dialect_DIALECT_DYNAMO, published, "",
		},
		{"properties tell nothing", oiptest.Dialect{Name: "ours", MetadataTail: entry6("a", "b")}, 0, published, "ours 1"},
		{"nobody knows", oiptest.Dialect{}, 0, published, "oiptest 1"},
		{"the least there is", oiptest.Dialect{Missing: []string{"ServerMetadata", "ModelMetadata"}}, 0, published, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			server := oiptest.StartWith(t, oiptest.Options{Dialect: tc.server}, digitsModel())
			b := dial(t, digitsConfig(server.Addr()), Options{})
			if s := b.Speech(); s.Dialect != 0 || s.Wire.Service != published {
				t.Errorf("before anybody asked: %+v", s)
			}
			source := candorv1.DialectSource_DIALECT_SOURCE_DETECTED
			if tc.want == 0 {
				source = candorv1.DialectSource_DIALECT_SOURCE_UNSPECIFIED
			}
			if s := b.Detect(t.Context()); s.Dialect != tc.want || s.Source != source || s.Wire.Service != tc.service || s.Server != tc.says {
				t.Fatalf("detected %v, %v, %s, %q", s.Dialect, s.Source, s.Wire.Service, s.Server)
			}
			if _, f := infer(t, t.Context(), b, digitsRequest(t, 1)); f != nil {
				t.Error(f)
			}
			if !b.Ready(t.Context()) {
				t.Error("not ready")
			}
			if _, err := b.Metadata(t.Context()); err != nil && tc.name != "the least there is" {
				t.Error(err)
			}
		})
	}
}

// What is stated stays, on the service that goes with it, whatever the server calls itself.
func TestDetectKeepsWhatIsStated(t *testing.T) {
	server := oiptest.StartWith(t, oiptest.Options{Dialect: oiptest.Dialect{Service: aissemble, Name: "triton"}}, digitsModel())
	cfg := digitsConfig(server.Addr())
	cfg.Dialect = candorv1.Dialect_DIALECT_AISSEMBLE
	b := dial(t, cfg, Options{})
	if _, f := infer(t, t.Context(), b, digitsRequest(t, 1)); f != nil {
		t.Fatal(f)
	}
	s := b.Detect(t.Context())
	if s.Dialect != candorv1.Dialect_DIALECT_AISSEMBLE || s.Source != candorv1.DialectSource_DIALECT_SOURCE_STATED || s.Server != "triton 1" {
		t.Errorf("%+v", s)
	}
}

// A model server that isn't there leaves what is known as it was, and is asked again.
func TestDetectWhenThereIsNobody(t *testing.T) {
	server := oiptest.StartWith(t, oiptest.Options{Dialect: oiptest.Dialect{Name: "triton"}}, digitsModel())
	server.Kill()
	b := dial(t, digitsConfig(server.Addr()), Options{})
	if s := b.Detect(t.Context()); s.Source != candorv1.DialectSource_DIALECT_SOURCE_UNSPECIFIED {
		t.Errorf("%+v", s)
	}
	server.Restart()
	eventually(t, "detected", func() bool { return b.Detect(t.Context()).Dialect == candorv1.Dialect_DIALECT_TRITON })
}

// Nobody asks for TorchServe's dialect; the first call finds out that the service isn't where it was looked for.
func TestInferFindsTheService(t *testing.T) {
	server := oiptest.StartWith(t, oiptest.Options{Dialect: oiptest.Dialect{Service: torchserve, Missing: []string{"ServerMetadata"}}}, digitsModel())
	b := dial(t, digitsConfig(server.Addr()), Options{})
	if _, f := infer(t, t.Context(), b, digitsRequest(t, 1)); f == nil || f.Code != codes.Unimplemented || f.Class != Alive {
		t.Fatalf("failure %v", f)
	}
	eventually(t, "found", func() bool {
		_, f := infer(t, t.Context(), b, digitsRequest(t, 1))
		return f == nil
	})
	if s := b.Status(); s.Alarm != "" {
		t.Errorf("alarm %q", s.Alarm)
	}
}

// A detected dialect decides what a status means, as a stated one does.
func TestDetectedDialectClassifies(t *testing.T) {
	server := oiptest.StartWith(t, oiptest.Options{Dialect: oiptest.Dialect{Name: "triton"}},
		oiptest.Model{Name: "digits", Infer: oiptest.Fail(codes.Unavailable, "Exceeds maximum queue size")})
	b := dial(t, digitsConfig(server.Addr()), Options{})
	b.Detect(t.Context())
	if _, f := infer(t, t.Context(), b, digitsRequest(t, 1)); f == nil || f.Class != Overload {
		t.Errorf("failure %v", f)
	}
}

func TestCall(t *testing.T) {
	var got []byte
	server := oiptest.StartWith(t, oiptest.Options{Dialect: oiptest.Dialect{Methods: map[string]oiptest.Method{
		"ModelConfig": func(_ context.Context, request []byte) ([]byte, error) {
			got = request
			return []byte("\x0a\x00\xfa\x3e\x01x"), nil
		},
		"LogSettings": func(context.Context, []byte) ([]byte, error) {
			return nil, status.Error(codes.InvalidArgument, "no such setting in /etc/triton/log at 10.1.2.3:8001")
		},
	}}}, digitsModel())
	b := dial(t, digitsConfig(server.Addr()), Options{MaxMessageBytes: 1 << 10})
	answer, err := b.Call(t.Context(), "ModelConfig", []byte("\x0a\x01m\xfa\x3e\x01y"))
	if err != nil || string(answer) != "\x0a\x00\xfa\x3e\x01x" || string(got) != "\x0a\x01m\xfa\x3e\x01y" {
		t.Errorf("%q to %q, %v", answer, got, err)
	}
	_, err = b.Call(t.Context(), "LogSettings", nil)
	if f := failureOf(t, err); f == nil || f.Code != codes.InvalidArgument || f.Message != "no such setting in [path] at [address]" || f.Backend != "primary" {
		t.Errorf("failure %+v", f)
	}
	_, err = b.Call(t.Context(), "ModelConfig", make([]byte, 2<<10))
	if f := failureOf(t, err); f == nil || f.Code != codes.ResourceExhausted || f.Attempts != 0 {
		t.Errorf("failure %+v", f)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = b.Call(ctx, "ModelConfig", nil)
	if f := failureOf(t, err); f == nil || f.Code != codes.Canceled || f.Class != Excluded {
		t.Errorf("failure %+v", f)
	}
	if s := b.Status(); s.Calls != 0 || s.Failures != 0 {
		t.Errorf("counted as predictions: %+v", s)
	}
}
