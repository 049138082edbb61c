package gateway_test

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/gen/inference"
	"github.com/candor-gateway/candor/internal/oiptest"
)

// peer is server software as its sources have it: what our own table says about it is what these tests are about.
type peer struct {
	// dialect as the configuration spells it; detected is what the software is taken for when nothing is stated.
	dialect, detected string
	server            oiptest.Dialect
	// answers is the form of answers; nil: that of the request.
	answers func(*inference.ModelInferRequest) oiptest.Form
	// typedOnly: raw_input_contents are not read. basic: a parameter is a bool, an int64 or a string.
	typedOnly, basic bool
	// parameters: field 6 of its metadata is a map of InferParameter.
	parameters bool
}

func always(form oiptest.Form) func(*inference.ModelInferRequest) oiptest.Form {
	return func(*inference.ModelInferRequest) oiptest.Form { return form }
}

var peers = []peer{
	{dialect: "oip", detected: "", server: oiptest.Dialect{Name: "a gateway"}},
	{dialect: "triton", detected: "triton", server: oiptest.Dialect{Name: "triton"}, answers: always(oiptest.RawForm)},
	{dialect: "kserve", detected: "kserve", server: oiptest.Dialect{Name: "kserve"}, basic: true},
	{dialect: "mlserver", detected: "mlserver", server: oiptest.Dialect{Name: "mlserver"}, basic: true, parameters: true},
	{dialect: "seldon", detected: "mlserver", server: oiptest.Dialect{Name: "mlserver"}, basic: true, parameters: true},
	{dialect: "ovms", detected: "ovms", server: oiptest.Dialect{Name: "OpenVINO Model Server"}, basic: true},
	{
		dialect: "torchserve", detected: "torchserve", basic: true, typedOnly: true, answers: always(oiptest.TypedForm),
		server: oiptest.Dialect{Service: "org.pytorch.serve.grpc.openinference.GRPCInferenceService", Missing: []string{"ServerMetadata"}},
	},
	{
		dialect: "aissemble", detected: "aissemble", typedOnly: true, answers: always(oiptest.TypedForm),
		server: oiptest.Dialect{Service: "inference.GrpcInferenceService", Name: "anything"},
	},
	{
		dialect: "dynamo", detected: "dynamo", server: oiptest.Dialect{
			Missing: []string{"ServerMetadata", "ServerLive", "ServerReady", "ModelReady"},
			Methods: map[string]oiptest.Method{"ModelConfig": func(context.Context, []byte) ([]byte, error) { return nil, nil }},
		},
	},
}

// form that the peer answers in.
func (p peer) form(req *inference.ModelInferRequest) oiptest.Form {
	if p.answers == nil {
		return oiptest.Mirror(req)
	}
	return p.answers(req)
}

// infer answers as the world's primary does, and refuses what the software couldn't read.
func (p peer) infer(ctx context.Context, req *inference.ModelInferRequest) (*inference.ModelInferResponse, error) {
	if p.typedOnly && len(req.GetRawInputContents()) > 0 {
		return nil, status.Error(codes.Internal, "the input has no data")
	}
	all := []map[string]*inference.InferParameter{req.GetParameters()}
	for _, in := range req.GetInputs() {
		all = append(all, in.GetParameters())
	}
	for _, out := range req.GetOutputs() {
		all = append(all, out.GetParameters())
	}
	for _, params := range all {
		for key, v := range params {
			switch v.GetParameterChoice().(type) {
			case *inference.InferParameter_DoubleParam, *inference.InferParameter_Uint64Param:
				if p.basic {
					return nil, status.Error(codes.Internal, "the parameter "+key+" has no value")
				}
			}
		}
	}
	resp, err := byColumnIn(0, p.form)(ctx, req)
	if err != nil {
		return nil, err
	}
	resp.Parameters = map[string]*inference.InferParameter{"took": int64Value(12)}
	if !p.basic {
		resp.Parameters = map[string]*inference.InferParameter{"took": uint64Value(12), "share": doubleValue(.25)}
		resp.Outputs[0].Parameters = map[string]*inference.InferParameter{"scale": doubleValue(.5)}
	}
	return resp, nil
}

// field6 is the peer's metadata of a framework.
func (p peer) field6() []byte {
	value := "sklearn"
	if p.parameters {
		value = string(encoded6(stringValue("sklearn")))
	}
	return entry6("framework", value)
}

func encoded6(m proto.Message) []byte {
	b, err := proto.Marshal(m)
	if err != nil {
		panic(err)
	}
	return b
}

func entry6(key, value string) []byte {
	e := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), key)
	e = protowire.AppendString(protowire.AppendTag(e, 2, protowire.BytesType), value)
	return protowire.AppendBytes(protowire.AppendTag(nil, 6, protowire.BytesType), e)
}

func int64Value(v int64) *inference.InferParameter {
	return &inference.InferParameter{ParameterChoice: &inference.InferParameter_Int64Param{Int64Param: v}}
}

func uint64Value(v uint64) *inference.InferParameter {
	return &inference.InferParameter{ParameterChoice: &inference.InferParameter_Uint64Param{Uint64Param: v}}
}

func doubleValue(v float64) *inference.InferParameter {
	return &inference.InferParameter{ParameterChoice: &inference.InferParameter_DoubleParam{DoubleParam: v}}
}

func stringValue(v string) *inference.InferParameter {
	return &inference.InferParameter{ParameterChoice: &inference.InferParameter_StringParam{StringParam: v}}
}

// in front starts a world whose primary is the peer, with its dialect stated or left to be detected.
func (p peer) inFront(t *testing.T, stated bool, edits ...string) (*world, *oiptest.Server) {
	t.Helper()
	d := p.server
	d.MetadataTail = append(p.field6(), fromTheFuture(90, "kept")...)
	server := oiptest.StartWith(t, oiptest.Options{Dialect: d}, oiptest.Model{
		Name: "m", Version: "3", Infer: p.infer, Inputs: []oiptest.TensorSpec{{Name: "x", Datatype: "FP32", Shape: []int64{-1, 4}}},
	})
	primary := "primary: {address: " + server.Addr()
	if stated {
		primary = "primary: {dialect: " + p.dialect + ", address: " + server.Addr()
	}
	w := start(t, append([]string{"primary: {address: PRIMARY", primary}, edits...)...)
	// Asking waits until the model server has answered who it is.
	w.backend("primary")
	return w, server
}

// Candor is a client of every server: on its path, in the form that it reads, with parameters that it knows, stated or detected.
func TestBackendsOfEveryDialect(t *testing.T) {
	for _, p := range peers {
		for _, stated := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, stated %v", p.dialect, stated), func(t *testing.T) {
				w, server := p.inFront(t, stated)
				want, source := p.detected, candorv1.DialectSource_DIALECT_SOURCE_DETECTED
				if want == "" {
					source = candorv1.DialectSource_DIALECT_SOURCE_UNSPECIFIED
				}
				if stated {
					want, source = p.dialect, candorv1.DialectSource_DIALECT_SOURCE_STATED
				}
				b := w.backend("primary")
				if got := strings.ToLower(strings.TrimPrefix(b.GetDialect().String(), "DIALECT_")); got != want && (want != "" || b.GetDialect() != 0) || b.GetDialectSource() != source {
					t.Errorf("%v, %v", b.GetDialect(), b.GetDialectSource())
				}
				if p.server.Name != "" && b.GetServer() != p.server.Name+" 1" {
					t.Errorf("it calls itself %q", b.GetServer())
				}
				if !b.GetReady() {
					t.Error("not ready")
				}
				for _, form := range []oiptest.Form{oiptest.RawForm, oiptest.TypedForm} {
					p.ask(t, w, server, form)
				}
				p.describe(t, w)
			})
		}
	}
}

// A model server that doesn't answer doesn't make the others look as if they didn't.
func TestBackendsBesideOneThatHangs(t *testing.T) {
	w := start(t)
	for _, s := range []*oiptest.Server{w.a, w.b} {
		s.Hang()
	}
	for _, name := range []string{"primary", "old"} {
		if !w.backend(name).GetReady() {
			t.Errorf("%s is not ready", name)
		}
	}
	if w.backend("a").GetReady() {
		t.Error("a is ready")
	}
}

// ask sends one request and holds what the model server got, and what came back, against what was sent.
func (p peer) ask(t *testing.T, w *world, server *oiptest.Server, form oiptest.Form) {
	t.Helper()
	req := requestIn(form, [][4]float32{sureRow, goodRow}, "probabilities")
	req.Id = "exact"
	req.Parameters = map[string]*inference.InferParameter{
		"text": stringValue("x"), "third": doubleValue(1.0 / 3), "seven": uint64Value(7), "huge": uint64Value(math.MaxUint64),
	}
	req.Inputs[0].Parameters = map[string]*inference.InferParameter{"scale": doubleValue(.5)}
	req.Outputs[0].Parameters = map[string]*inference.InferParameter{"top": uint64Value(1)}
	req.ProtoReflect().SetUnknown(fromTheFuture(100, "kept"))
	a := w.infer(as(clientToken), req)
	if a.err != nil {
		t.Fatalf("form %v: %v", form, a.err)
	}
	if got := a.floats(t, "probabilities"); !slices.Equal(got, []float32{1 - sureRow[0], sureRow[0], 1 - goodRow[0], goodRow[0]}) {
		t.Errorf("probabilities %v", got)
	}

	want := proto.CloneOf(req)
	want.ModelName, want.ModelVersion = "m", "3"
	if p.basic {
		want.Parameters = map[string]*inference.InferParameter{
			"text": stringValue("x"), "third": stringValue("0.3333333333333333"), "seven": int64Value(7), "huge": stringValue("18446744073709551615"),
		}
		want.Inputs[0].Parameters = map[string]*inference.InferParameter{"scale": stringValue("0.5")}
		want.Outputs[0].Parameters = map[string]*inference.InferParameter{"top": int64Value(1)}
	}
	if p.typedOnly {
		want.RawInputContents = nil
		want.Inputs[0].Contents = &inference.InferTensorContents{Fp32Contents: append(sureRow[:], goodRow[:]...)}
	}
	if got := server.Last().Request; !proto.Equal(got, want) {
		t.Errorf("the model server got\n%v, want\n%v", got, want)
	}
	// Who sends raw reads raw; who sends typed, and is nobody in particular, reads what this server answers.
	raw := form == oiptest.RawForm || p.form(req) == oiptest.RawForm
	if got := len(a.resp.GetRawOutputContents()) > 0; got != raw {
		t.Errorf("form %v was answered raw: %v", form, got)
	}
}

// describe asks for the model's metadata as nobody in particular: field 6 is what it would be without the gateway.
func (p peer) describe(t *testing.T, w *world) {
	t.Helper()
	md, err := inference.NewGRPCInferenceServiceClient(w.conn).ModelMetadata(as(clientToken), &inference.ModelMetadataRequest{Name: "fraud"})
	if err != nil {
		t.Fatal(err)
	}
	if len(md.GetInputs()) != 1 || md.GetName() != "fraud" || !slices.Equal(md.GetVersions(), []string{"3"}) {
		t.Errorf("metadata %v", md)
	}
	if got, want := md.ProtoReflect().GetUnknown(), append(p.field6(), fromTheFuture(90, "kept")...); !bytes.Equal(got, want) {
		t.Errorf("field 6 is %q, want %q", got, want)
	}
}

// Field 6 reaches a caller in the form of its own dialect, whatever the server's is.
func TestMetadataOfEveryDialect(t *testing.T) {
	texts, params := entry6("framework", "sklearn"), entry6("framework", string(encoded6(stringValue("sklearn"))))
	for _, p := range peers {
		for caller, want := range map[string][]byte{
			"oip": texts, "triton": texts, "kserve": texts, "mlserver": params, "seldon": params, "ovms": texts, "torchserve": texts,
			"aissemble": texts, "dynamo": texts,
		} {
			if p.dialect != "mlserver" && p.dialect != "oip" && p.dialect != "torchserve" {
				continue // one server of each form, and one on another path
			}
			t.Run(caller+" of "+p.dialect, func(t *testing.T) {
				w, _ := p.inFront(t, true, `models: ["*"]`, `models: ["*"], dialect: `+caller)
				md, err := inference.NewGRPCInferenceServiceClient(w.conn).ModelMetadata(as(clientToken), &inference.ModelMetadataRequest{Name: "fraud"})
				if err != nil {
					t.Fatal(err)
				}
				if got := md.ProtoReflect().GetUnknown(); !bytes.Equal(got, append(slices.Clone(want), fromTheFuture(90, "kept")...)) {
					t.Errorf("field 6 is %q, want %q", got, want)
				}
			})
		}
	}
}

// Triton gets priority as the uint64 that tritonclient sends, and the sequence's parameters, to the byte.
func TestTritonsOwnParameters(t *testing.T) {
	p := peers[1]
	for _, consumer := range []string{"", ", dialect: triton"} {
		w, server := p.inFront(t, false, `models: ["*"]`, `models: ["*"]`+consumer)
		req := request([][4]float32{sureRow})
		req.Parameters = map[string]*inference.InferParameter{
			"priority": uint64Value(1), "timeout": int64Value(5_000_000), "sequence_id": int64Value(42), "sequence_start": {ParameterChoice: &inference.InferParameter_BoolParam{BoolParam: true}},
			"triton_enable_empty_final_response": {ParameterChoice: &inference.InferParameter_BoolParam{BoolParam: true}},
			"candor_mode":                        stringValue("never reaches a backend"),
		}
		if a := w.infer(as(clientToken), req); a.err != nil {
			t.Fatal(a.err)
		}
		delete(req.Parameters, "candor_mode")
		if got := server.Last().Request.GetParameters(); len(got) != len(req.GetParameters()) {
			t.Errorf("parameters %v", got)
		}
		// Varint field 5 of the value: 28 01.
		entry := "\x0a\x08priority\x12\x02\x28\x01"
		if !bytes.Contains(server.Last().Bytes, []byte(entry)) {
			t.Errorf("no %q in %q", entry, server.Last().Bytes)
		}
	}
}

// Who isn't Triton's client can't mean Triton's instructions, and is told so; to other servers the same keys are as good as any.
func TestReservedParametersOfOthers(t *testing.T) {
	for _, key := range []string{"priority", "sequence_id", "headers", "triton_x"} {
		req := request([][4]float32{sureRow})
		req.Parameters = map[string]*inference.InferParameter{key: stringValue("mine")}
		w, server := peers[1].inFront(t, false, `models: ["*"]`, `models: ["*"], dialect: kserve`)
		a := w.infer(as(clientToken), req)
		md := wantError(t, a.err, codes.InvalidArgument, "INVALID_REQUEST")
		if md["field"] != "parameters["+key+"]" || !strings.Contains(a.err.Error(), "rename it") || server.Calls() != 0 {
			t.Errorf("%s: %v, %v, %d calls", key, md, a.err, server.Calls())
		}
		w, server = peers[3].inFront(t, false, `models: ["*"]`, `models: ["*"], dialect: kserve`)
		if a := w.infer(as(clientToken), req); a.err != nil || server.Last().Request.GetParameters()[key].GetStringParam() != "mine" {
			t.Errorf("%s to MLServer: %v", key, a.err)
		}
	}
	// A Triton among the fallback's members counts, too.
	w := start(t, "a: {address: MEMBER_A", "a: {dialect: triton, address: MEMBER_A", `models: ["*"]`, `models: ["*"], dialect: mlserver`)
	req := request([][4]float32{sureRow})
	req.Parameters = map[string]*inference.InferParameter{"timeout": int64Value(1)}
	wantError(t, w.infer(as(clientToken), req).err, codes.InvalidArgument, "INVALID_REQUEST")
}

// A member of the fallback gets its rows in the form that it reads.
func TestMembersOfOtherDialects(t *testing.T) {
	torchserve := peers[6]
	torchserve.answers = always(oiptest.TypedForm)
	member := func(version string) *oiptest.Server {
		return oiptest.StartWith(t, oiptest.Options{Dialect: torchserve.server}, oiptest.Model{Name: "m", Version: version, Infer: func(ctx context.Context, req *inference.ModelInferRequest) (*inference.ModelInferResponse, error) {
			if len(req.GetRawInputContents()) > 0 || req.GetParameters()["third"].GetStringParam() == "" {
				return nil, status.Error(codes.Internal, "the input has no data")
			}
			return byColumnIn(1, torchserve.answers)(ctx, req)
		}})
	}
	a, b := member("1"), member("1")
	w := start(t, "a: {address: MEMBER_A", "a: {dialect: torchserve, address: "+a.Addr(), "b: {address: MEMBER_B", "b: {dialect: torchserve, address: "+b.Addr())
	req := request([][4]float32{sureRow, fallbackRow})
	req.Parameters = map[string]*inference.InferParameter{"third": doubleValue(1.0 / 3)}
	got := w.infer(as(clientToken), req)
	if got.err != nil || a.Rows() != 1 || b.Rows() != 1 || got.param("candor_rows_fallback") != "1" {
		t.Fatalf("%v, %d and %d rows, %v", got.err, a.Rows(), b.Rows(), got.resp)
	}
	if p := got.floats(t, "probabilities"); p[3] != fallbackRow[1] {
		t.Errorf("probabilities %v", p)
	}
}

// FP16 exists only raw: a server that reads typed contents can't be sent any.
func TestHalvesForATypedServer(t *testing.T) {
	w, server := peers[6].inFront(t, true, "inputs: [{name: x, datatype: FP32", "inputs: [{name: x, datatype: FP16")
	req := oiptest.Request("fraud", "", oiptest.RawForm, oiptest.Raw("x", "FP16", []int64{1, 4}, make([]byte, 8)))
	md := wantError(t, w.infer(as(clientToken), req).err, codes.InvalidArgument, "INVALID_REQUEST")
	if md["field"] != "inputs[0].datatype" || server.Calls() != 0 {
		t.Errorf("%v, %d calls", md, server.Calls())
	}
}

// Raw and typed contents in one answer are a broken contract, and the rows go where those of any broken answer go.
func TestMixedAnswer(t *testing.T) {
	w := start(t)
	resp := oiptest.Response(oiptest.RawForm, oiptest.FP32("probabilities", []int64{1, 2}, .01, .99), oiptest.BYTES("label", []int64{1}, "bad"))
	resp.Outputs[0].Contents = &inference.InferTensorContents{Fp32Contents: []float32{.99, .01}}
	w.primary.Script(oiptest.Always(resp))
	a := w.infer(as(clientToken), request([][4]float32{fallbackRow}))
	if a.err != nil || a.param("candor_answered_by") != "both" || !strings.Contains(a.param("candor_fault"), "typed contents beside raw_output_contents") {
		t.Errorf("%v, %v", a.err, a.resp)
	}
}
