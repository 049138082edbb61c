package gateway_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/candor-gateway/candor/gen/inference"
	"github.com/candor-gateway/candor/internal/oiptest"
)

// inferAt calls ModelInfer of a service by its name.
func (w *world) inferAt(service string, req *inference.ModelInferRequest, opts ...grpc.CallOption) answer {
	w.t.Helper()
	a := answer{resp: new(inference.ModelInferResponse)}
	a.err = w.conn.Invoke(bounded(w.t, clientToken), "/"+service+"/ModelInfer", req, a.resp, append(opts, grpc.Trailer(&a.trailer))...)
	return a
}

const publishedService = "inference.GRPCInferenceService"

// Every client finds its service, and reads what it gets: the form of every answer is that of the caller's dialect, whether the model
// server, a fallback or the gateway made it, and the metadata tensors are in the same form.
func TestCallersOfEveryDialect(t *testing.T) {
	const raw, typed = oiptest.RawForm, oiptest.TypedForm
	servers := map[string]func(*inference.ModelInferRequest) oiptest.Form{
		"mirrors": oiptest.Mirror, "raw": always(raw), "typed": always(typed),
	}
	for _, tc := range []struct {
		name, consumer string
		service        string
		sent, reads    oiptest.Form
	}{
		{"anybody, raw", "", publishedService, raw, raw},
		{"triton's client, raw", ", dialect: triton", publishedService, raw, raw},
		// The JavaScript sample of Triton sends typed contents and reads raw ones.
		{"triton's client, typed", ", dialect: triton", publishedService, typed, raw},
		{"kserve's client", ", dialect: kserve", publishedService, typed, typed},
		{"mlserver's client", ", dialect: mlserver", publishedService, typed, typed},
		{"mlserver's client, raw", ", dialect: mlserver", publishedService, raw, raw},
		{"seldon's client", ", dialect: seldon", publishedService, typed, typed},
		{"ovms's client", ", dialect: ovms", publishedService, typed, typed},
		{"torchserve's client", "", "org.pytorch.serve.grpc.openinference.GRPCInferenceService", typed, typed},
		{"aissemble's client", "", "inference.GrpcInferenceService", typed, typed},
		{"aissemble's client on the published path", ", dialect: aissemble", publishedService, typed, typed},
		{"stated raw", ", contents: raw", publishedService, typed, raw},
		{"stated typed", ", contents: typed", publishedService, raw, typed},
		{"stated typed of triton's", ", dialect: triton, contents: typed", publishedService, typed, typed},
	} {
		for server, form := range servers {
			t.Run(tc.name+", the server "+server, func(t *testing.T) {
				w := start(t, `models: ["*"]`, `models: ["*"]`+tc.consumer)
				w.primary.Script(slices.Repeat([]oiptest.Responder{byColumnIn(0, form)}, 2)...)
				outputs := []string{"probabilities", "label", "candor_route", "candor_confidence", "candor_answered_by"}
				// The primary answers, and the fallback's row is spliced in.
				a := w.inferAt(tc.service, requestIn(tc.sent, [][4]float32{sureRow, fallbackRow, deferredRow}, outputs...))
				if a.err != nil {
					t.Fatal(a.err)
				}
				a.wholly(t, tc.reads)
				if got := a.texts(t, "candor_route"); !slices.Equal(got, []string{"ACCEPT", "FALLBACK", "DEFER"}) {
					t.Errorf("routes %q", got)
				}
				if got := a.texts(t, "candor_answered_by"); !slices.Equal(got, []string{"primary", "both", ""}) {
					t.Errorf("answered by %q", got)
				}
				if got := a.texts(t, "label"); !slices.Equal(got, []string{"bad", "bad", "?"}) {
					t.Errorf("labels %q", got)
				}
				if got := a.floats(t, "probabilities"); got[1] != sureRow[0] || got[3] != fallbackRow[1] || got[4] == got[4] {
					t.Errorf("probabilities %v", got)
				}
				// The primary is away: the gateway builds the answer.
				w.primary.Kill()
				a = w.inferAt(tc.service, requestIn(tc.sent, [][4]float32{fallbackRow}, outputs...))
				if a.err != nil || a.param("candor_answered_by") != "both" {
					t.Fatalf("%v, %v", a.err, a.resp)
				}
				a.wholly(t, tc.reads)
				if got := a.floats(t, "probabilities"); got[1] != fallbackRow[1] {
					t.Errorf("probabilities %v", got)
				}
			})
		}
	}
}

// wholly holds every tensor of an answer against one form.
func (a answer) wholly(t *testing.T, form oiptest.Form) {
	t.Helper()
	want := 0
	if form == oiptest.RawForm {
		want = len(a.resp.GetOutputs())
	}
	if got := len(a.resp.GetRawOutputContents()); got != want {
		t.Errorf("%d raw contents of %d tensors, want %d", got, len(a.resp.GetOutputs()), want)
	}
	for _, o := range a.resp.GetOutputs() {
		if (o.GetContents() != nil) != (form == oiptest.TypedForm) {
			t.Errorf("%s has typed contents: %v", o.GetName(), o.GetContents() != nil)
		}
	}
}

// A typed client that is nobody in particular, in front of a Triton that is away, gets what Triton would have sent.
func TestBuiltAnswerIsThePrimarysForm(t *testing.T) {
	for dialect, reads := range map[string]oiptest.Form{"triton": oiptest.RawForm, "mlserver": oiptest.TypedForm, "torchserve": oiptest.TypedForm} {
		w := start(t, "primary: {address", "primary: {dialect: "+dialect+", address")
		w.primary.Kill()
		a := w.infer(as(clientToken), requestIn(oiptest.TypedForm, [][4]float32{fallbackRow}))
		if a.err != nil {
			t.Fatal(a.err)
		}
		a.wholly(t, reads)
	}
}

// FP16 exists only raw: a typed caller whose answer has such a tensor gets that answer raw, and no error.
func TestHalvesForATypedCaller(t *testing.T) {
	const card = `{name: label, datatype: BYTES, shape: [-1]}]`
	w := start(t, card, `{name: label, datatype: BYTES, shape: [-1]}, {name: h, datatype: FP16, shape: [-1]}]`,
		`{output: label, fill: label, neutral_text: "?"}]`, `{output: label, fill: label, neutral_text: "?"}, {output: h, fill: neutral}]`,
		`models: ["*"]`, `models: ["*"], dialect: mlserver`)
	w.primary.Script(oiptest.Always(oiptest.Response(oiptest.RawForm, oiptest.FP32("probabilities", []int64{1, 2}, .01, .99),
		oiptest.BYTES("label", []int64{1}, "bad"), oiptest.Raw("h", "FP16", []int64{1}, []byte{0, 0x3c}))))
	a := w.infer(as(clientToken), requestIn(oiptest.TypedForm, [][4]float32{sureRow}, "probabilities", "label", "h", "candor_route"))
	if a.err != nil {
		t.Fatal(a.err)
	}
	a.wholly(t, oiptest.RawForm)
	w.primary.Kill()
	a = w.infer(as(clientToken), requestIn(oiptest.TypedForm, [][4]float32{fallbackRow}, "probabilities", "label", "h"))
	if a.err != nil {
		t.Fatal(a.err)
	}
	a.wholly(t, oiptest.RawForm)
}

// An answer that the caller can't be given in its form because a number isn't one of its datatype is a broken answer.
func TestNumbersOutOfTheirDatatype(t *testing.T) {
	w := start(t, `{name: label, datatype: BYTES, shape: [-1]}]`, `{name: label, datatype: INT8, shape: [-1]}]`,
		`{output: label, fill: label, neutral_text: "?"}]`, `{output: label, fill: label_index, neutral: -1}]`)
	resp := oiptest.Response(oiptest.TypedForm, oiptest.FP32("probabilities", []int64{1, 2}, .01, .99), oiptest.INT32("label", []int64{1}, 300))
	resp.Outputs[1].Datatype = "INT8"
	w.primary.Script(oiptest.Always(resp))
	a := w.infer(as(clientToken), request([][4]float32{deferredRow}, "candor_route"))
	if a.err != nil || a.param("candor_answered_by") != "" || !strings.Contains(a.param("candor_fault"), "300, which INT8 can't hold") {
		t.Errorf("%v, %v", a.err, a.resp)
	}
}

// What a model server adds reaches a caller in kinds of parameters that the caller's software has.
func TestResponseParametersOfEveryDialect(t *testing.T) {
	basic := map[string]bool{"kserve": true, "mlserver": true, "seldon": true, "ovms": true, "torchserve": true}
	for _, dialect := range []string{"oip", "triton", "kserve", "mlserver", "seldon", "ovms", "torchserve", "aissemble", "dynamo"} {
		w, _ := peers[1].inFront(t, true, `models: ["*"]`, `models: ["*"], dialect: `+dialect)
		a := w.infer(as(clientToken), request([][4]float32{sureRow}, "probabilities"))
		if a.err != nil {
			t.Fatal(a.err)
		}
		took, share, scale := uint64Value(12), doubleValue(.25), doubleValue(.5)
		if basic[dialect] {
			took, share, scale = int64Value(12), stringValue("0.25"), stringValue("0.5")
		}
		got := a.resp.GetParameters()
		if !proto.Equal(got["took"], took) || !proto.Equal(got["share"], share) || !proto.Equal(a.resp.GetOutputs()[0].GetParameters()["scale"], scale) {
			t.Errorf("%s: %v, %v", dialect, got, a.resp.GetOutputs()[0].GetParameters())
		}
	}
}

// encodings sees in which encoding answers come.
type encodings struct{ seen []string }

func (e *encodings) HandleRPC(_ context.Context, s stats.RPCStats) {
	if h, ok := s.(*stats.InHeader); ok {
		e.seen = append(e.seen, h.Compression)
	}
}
func (e *encodings) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context   { return ctx }
func (e *encodings) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (e *encodings) HandleConn(context.Context, stats.ConnStats)                       {}

// Messages of nearly listen.max_message_bytes pass both ways, in every encoding, and an answer goes back in that of its request; what is
// larger is refused with both sizes, or with the limit where the transport knows only that.
func TestLargeMessagesInEveryEncoding(t *testing.T) {
	const limit = 1 << 18
	w := start(t, "listen: {", fmt.Sprintf("listen: {max_message_bytes: %d, ", limit))
	seen := &encodings{}
	conn, err := grpc.NewClient(w.addr.GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithStatsHandler(seen))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	client := inference.NewGRPCInferenceServiceClient(conn)
	// 16 bytes a row go in. The label makes the answer as large.
	rows := make([][4]float32, limit/16-256)
	for i := range rows {
		rows[i] = sureRow
	}
	large := func(bytes int) oiptest.Responder {
		return func(_ context.Context, req *inference.ModelInferRequest) (*inference.ModelInferResponse, error) {
			n := oiptest.Call{Request: req}.Rows()
			var probs []float32
			for range n {
				probs = append(probs, .01, .99)
			}
			labels := slices.Repeat([]string{"bad"}, n)
			// A row takes 8 bytes of probabilities, and a label of three characters with its length.
			perRow := 8 + 3 + 4
			if oiptest.Mirror(req) == oiptest.TypedForm {
				perRow = 8 + 3 + 2
			}
			labels[0] = strings.Repeat("x", bytes-n*perRow)
			return oiptest.Reply(req, oiptest.FP32("probabilities", []int64{int64(n), 2}, probs...), oiptest.BYTES("label", []int64{int64(n)}, labels...)), nil
		}
	}
	for encoding, opts := range map[string][]grpc.CallOption{
		"": nil, "gzip": {grpc.UseCompressor(gzip.Name)}, "deflate": {grpc.UseCompressor("deflate")},
	} {
		for form, req := range map[string]*inference.ModelInferRequest{"raw": request(rows), "typed": requestIn(oiptest.TypedForm, rows)} {
			t.Run(encoding+" "+form, func(t *testing.T) {
				w.primary.Script(large(limit - 4096))
				seen.seen = nil
				resp, err := client.ModelInfer(bounded(t, clientToken), req, opts...)
				if err != nil || proto.Size(resp) < limit-8192 || !slices.Equal(seen.seen, []string{encoding}) {
					t.Fatalf("%v, %d bytes, encodings %q", err, proto.Size(resp), seen.seen)
				}
				got := w.primary.Last().Request
				if !slices.EqualFunc(got.GetRawInputContents(), req.GetRawInputContents(), slices.Equal[[]byte]) ||
					!proto.Equal(got.GetInputs()[0], req.GetInputs()[0]) {
					t.Error("the model server got something else")
				}
				// An answer beyond the limit.
				w.primary.Script(large(limit + 4096))
				_, err = client.ModelInfer(bounded(t, clientToken), req, opts...)
				md := wantError(t, err, codes.ResourceExhausted, "MESSAGE_TOO_LARGE")
				if md["limit_bytes"] != fmt.Sprint(limit) {
					t.Errorf("metadata %v", md)
				}
				// One that is beyond it only with what the gateway adds.
				w.primary.Script(large(limit - 256))
				_, err = client.ModelInfer(bounded(t, clientToken), req, opts...)
				if md := wantError(t, err, codes.ResourceExhausted, "MESSAGE_TOO_LARGE"); md["limit_bytes"] != fmt.Sprint(limit) || md["size_bytes"] == "" {
					t.Errorf("metadata %v", md)
				}
				// A request beyond it.
				_, err = client.ModelInfer(bounded(t, clientToken), request(append(slices.Clone(rows), rows[:512]...)), opts...)
				if status.Code(err) != codes.ResourceExhausted || !strings.Contains(err.Error(), fmt.Sprint(limit)) {
					t.Errorf("a request beyond the limit: %v", err)
				}
			})
		}
	}
}

// Every name of the service has every method, and asks who calls.
func TestEveryServiceIsThere(t *testing.T) {
	w := start(t)
	for _, service := range []string{publishedService, "org.pytorch.serve.grpc.openinference.GRPCInferenceService", "inference.GrpcInferenceService"} {
		for method, reply := range map[string]proto.Message{
			"ServerLive": &inference.ServerLiveResponse{}, "ServerReady": &inference.ServerReadyResponse{}, "ServerMetadata": &inference.ServerMetadataResponse{},
		} {
			if err := w.conn.Invoke(bounded(t, ""), "/"+service+"/"+method, &inference.ServerLiveRequest{}, reply); err != nil {
				t.Errorf("%s/%s: %v", service, method, err)
			}
		}
		// No way round the grants: the other names ask who calls like the first.
		err := w.conn.Invoke(metadata.AppendToOutgoingContext(bounded(t, ""), "authorization", "Bearer nobody"), "/"+service+"/ModelInfer",
			request([][4]float32{sureRow}), &inference.ModelInferResponse{})
		wantError(t, err, codes.Unauthenticated, "UNAUTHENTICATED")
	}
}
