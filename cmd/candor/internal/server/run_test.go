package server

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	"github.com/candor-gateway/candor/cmd/candor/internal/remote"
	"github.com/candor-gateway/candor/config"
	"github.com/candor-gateway/candor/gateway"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/gen/inference"
	"github.com/candor-gateway/candor/internal/leaktest"
	"github.com/candor-gateway/candor/internal/oiptest"
	"github.com/candor-gateway/candor/store/postgres/pgtest"
	"github.com/candor-gateway/candor/store/sqlite"
)

func TestMain(m *testing.M) { leaktest.Main(tests{m}) }

// tests stop the PostgreSQL that they have used.
type tests struct{ *testing.M }

func (t tests) Run() int { return pgtest.Main(t.M) }

// patience is how long something may take on a machine that is busy with other tests, too. Reaching it is a failure.
const patience = 2 * time.Minute

// start runs a configuration in this process until the test ends, and wants a clean end.
func start(t *testing.T, file string) (addrs gateway.Addrs, stop func()) {
	t.Helper()
	return startWith(t, Options{Config: file, Stdout: t.Output(), Version: "test"})
}

func startWith(t *testing.T, o Options) (addrs gateway.Addrs, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan gateway.Addrs, 1), make(chan error, 1)
	o.Ready = func(a gateway.Addrs) { ready <- a }
	go func() { ended <- Run(ctx, o) }()
	select {
	case addrs = <-ready:
	case err := <-ended:
		cancel()
		t.Fatal(err)
	case <-time.After(patience):
		cancel()
		t.Fatal("the gateway does not listen")
	}
	stopped := false
	stop = func() {
		cancel()
		if stopped {
			return
		}
		stopped = true
		if err := <-ended; err != nil {
			t.Errorf("the gateway did not end cleanly: %v", err)
		}
	}
	t.Cleanup(stop)
	return addrs, stop
}

// dial connects as a command with these flags would.
func dial(t *testing.T, args ...string) *remote.Conn {
	t.Helper()
	var f remote.Flags
	fs := pflag.NewFlagSet("test", pflag.ContinueOnError)
	f.Register(fs)
	if err := fs.Parse(args); err != nil {
		t.Fatal(err)
	}
	conn, err := f.Dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// The whole program over TLS: every file name is relative to the configuration's folder, who calls is proved by a certificate
// or a token, spans go to a file.
func TestRunOverTLS(t *testing.T) {
	t.Parallel()
	model := oiptest.Start(t, oiptest.Model{Name: "m", Infer: oiptest.Const(0.2, 0.8)})
	folder := t.TempDir()
	ca := newAuthority(t, folder)
	ca.issue(t, folder, "server", "localhost")
	ca.issue(t, folder, "client", "ana.example.com")
	ca.issue(t, folder, "stranger", "eve.example.com")
	token := filepath.Join(folder, "consumer.token")
	write(t, token, "a-token\n")
	file := filepath.Join(folder, "candor.yaml")
	write(t, file, strings.NewReplacer("$MODEL", model.Addr(), "$HASH", gateway.HashToken("a-token")).Replace(tlsConfig))
	if _, _, err := Init(t.Context(), file); err != nil {
		t.Fatal(err)
	}
	addrs, stop := start(t, file)
	_, port, _ := strings.Cut(addrs.GRPC, ":")
	at := []string{"--server", "localhost:" + port, "--ca-file", filepath.Join(folder, "ca.crt")}

	// A consumer with a token.
	consumer := dial(t, append(at, "--token-file", token)...)
	predict(t, consumer)
	ctx, cancel := consumer.Context(t.Context())
	defer cancel()

	// An operator with a certificate.
	with := func(name string) []string {
		return append(at, "--cert-file", filepath.Join(folder, name+".crt"), "--key-file", filepath.Join(folder, name+".key"))
	}
	if _, err := candorv1.NewExplainServiceClient(dial(t, with("client")...)).ListBackends(ctx, &candorv1.ListBackendsRequest{}); err != nil {
		t.Errorf("an operator with a certificate: %v", err)
	}

	// Everybody else is told what is missing.
	for name, tt := range map[string]struct {
		args []string
		want candorv1.ErrorReason
		text string
	}{
		"no credentials":    {at, candorv1.ErrorReason_ERROR_REASON_UNAUTHENTICATED, "; present a client certificate, or "},
		"a stranger":        {with("stranger"), candorv1.ErrorReason_ERROR_REASON_UNAUTHENTICATED, "names no declared consumer or operator"},
		"no role":           {append(at, "--token-file", token), candorv1.ErrorReason_ERROR_REASON_PERMISSION_DENIED, "an administrator can add it"},
		"unknown authority": {[]string{"--server", "localhost:" + port, "--tls"}, 0, "--ca-file and --server-name say what certificate to expect"},
		"another name":      {append(at, "--server-name", "example.com"), 0, "--ca-file and --server-name say what certificate to expect"},
		"no TLS":            {[]string{"--server", "localhost:" + port}, 0, "one that talks TLS needs --tls"},
	} {
		_, err := candorv1.NewExplainServiceClient(dial(t, tt.args...)).ListBackends(ctx, &candorv1.ListBackendsRequest{})
		if err == nil || remote.Reason(err) != tt.want || !strings.Contains(err.Error(), tt.text) {
			t.Errorf("%s: %v (%v), want %v and %q", name, err, remote.Reason(err), tt.want, tt.text)
		}
	}

	stop()
	spans, err := os.ReadFile(filepath.Join(folder, "spans.jsonl"))
	if err != nil || !strings.Contains(string(spans), `"TraceID"`) {
		t.Errorf("the spans are %q, %v", spans, err)
	}
}

// What can't be served is refused before anything is opened, or given back.
func TestRunRefuses(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	file := filepath.Join(folder, "candor.yaml")
	good := strings.NewReplacer("$MODEL", "127.0.0.1:9").Replace(plainConfig)
	run := func(text string) error {
		write(t, file, text)
		return Run(t.Context(), Options{Config: file})
	}

	var faults config.Faults
	if err := run(strings.Replace(good, "identity: s", "identity: S", 1)); !errors.As(err, &faults) {
		t.Errorf("a fault: %v", err)
	}
	var e *cli.Error
	if err := run(good); !errors.Is(err, sqlite.ErrAbsent) || !errors.As(err, &e) || !strings.Contains(e.Remedy, "candor init") {
		t.Errorf("no store: %v", err)
	}
	if _, _, err := Init(t.Context(), file); err != nil {
		t.Fatal(err)
	}
	if err := run(strings.Replace(good, "identity: s", "identity: t", 1)); !errors.Is(err, sqlite.ErrForeign) {
		t.Errorf("a foreign store: %v", err)
	}
	if err := run(good + "telemetry: {trace_file: no/such/folder/spans}\n"); err == nil || !strings.Contains(err.Error(), "telemetry.trace_file: open ") {
		t.Errorf("a trace file that can't be made: %v", err)
	}

	// The port is taken by another gateway, which goes on; the store of the refused one is given back.
	write(t, file, good)
	addrs, stop := start(t, file)
	second := filepath.Join(t.TempDir(), "second.yaml")
	write(t, second, strings.Replace(good, "127.0.0.1:0", addrs.GRPC, 1))
	if _, _, err := Init(t.Context(), second); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := Run(t.Context(), Options{Config: second}); err == nil || !strings.Contains(err.Error(), "listen.grpc: ") {
			t.Errorf("a port that is taken: %v", err)
		}
	}
	// Another machine's address is no port that somebody has.
	for field, listen := range map[string]string{
		"listen.grpc": `{grpc: "192.0.2.1:0", insecure: true}`,
		"listen.http": `{grpc: "127.0.0.1:0", http: "192.0.2.1:0"}`,
		"listen.web":  `{grpc: "127.0.0.1:0", web: "192.0.2.1:0", insecure: true, public_url: "https://review.example.com"}` + "\npeople: {local: true}",
	} {
		write(t, second, strings.Replace(good, `{grpc: "127.0.0.1:0", http: "127.0.0.1:0"}`, listen, 1))
		err := Run(t.Context(), Options{Config: second})
		if err == nil || !strings.HasPrefix(err.Error(), field+": ") || !strings.Contains(err.Error(), "no such address") || strings.Contains(err.Error(), "another program") {
			t.Errorf("another machine's address: %v", err)
		}
	}
	stop()
	if err := Run(cancelled(), Options{Config: file}); err != nil {
		t.Errorf("a stop at once: %v", err)
	}
}

// A collector that is down keeps nobody from starting, serving or ending cleanly.
func TestDeadCollector(t *testing.T) {
	t.Parallel()
	model := oiptest.Start(t, oiptest.Model{Name: "m", Infer: oiptest.Const(0.2, 0.8)})
	file := filepath.Join(t.TempDir(), "candor.yaml")
	write(t, file, strings.Replace(plainConfig, "$MODEL", model.Addr(), 1)+"telemetry: {otlp_endpoint: \"127.0.0.1:9\"}\n")
	if _, _, err := Init(t.Context(), file); err != nil {
		t.Fatal(err)
	}
	addrs, stop := start(t, file)
	predict(t, dial(t, "--server", addrs.GRPC))
	stop()
}

// predict asks about one row, which is rejected, and so kept in the trace.
func predict(t *testing.T, conn *remote.Conn) {
	t.Helper()
	ctx, cancel := conn.Context(t.Context())
	defer cancel()
	resp, err := candorv1.NewPredictionServiceClient(conn).Predict(ctx, &candorv1.PredictRequest{Request: &inference.ModelInferRequest{
		ModelName: "m",
		Inputs: []*inference.ModelInferRequest_InferInputTensor{{
			Name: "x", Datatype: "FP32", Shape: []int64{1, 1}, Contents: &inference.InferTensorContents{Fp32Contents: []float32{1}},
		}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if route := resp.GetPredictions()[0].GetDecision().GetRoute(); route != candorv1.Route_ROUTE_REJECT {
		t.Errorf("0.8 at a threshold of 0.9 is %v", route)
	}
}

func cancelled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

const plainConfig = `
listen: {grpc: "127.0.0.1:0", http: "127.0.0.1:0"}
store: {identity: s, sqlite: {path: candor.db}}
consumers: {caller: {identity: {anonymous: true}, models: ["*"]}}
operators: {omar: {identity: {token_sha256: 21297e6e966afbd06e8f08c4525ae2edcbd3696cc6bc436037e278d4b1e67b4d}, roles: [operator]}} # token omar
` + modelConfig

const tlsConfig = `
listen: {grpc: "127.0.0.1:0", http: "127.0.0.1:0", tls: {cert_file: server.crt, key_file: server.key, client_ca_file: ca.crt}}
store: {identity: s, sqlite: {path: data/candor.db}}
consumers: {caller: {identity: {token_sha256: $HASH}, models: ["*"]}}
operators: {ana: {identity: {mtls_san: ana.example.com}, roles: [auditor]}}
telemetry: {trace_file: spans.jsonl}
` + modelConfig

const modelConfig = `
backends:
  m:
    address: $MODEL
    model: m
    version: "1"
    card:
      created_at: 2026-01-01T00:00:00Z
      owner: test
      rows: first_dim
      inputs: [{name: x, datatype: FP32, shape: [-1, 1]}]
      outputs: [{name: probabilities, datatype: FP32, shape: [-1, 2]}]
      scores: [{output: probabilities, kind: probability, labels: [no, "yes"]}]
models:
  m:
    primary: m
    policy:
      mode: enforce
      accept: {threshold: {probability: 0.9}}
      answers: [{output: probabilities, fill: scores}]
`
