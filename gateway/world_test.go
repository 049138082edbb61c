package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/candor-gateway/candor/config"
	"github.com/candor-gateway/candor/gateway"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/gen/inference"
	"github.com/candor-gateway/candor/internal/leaktest"
	"github.com/candor-gateway/candor/internal/oiptest"
	"github.com/candor-gateway/candor/store/sqlite"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// The store is what the gateway asks for; said here because neither may import the other.
var (
	_ gateway.Ledger       = (*sqlite.Store)(nil)
	_ gateway.Certificates = (*sqlite.Store)(nil)
)

const (
	reviewerToken = "test-reviewer"
	operatorToken = "test-operator"
	clientToken   = "test-client"
	// A second reviewer, one who decides, one who only looks and may know everything, and one who may do everything.
	otherToken   = "test-other"
	seniorToken  = "test-senior"
	auditorToken = "test-auditor"
	adminToken   = "test-admin"
)

// world is a gateway with its model servers: primary, a and b (an ensemble with quorum 2) and old (its remedial stage). A
// row is the numbers [p, q, r, s]: the primary answers "bad" with probability p, a and b with q, old with r.
type world struct {
	t    *testing.T
	dir  string
	conn *grpc.ClientConn
	addr gateway.Addrs

	primary, a, b, old *oiptest.Server
	gateway            *gateway.Gateway
	stop               func()
	yaml               string
	options
}

// options are what a test changes beside the configuration's text; nil: nothing.
type options struct {
	// config changes the configuration after it has been checked, for what the check refuses.
	config func(*candorv1.Config)
	// deps changes what the gateway is made of, at every run.
	deps func(*gateway.Deps)
}

// yaml is the configuration of a world; edits replace parts of it.
const worldYAML = `
listen: {grpc: "127.0.0.1:0", http: "127.0.0.1:0", drain_delay: 0s, reflection: true}
store: {identity: test, sqlite: {path: candor.db}}
consumers:
  anyone: {identity: {anonymous: true}, models: [fraud]}
  payments: {identity: {token_sha256: CLIENT}, models: ["*"]}
operators:
  ann: {identity: {token_sha256: REVIEWER}, roles: [reviewer]}
  ben: {identity: {token_sha256: OTHER}, roles: [reviewer]}
  olga: {identity: {token_sha256: OPERATOR}, roles: [operator, auditor, reviewer]}
  sam: {identity: {token_sha256: SENIOR}, roles: [senior]}
  vera: {identity: {token_sha256: AUDITOR}, roles: [auditor]}
  root: {identity: {token_sha256: ADMIN}, roles: [admin]}
backends:
  primary: {address: PRIMARY, model: m, version: "3", timeout: 5s, breaker: BREAKER, card: &card {
    created_at: "2026-01-02T03:04:05Z", owner: risk, rows: first_dim,
    inputs: [{name: x, datatype: FP32, shape: [-1, 4]}],
    outputs: [{name: probabilities, datatype: FP32, shape: [-1, 2]}, {name: label, datatype: BYTES, shape: [-1]}],
    scores: [{output: probabilities, kind: probability, labels: [good, bad]}]}}
  a: {address: MEMBER_A, model: m, version: "1", timeout: 5s, breaker: BREAKER, card: *card}
  b: {address: MEMBER_B, model: m, version: "1", timeout: 5s, breaker: BREAKER, card: *card}
  old: {address: OLD, model: m, version: "2", timeout: 5s, breaker: BREAKER, card: *card}
ensembles:
  both: {version: "1", members: [{backend: a}, {backend: b}], quorum: 2, combiner: mean, remedial: {backend: old}}
models:
  fraud:
    primary: primary
    policy:
      mode: enforce
      accept: {threshold: {probability: 0.9}}
      fallback: {ensemble: both, threshold: {probability: 0.8}}
      review: {queue: desk, on_expire: reject}
      on_defer: withhold
      answers: [{output: probabilities, fill: scores}, {output: label, fill: label, neutral_text: "?"}]
      actions: [{name: decline, when: {label_in: [bad]}}]
queues: {desk: {deadline: 1h, lease: 5m}}
`

// calmBreaker is a breaker that stays out of the way of tests about something else.
const calmBreaker = `{min_calls: 1000}`

// start makes a world. edits are pairs: text in the configuration, and what to write instead.
func start(t *testing.T, edits ...string) *world {
	t.Helper()
	return startWith(t, options{}, edits...)
}

func startWith(t *testing.T, o options, edits ...string) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), options: o}
	w.primary, w.a, w.b, w.old = w.server(0, "3"), w.server(1, "1"), w.server(1, "1"), w.server(2, "2")
	own := len(edits)
	edits = append(edits, "PRIMARY", w.primary.Addr(), "MEMBER_A", w.a.Addr(), "MEMBER_B", w.b.Addr(), "OLD", w.old.Addr(), "BREAKER", calmBreaker,
		"CLIENT", gateway.HashToken(clientToken), "REVIEWER", gateway.HashToken(reviewerToken), "OPERATOR", gateway.HashToken(operatorToken),
		"OTHER", gateway.HashToken(otherToken), "SENIOR", gateway.HashToken(seniorToken), "AUDITOR", gateway.HashToken(auditorToken), "ADMIN", gateway.HashToken(adminToken))
	w.yaml = worldYAML
	for i := 0; i < len(edits); i += 2 {
		if !strings.Contains(w.yaml, edits[i]) && i < own {
			t.Fatalf("the configuration has no %q to replace", edits[i])
		}
		w.yaml = strings.ReplaceAll(w.yaml, edits[i], edits[i+1])
	}
	if !strings.Contains(w.yaml, "undo_window") {
		// Most tests are of what a final answer does.
		w.yaml = strings.ReplaceAll(w.yaml, "lease: 5m", "lease: 5m, undo_window: 0s")
	}
	if err := sqlite.Init(t.Context(), w.db(), "test"); err != nil {
		t.Fatal(err)
	}
	w.run()
	t.Cleanup(func() { w.stop() })
	return w
}

func (w *world) db() string { return filepath.Join(w.dir, "candor.db") }

// server answers "bad" with the probability that stands in this column of a row.
func (w *world) server(column int, version string) *oiptest.Server {
	return oiptest.Start(w.t, oiptest.Model{Name: "m", Version: version, Infer: byColumn(column)})
}

func byColumn(column int) oiptest.Responder { return byColumnIn(column, oiptest.Mirror) }

// byColumnIn is byColumn of a server that answers in a form of its own.
func byColumnIn(column int, form func(*inference.ModelInferRequest) oiptest.Form) oiptest.Responder {
	return func(_ context.Context, req *inference.ModelInferRequest) (*inference.ModelInferResponse, error) {
		call := oiptest.Call{Request: req}
		n := call.Rows()
		values, err := floatsOf(req)
		if err != nil {
			return nil, status.Error(codes.InvalidArgument, err.Error())
		}
		var probs []float32
		var labels []string
		for i := range n {
			p := values[i*4+column]
			probs = append(probs, 1-p, p)
			labels = append(labels, map[bool]string{true: "bad", false: "good"}[p > .5])
		}
		return oiptest.ReplyIn(form(req), req,
			oiptest.FP32("probabilities", []int64{int64(n), 2}, probs...), oiptest.BYTES("label", []int64{int64(n)}, labels...)), nil
	}
}

// floatsOf reads the first input of a request in either form.
func floatsOf(req *inference.ModelInferRequest) ([]float32, error) {
	resp := &inference.ModelInferResponse{RawOutputContents: req.GetRawInputContents()}
	in := req.GetInputs()[0]
	resp.Outputs = []*inference.ModelInferResponse_InferOutputTensor{
		{Name: in.GetName(), Datatype: in.GetDatatype(), Shape: in.GetShape(), Contents: in.GetContents()},
	}
	return oiptest.Floats(resp, in.GetName())
}

// run starts (again) a gateway on the world's store.
func (w *world) run() {
	w.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cfg, faults := config.Parse("test.yaml", []byte(w.yaml))
	if errs := faults.Errors(); len(errs) > 0 {
		w.t.Fatal(errs)
	}
	store, err := sqlite.Open(ctx, w.db(), "test", sqlite.Options{})
	if err != nil {
		w.t.Fatal(err)
	}
	deps := gateway.Deps{Ledger: store, Reviews: store, Limits: store, Certificates: store, Artefacts: store, Pins: store, Webhooks: store, Log: slog.New(slog.DiscardHandler), Version: "test"}
	if w.config != nil {
		w.config(cfg)
	}
	if w.deps != nil {
		w.deps(&deps)
	}
	g, err := gateway.New(ctx, cfg, deps)
	if err != nil {
		w.t.Fatal(err)
	}
	w.gateway = g
	ready, done := make(chan gateway.Addrs, 1), make(chan error, 1)
	go func() { done <- g.Run(ctx, func(a gateway.Addrs) { ready <- a }) }()
	select {
	case w.addr = <-ready:
	case err := <-done:
		w.t.Fatal(err)
	}
	w.conn = w.dial()
	w.stop = func() {
		_ = w.conn.Close()
		cancel()
		if err := <-done; err != nil {
			w.t.Errorf("Run: %v", err)
		}
		if err := errors.Join(g.Close(), store.Close(context.Background())); err != nil {
			w.t.Errorf("close: %v", err)
		}
		w.stop = func() {}
	}
}

func (w *world) restart() { w.stop(); w.run() }

func (w *world) dial() *grpc.ClientConn {
	w.t.Helper()
	conn, err := grpc.NewClient(w.addr.GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		w.t.Fatal(err)
	}
	return conn
}

// as is a context with somebody's token.
func as(token string) context.Context {
	return metadata.AppendToOutgoingContext(context.Background(), "authorization", "Bearer "+token)
}

// request is rows of [p, q, r, s], in raw form as tritonclient sends it.
func request(rows [][4]float32, outputs ...string) *inference.ModelInferRequest {
	return requestIn(oiptest.RawForm, rows, outputs...)
}

func requestIn(form oiptest.Form, rows [][4]float32, outputs ...string) *inference.ModelInferRequest {
	var values []float32
	for _, r := range rows {
		values = append(values, r[:]...)
	}
	req := oiptest.Request("fraud", "", form, oiptest.FP32("x", []int64{int64(len(rows)), 4}, values...))
	for _, o := range outputs {
		req.Outputs = append(req.Outputs, &inference.ModelInferRequest_InferRequestedOutputTensor{Name: o})
	}
	return req
}

func row(p, q, r float32) [4]float32 { return [4]float32{p, q, r, 0} }

// The row kinds that most tests want.
var (
	sureRow     = row(.99, .5, .5)  // the primary accepts: bad
	goodRow     = row(.02, .5, .5)  // the primary accepts: good
	fallbackRow = row(.6, .95, .5)  // unsure; the ensemble says bad
	deferredRow = row(.6, .55, .55) // nobody is sure
)

type answer struct {
	resp        *inference.ModelInferResponse
	err         error
	trailer     metadata.MD
	predictions []*candorv1.Prediction
}

func (w *world) infer(ctx context.Context, req *inference.ModelInferRequest) answer {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	ctx = metadata.AppendToOutgoingContext(ctx, "candor-trailers", "prediction")
	var a answer
	a.resp, a.err = inference.NewGRPCInferenceServiceClient(w.conn).ModelInfer(ctx, req, grpc.Trailer(&a.trailer))
	if v := a.trailer.Get("candor-prediction-bin"); len(v) == 1 {
		msg := &candorv1.PredictResponse{}
		if err := proto.Unmarshal([]byte(v[0]), msg); err != nil {
			w.t.Fatal(err)
		}
		a.predictions = msg.GetPredictions()
	}
	return a
}

// decision of the first row; nil: none was told.
func (a answer) decision() *candorv1.Decision {
	if len(a.predictions) == 0 {
		return nil
	}
	return a.predictions[0].GetDecision()
}

// param answers a response parameter as text.
func (a answer) param(key string) string {
	p, ok := a.resp.GetParameters()[key]
	if !ok {
		return ""
	}
	switch v := p.GetParameterChoice().(type) {
	case *inference.InferParameter_StringParam:
		return v.StringParam
	case *inference.InferParameter_Int64Param:
		return fmt.Sprint(v.Int64Param)
	}
	return fmt.Sprint(p)
}

func (a answer) floats(t *testing.T, output string) []float32 {
	t.Helper()
	v, err := oiptest.Floats(a.resp, output)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func (a answer) texts(t *testing.T, output string) []string {
	t.Helper()
	v, err := oiptest.Texts(a.resp, output)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// details of an error: its reason, and the metadata of the ErrorInfo.
func details(t *testing.T, err error) (codes.Code, string, map[string]string) {
	t.Helper()
	st := status.Convert(err)
	for _, d := range st.Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok {
			if info.GetDomain() != "candor" {
				t.Errorf("domain %q", info.GetDomain())
			}
			return st.Code(), info.GetReason(), info.GetMetadata()
		}
	}
	t.Fatalf("no ErrorInfo in %v", err)
	return 0, "", nil
}

// wantError holds an error against a code and a reason and answers its metadata.
func wantError(t *testing.T, err error, code codes.Code, reason string) map[string]string {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want %v %s", code, reason)
	}
	gotCode, gotReason, md := details(t, err)
	if gotCode != code || gotReason != reason {
		t.Fatalf("%v %s (%v), want %v %s", gotCode, gotReason, err, code, reason)
	}
	return md
}

func (w *world) explain(id string) *candorv1.ExplainPredictionResponse {
	w.t.Helper()
	resp, err := candorv1.NewExplainServiceClient(w.conn).ExplainPrediction(as(auditorToken), &candorv1.ExplainPredictionRequest{PredictionId: id})
	if err != nil {
		w.t.Fatal(err)
	}
	return resp
}

func hasReason(d *candorv1.Decision, r candorv1.Reason) bool {
	return slices.Contains(d.GetReasons(), r)
}
