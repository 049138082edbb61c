package gateway_test

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/candor-gateway/candor/gen/inference"
	"github.com/candor-gateway/candor/internal/oiptest"
	"github.com/candor-gateway/candor/internal/wire"
)

// asked is what a scripted model server was sent, by method.
type asked struct {
	mu   sync.Mutex
	last map[string][]byte
}

func (a *asked) of(method string) []byte {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.last[method]
}

// answer is a method that notes its request.
func (a *asked) answer(method string, answer []byte) oiptest.Method {
	return func(_ context.Context, request []byte) ([]byte, error) {
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.last == nil {
			a.last = map[string][]byte{}
		}
		a.last[method] = request
		return answer, nil
	}
}

func field(num protowire.Number, value string) []byte { return fromTheFuture(num, value) }

// tritonConfig is a ModelConfig, whose field 1 is the name and field 4 max_batch_size, with a field from the future.
func tritonConfig(name string) []byte {
	c := append(field(1, name), protowire.AppendVarint(protowire.AppendTag(nil, 4, protowire.VarintType), 8)...)
	return append(c, field(900, "kept")...)
}

// triton is a world whose primary is a Triton with the methods beside inference; more is put into the backend's configuration.
func triton(t *testing.T, more string, edits ...string) (*world, *asked) {
	t.Helper()
	var a asked
	stats := &inference.ModelStatisticsResponse{ModelStats: []*inference.ModelStatistics{
		{Name: "m", Version: "3", InferenceCount: 7}, {Name: "a neighbour's", Version: "1", InferenceCount: 9},
	}}
	trace := &inference.TraceSettingResponse{Settings: map[string]*inference.TraceSettingResponse_SettingValue{"trace_level": {Value: []string{"OFF"}}}}
	server := oiptest.StartWith(t, oiptest.Options{Dialect: oiptest.Dialect{Name: "triton", Methods: map[string]oiptest.Method{
		"ModelConfig":           a.answer("ModelConfig", append(encoded(t, &inference.ModelConfigResponse{Config: tritonConfig("m")}), field(90, "kept")...)),
		"ModelStatistics":       a.answer("ModelStatistics", encoded(t, stats)),
		"RepositoryModelLoad":   a.answer("RepositoryModelLoad", nil),
		"RepositoryModelUnload": a.answer("RepositoryModelUnload", nil),
		"TraceSetting":          a.answer("TraceSetting", append(encoded(t, trace), field(90, "kept")...)),
		"LogSettings": func(_ context.Context, request []byte) ([]byte, error) {
			if len(request) == 0 {
				return field(90, "kept"), nil
			}
			return nil, status.Error(codes.InvalidArgument, "unknown log setting")
		},
	}}}, oiptest.Model{Name: "m", Version: "3", Infer: byColumnIn(0, always(oiptest.RawForm))})
	edits = append([]string{"primary: {address: PRIMARY", "primary: {" + more + "address: " + server.Addr()}, edits...)
	return start(t, edits...), &a
}

// call is a method over bytes, so that the test sees what no generated code changed.
func (w *world) call(token, method string, request []byte, md ...string) ([]byte, error) {
	w.t.Helper()
	var reply wire.Frame
	ctx := metadata.AppendToOutgoingContext(bounded(w.t, token), md...)
	err := w.conn.Invoke(ctx, "/"+publishedService+"/"+method, wire.NewFrame(request), &reply, grpc.ForceCodecV2(wire.Codec{}))
	return reply.Bytes(), err
}

// What Triton tells about a model reaches callers with a grant, under the names that they use, and tells nothing of its other models.
func TestModelConfigAndStatistics(t *testing.T) {
	for _, dialect := range []string{"", "dialect: triton, "} {
		w, asked := triton(t, dialect)
		got, err := w.call(clientToken, "ModelConfig", encoded(t, &inference.ModelConfigRequest{Name: "fraud"}))
		if err != nil {
			t.Fatal(err)
		}
		config := append(field(90, "kept"), field(1, string(tritonConfig("fraud")))...)
		if !bytes.Equal(got, config) {
			t.Errorf("config\n%q, want\n%q", got, config)
		}
		want := append(field(1, "m"), field(2, "3")...)
		if sent := asked.of("ModelConfig"); !bytes.Equal(sent, want) {
			t.Errorf("Triton was asked %q", sent)
		}
		for _, req := range []*inference.ModelStatisticsRequest{{Name: "fraud", Version: "3"}, {}} {
			resp, err := inference.NewGRPCInferenceServiceClient(w.conn).ModelStatistics(bounded(t, clientToken), req)
			if err != nil {
				t.Fatal(err)
			}
			if s := resp.GetModelStats(); len(s) != 1 || s[0].GetName() != "fraud" || s[0].GetInferenceCount() != 7 {
				t.Errorf("%v: %v", req, resp)
			}
			if sent := asked.of("ModelStatistics"); !bytes.Equal(sent, want) {
				t.Errorf("Triton was asked %q", sent)
			}
		}
	}
}

func TestModelConfigRefusals(t *testing.T) {
	w, _ := triton(t, "", `models: [fraud]`, `models: [other]`, "models:\n  fraud:", "models:\n  other: {primary: primary, policy: {mode: observe, accept: {threshold: {probability: 0.5}}}}\n  fraud:")
	for _, method := range []string{"ModelConfig", "ModelStatistics"} {
		_, err := w.call("", method, field(1, "fraud"))
		wantError(t, err, codes.PermissionDenied, "PERMISSION_DENIED")
		_, err = w.call(clientToken, method, field(1, "nothing"))
		wantError(t, err, codes.NotFound, "MODEL_NOT_FOUND")
		_, err = w.call(clientToken, method, append(field(1, "fraud"), field(2, "4")...))
		wantError(t, err, codes.NotFound, "VERSION_NOT_SERVED")
		_, err = w.call(clientToken, method, []byte{0x0a, 0x20, 'x'})
		wantError(t, err, codes.InvalidArgument, "INVALID_REQUEST")
	}
	// Software without the methods, stated and unknown.
	w = start(t, "primary: {address", "primary: {dialect: kserve, address")
	_, err := w.call(clientToken, "ModelConfig", field(1, "fraud"))
	if wantError(t, err, codes.Unimplemented, "METHOD_NOT_OFFERED"); !strings.Contains(err.Error(), "dialect kserve") {
		t.Error(err)
	}
	w = start(t)
	_, err = w.call(clientToken, "ModelStatistics", field(1, "fraud"))
	if wantError(t, err, codes.Unimplemented, "METHOD_NOT_OFFERED"); !strings.Contains(err.Error(), "backends.primary.dialect") {
		t.Error(err)
	}
	// A Triton that is away.
	w = start(t, "primary: {address", "primary: {dialect: triton, address")
	w.primary.Kill()
	_, err = w.call(clientToken, "ModelConfig", field(1, "fraud"))
	if md := wantError(t, err, codes.Unavailable, "BACKEND_UNAVAILABLE"); md["backend"] != "primary" {
		t.Errorf("%v", md)
	}
}

// The calls that perf_analyzer makes before its first inference, in its order.
func TestPerfAnalyzersStart(t *testing.T) {
	w, _ := triton(t, "")
	client := inference.NewGRPCInferenceServiceClient(w.conn)
	ctx := bounded(t, clientToken)
	if r, err := client.ServerLive(ctx, &inference.ServerLiveRequest{}); err != nil || !r.GetLive() {
		t.Errorf("live: %v, %v", r, err)
	}
	if r, err := client.ModelReady(ctx, &inference.ModelReadyRequest{Name: "fraud"}); err != nil || !r.GetReady() {
		t.Errorf("ready: %v, %v", r, err)
	}
	w.backend("primary") // waits until the model server has said who it is
	server, err := client.ServerMetadata(ctx, &inference.ServerMetadataRequest{})
	if err != nil || !slices.Equal(server.GetExtensions(), []string{"candor_metadata", "model_configuration", "statistics", "schedule_policy", "parameters"}) {
		t.Errorf("server: %v, %v", server, err)
	}
	if r, err := client.ModelMetadata(ctx, &inference.ModelMetadataRequest{Name: "fraud", Version: "3"}); err != nil || r.GetName() != "fraud" {
		t.Errorf("metadata: %v, %v", r, err)
	}
	if r, err := client.ModelConfig(ctx, &inference.ModelConfigRequest{Name: "fraud", Version: "3"}); err != nil || !bytes.HasPrefix(r.GetConfig(), field(1, "fraud")) {
		t.Errorf("config: %v, %v", r, err)
	}
	if r, err := client.ModelStatistics(ctx, &inference.ModelStatisticsRequest{Name: "fraud"}); err != nil || len(r.GetModelStats()) != 1 {
		t.Errorf("statistics: %v, %v", r, err)
	}
	if a := w.infer(as(clientToken), request([][4]float32{sureRow})); a.err != nil {
		t.Error(a.err)
	}
}

// Triton says of a model that isn't there that it isn't ready; so does the gateway to a client of Triton's, and to nobody else.
func TestReadyOfNothing(t *testing.T) {
	for consumer, found := range map[string]bool{", dialect: triton": true, "": false} {
		w := start(t, `models: ["*"]`, `models: ["*"]`+consumer)
		client := inference.NewGRPCInferenceServiceClient(w.conn)
		for _, req := range []*inference.ModelReadyRequest{{Name: "nothing"}, {Name: "fraud", Version: "9"}} {
			r, err := client.ModelReady(bounded(t, clientToken), req)
			if found && (err != nil || r.GetReady()) || !found && status.Code(err) != codes.NotFound {
				t.Errorf("%q, %v: %v, %v", consumer, req, r, err)
			}
		}
	}
}

// Nothing that isn't there is named among the extensions.
func TestExtensionsAreHonest(t *testing.T) {
	w := start(t, "primary: {address", "primary: {dialect: mlserver, address")
	r, err := inference.NewGRPCInferenceServiceClient(w.conn).ServerMetadata(bounded(t, clientToken), &inference.ServerMetadataRequest{})
	if err != nil || !slices.Equal(r.GetExtensions(), []string{"candor_metadata"}) || r.GetName() != "candor" {
		t.Errorf("%v, %v", r, err)
	}
}

// The index is of what the caller may use, and of nothing else.
func TestRepositoryIndex(t *testing.T) {
	w := start(t, "models:\n  fraud:", "models:\n  other: {primary: old, policy: {mode: observe, accept: {threshold: {probability: 0.5}}}}\n  fraud:")
	client := inference.NewGRPCInferenceServiceClient(w.conn)
	list := func(token string, ready bool) string {
		resp, err := client.RepositoryIndex(bounded(t, token), &inference.RepositoryIndexRequest{Ready: ready})
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, m := range resp.GetModels() {
			out = append(out, m.GetName()+" "+m.GetVersion()+" "+m.GetState()+" "+m.GetReason())
		}
		return strings.Join(out, "; ")
	}
	if got := list(clientToken, false); got != "fraud 3 READY ; other 2 READY " {
		t.Errorf("everything: %s", got)
	}
	if got := list("", false); got != "fraud 3 READY " {
		t.Errorf("with a grant for one: %s", got)
	}
	if got := list(operatorToken, false); got != "" {
		t.Errorf("without a grant: %s", got)
	}
	w.old.Kill()
	w.eventually(func() bool {
		return list(clientToken, false) == "fraud 3 READY ; other 2 UNAVAILABLE neither the model server nor a fallback is ready" &&
			list(clientToken, true) == "fraud 3 READY "
	})
}

// Loading, tracing and logging change a model server for everybody: refused unless the configuration allows it, and then for operators.
func TestControlIsRefusedByDefault(t *testing.T) {
	w, asked := triton(t, "")
	for method, allow := range map[string]string{"RepositoryModelLoad": "repository", "RepositoryModelUnload": "repository", "TraceSetting": "trace", "LogSettings": "log"} {
		for _, token := range []string{clientToken, operatorToken} {
			_, err := w.call(token, method, field(2, "fraud"))
			md := wantError(t, err, codes.PermissionDenied, "METHOD_REFUSED")
			if md["method"] != method || md["allow"] != allow || !strings.Contains(err.Error(), "add "+allow+" to backends.") || asked.of(method) != nil {
				t.Errorf("%s: %v, %v", method, md, err)
			}
		}
	}
	w, asked = triton(t, "allow: [repository, trace, log], ")
	for _, method := range []string{"RepositoryModelLoad", "RepositoryModelUnload", "TraceSetting", "LogSettings"} {
		for _, token := range []string{clientToken, reviewerToken} {
			_, err := w.call(token, method, field(2, "fraud"))
			if md := wantError(t, err, codes.PermissionDenied, "PERMISSION_DENIED"); md["role"] != "operator" || asked.of(method) != nil {
				t.Errorf("%s: %v", method, md)
			}
		}
	}
	// What is allowed for one backend isn't for another.
	w, _ = triton(t, "allow: [repository, trace, log], ", "models:\n  fraud:", "models:\n  other: {primary: old, policy: {mode: observe, accept: {threshold: {probability: 0.5}}}}\n  fraud:")
	_, err := w.call(operatorToken, "RepositoryModelLoad", field(2, "other"))
	if md := wantError(t, err, codes.PermissionDenied, "METHOD_REFUSED"); md["backend"] != "old" {
		t.Errorf("%v", md)
	}
	_, err = w.call(operatorToken, "RepositoryModelLoad", field(2, "nothing"))
	wantError(t, err, codes.NotFound, "MODEL_NOT_FOUND")
	_, err = w.call(operatorToken, "LogSettings", nil, "candor-backend", "nobody")
	wantError(t, err, codes.InvalidArgument, "INVALID_REQUEST")
	_, err = w.call(operatorToken, "LogSettings", nil, "candor-backend", "old")
	wantError(t, err, codes.PermissionDenied, "METHOD_REFUSED")
}

func TestControlOfTriton(t *testing.T) {
	w, asked := triton(t, "allow: [repository, trace, log], ")
	load := slices.Concat(field(1, "repo"), field(2, "fraud"), field(90, "kept"))
	for _, method := range []string{"RepositoryModelLoad", "RepositoryModelUnload"} {
		if got, err := w.call(operatorToken, method, load); err != nil || len(got) != 0 {
			t.Errorf("%s: %q, %v", method, got, err)
		}
		if got, want := asked.of(method), slices.Concat(field(1, "repo"), field(90, "kept"), field(2, "m")); !bytes.Equal(got, want) {
			t.Errorf("%s: Triton got %q, want %q", method, got, want)
		}
		// A client of the KServe SDK, whose proto has the name in field 1 and an answer that says what was done.
		got, err := w.call(operatorToken, method, field(1, "fraud"))
		if want := append(field(1, "fraud"), 0x10, 1); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %q, %v", method, got, err)
		}
		if got := asked.of(method); !bytes.Equal(got, field(2, "m")) {
			t.Errorf("%s: Triton got %q", method, got)
		}
	}
	trace := encoded(t, &inference.TraceSettingRequest{ModelName: "fraud"})
	got, err := w.call(operatorToken, "TraceSetting", append(trace, field(90, "kept")...))
	if err != nil || !bytes.HasSuffix(got, field(90, "kept")) {
		t.Errorf("trace: %q, %v", got, err)
	}
	var sent inference.TraceSettingRequest
	if err := proto.Unmarshal(asked.of("TraceSetting"), &sent); err != nil || sent.GetModelName() != "m" || !bytes.Equal(sent.ProtoReflect().GetUnknown(), field(90, "kept")) {
		t.Errorf("Triton got %v, %v", &sent, err)
	}
	for _, md := range [][]string{nil, {"candor-backend", "primary"}} {
		if got, err := w.call(operatorToken, "TraceSetting", nil, md...); err != nil || len(got) == 0 || len(asked.of("TraceSetting")) != 0 {
			t.Errorf("trace of the server: %q, %v", got, err)
		}
		if got, err := w.call(operatorToken, "LogSettings", nil, md...); err != nil || !bytes.Equal(got, field(90, "kept")) {
			t.Errorf("log: %q, %v", got, err)
		}
	}
	_, err = w.call(operatorToken, "LogSettings", field(90, "x"))
	if md := wantError(t, err, codes.InvalidArgument, "BACKEND_ERROR"); md["said_by"] != "backend" {
		t.Errorf("%v", md)
	}
}

// The KServe SDK's server has the model's name elsewhere, and says in its answer what it did.
func TestControlOfKServe(t *testing.T) {
	var asked asked
	server := oiptest.StartWith(t, oiptest.Options{Dialect: oiptest.Dialect{Name: "kserve", Methods: map[string]oiptest.Method{
		"RepositoryModelLoad":   asked.answer("RepositoryModelLoad", append(field(1, "m"), 0x10, 1)),
		"RepositoryModelUnload": asked.answer("RepositoryModelUnload", field(1, "m")),
	}}}, oiptest.Model{Name: "m", Version: "3", Infer: byColumn(0)})
	w := start(t, "primary: {address: PRIMARY", "primary: {allow: [repository, log], address: "+server.Addr())
	triton := slices.Concat(field(1, "repo"), field(2, "fraud"))
	if got, err := w.call(operatorToken, "RepositoryModelLoad", triton); err != nil || len(got) != 0 || !bytes.Equal(asked.of("RepositoryModelLoad"), field(1, "m")) {
		t.Errorf("%q, %v; KServe got %q", got, err, asked.of("RepositoryModelLoad"))
	}
	got, err := w.call(operatorToken, "RepositoryModelUnload", field(1, "fraud"))
	if want := append(field(1, "fraud"), 0x10, 0); err != nil || !bytes.Equal(got, want) {
		t.Errorf("not unloaded: %q, %v", got, err)
	}
	_, err = w.call(operatorToken, "LogSettings", nil)
	if wantError(t, err, codes.Unimplemented, "METHOD_NOT_OFFERED"); !strings.Contains(err.Error(), "kserve") {
		t.Error(err)
	}
	_, err = w.call(operatorToken, "RepositoryModelLoad", []byte{0x12, 0x20, 'x'})
	wantError(t, err, codes.InvalidArgument, "INVALID_REQUEST")
}

func TestSharedMemoryIsRefused(t *testing.T) {
	w, _ := triton(t, "allow: [repository, trace, log], ")
	for _, method := range []string{
		"SystemSharedMemoryStatus", "SystemSharedMemoryRegister", "SystemSharedMemoryUnregister",
		"CudaSharedMemoryStatus", "CudaSharedMemoryRegister", "CudaSharedMemoryUnregister",
	} {
		_, err := w.call(operatorToken, method, nil)
		if md := wantError(t, err, codes.Unimplemented, "METHOD_NOT_OFFERED"); md["method"] != method || !strings.Contains(err.Error(), "memory") {
			t.Errorf("%v, %v", md, err)
		}
	}
}
