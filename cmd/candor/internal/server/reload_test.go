package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/candor-gateway/candor/cmd/candor/internal/remote"
	"github.com/candor-gateway/candor/config"
	"github.com/candor-gateway/candor/gateway"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/gen/inference"
	"github.com/candor-gateway/candor/internal/oiptest"
)

// lines is a log that tests read while it is written.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), text)
}

// await waits until the log has the text n times.
func (l *lines) await(t *testing.T, text string, n int) {
	t.Helper()
	for deadline := time.Now().Add(patience); l.count(text) < n; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the log never had %q %d times:\n%s", text, n, l.text.String())
		}
	}
}

// subject is a running gateway whose files a test changes.
type subject struct {
	*testing.T
	folder string
	text   string
	addrs  gateway.Addrs
	log    *lines
	hangup chan os.Signal
}

func newSubject(t *testing.T, text string) *subject {
	model := oiptest.Start(t, oiptest.Model{Name: "m", Infer: oiptest.Const(0.2, 0.8)})
	s := &subject{T: t, folder: t.TempDir(), log: &lines{}, hangup: make(chan os.Signal, 1)}
	s.text = strings.NewReplacer("$MODEL", model.Addr(), "$HASH", gateway.HashToken("a-token")).Replace(text)
	return s
}

func (s *subject) file() string { return filepath.Join(s.folder, "candor.yaml") }

// replace puts text into a file as those who want nobody to read half of it do.
func (s *subject) replace(file, text string) {
	s.Helper()
	write(s.T, file+".new", text)
	if err := os.Rename(file+".new", file); err != nil {
		s.Fatal(err)
	}
}

func (s *subject) run(file string) {
	s.Helper()
	if _, _, err := Init(s.Context(), file); err != nil {
		s.Fatal(err)
	}
	s.addrs, _ = startWith(s.T, Options{Config: file, Log: slog.New(slog.NewTextHandler(s.log, nil)), Version: "test", Hangup: s.hangup})
}

// route is what becomes of a row whose confidence is 0.8.
func (s *subject) route(conn *remote.Conn) candorv1.Route {
	s.Helper()
	ctx, cancel := conn.Context(s.Context())
	defer cancel()
	resp, err := candorv1.NewPredictionServiceClient(conn).Predict(ctx, &candorv1.PredictRequest{Request: &inference.ModelInferRequest{
		ModelName: "m",
		Inputs: []*inference.ModelInferRequest_InferInputTensor{{
			Name: "x", Datatype: "FP32", Shape: []int64{1, 1}, Contents: &inference.InferTensorContents{Fp32Contents: []float32{1}},
		}},
	}})
	if err != nil {
		s.Fatal(err)
	}
	return resp.GetPredictions()[0].GetDecision().GetRoute()
}

// configuration is what an operator is shown.
func (s *subject) configuration() *candorv1.GetConfigurationResponse {
	s.Helper()
	token := filepath.Join(s.folder, "operator.token")
	write(s.T, token, "omar")
	conn := dial(s.T, "--server", s.addrs.GRPC, "--token-file", token)
	ctx, cancel := conn.Context(s.Context())
	defer cancel()
	resp, err := candorv1.NewExplainServiceClient(conn).GetConfiguration(ctx, &candorv1.GetConfigurationRequest{})
	if err != nil {
		s.Fatal(err)
	}
	return resp
}

// metric answers a line of /metrics without its name; empty: there is none.
func (s *subject) metric(series string) string {
	s.Helper()
	resp, err := http.Get("http://" + s.addrs.HTTP + "/metrics")
	if err != nil {
		s.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	defer http.DefaultClient.CloseIdleConnections()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		s.Fatal(err)
	}
	for line := range strings.Lines(string(body)) {
		if value, ok := strings.CutPrefix(line, series+" "); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

const (
	accept, reject = candorv1.Route_ROUTE_ACCEPT, candorv1.Route_ROUTE_REJECT
	reloadedLine   = `msg="configuration reloaded"`
	refusedLine    = "the one before stays in force"
)

// A changed file is in force soon after; one with faults changes nothing, and the log has each of them, once.
func TestReloadOfAFile(t *testing.T) {
	t.Parallel()
	s := newSubject(t, plainConfig)
	write(t, s.file(), s.text)
	s.run(s.file())
	conn := dial(t, "--server", s.addrs.GRPC)
	if r := s.route(conn); r != reject {
		t.Fatalf("at first %v", r)
	}
	loose := strings.Replace(s.text, "probability: 0.9", "probability: 0.5", 1)
	s.replace(s.file(), loose)
	s.log.await(t, reloadedLine, 1)
	if r := s.route(conn); r != accept {
		t.Errorf("under the new threshold %v", r)
	}
	began := s.metric("candor_config_last_reload_success_timestamp_seconds")

	s.replace(s.file(), strings.Replace(strings.Replace(loose, "probability: 0.5", "probability: 5", 1), "owner: test", "onwer: test", 1))
	s.log.await(t, refusedLine, 1)
	s.log.await(t, "candor.yaml:", 2)
	for _, fault := range []string{"write owner", "models.m.policy.accept.threshold"} {
		if s.log.count(fault) == 0 {
			t.Errorf("the log doesn't have %q:\n%s", fault, s.log.text.String())
		}
	}
	if r := s.route(conn); r != accept {
		t.Errorf("after the refusal %v", r)
	}
	if got := s.metric("candor_config_last_reload_successful"); got != "0" {
		t.Errorf("last successful: %q", got)
	}
	if c := s.configuration(); c.GetRefuseTime() == nil || len(c.GetFaults()) != 2 || !strings.Contains(c.GetFaults()[0], "candor.yaml:") {
		t.Errorf("shown: %v", c)
	}
	// Asked by hand it says so again.
	s.hangup <- syscall.SIGHUP
	s.log.await(t, refusedLine, 2)

	s.replace(s.file(), strings.Replace(loose, `grpc: "127.0.0.1:0"`, `grpc: "127.0.0.1:1"`, 1))
	s.log.await(t, "listen.grpc: can't change while the gateway runs; restart it", 1)

	s.replace(s.file(), loose)
	s.log.await(t, "the configuration is the one in force", 1)
	for series, want := range map[string]string{
		`candor_config_reload_total{result="success"}`: "1", `candor_config_reload_total{result="refused"}`: "3",
		"candor_config_last_reload_successful": "1", "candor_config_last_reload_success_timestamp_seconds": began,
	} {
		if got := s.metric(series); got != want {
			t.Errorf("%s is %q, want %q", series, got, want)
		}
	}
	shown := s.configuration()
	if shown.GetRefuseTime() != nil || len(shown.GetModels()) != 1 {
		t.Errorf("shown: %v", shown)
	}
	s.replace(s.file(), s.text)
	s.log.await(t, reloadedLine, 2)
	if c := s.configuration(); c.GetModels()[0].GetPolicyDigest() == shown.GetModels()[0].GetPolicyDigest() || !c.GetLoadTime().AsTime().After(shown.GetLoadTime().AsTime()) {
		t.Errorf("shown: %v, before %v", c, shown)
	}
	if r := s.route(conn); r != reject {
		t.Errorf("back again %v", r)
	}
}

// Kubernetes swaps a ConfigMap by a symbolic link to a folder, so that no file ever changes.
// What was refused for something else than what the files say is tried again.
func TestMayPassLater(t *testing.T) {
	for _, test := range []struct {
		err  error
		want bool
	}{
		{nil, false},
		{config.Faults{{}}, false},
		{&gateway.RestartError{Fields: []string{"listen.grpc"}}, false},
		{errors.New("queues: the store did not answer"), true},
	} {
		if got := mayPassLater(test.err); got != test.want {
			t.Errorf("%v: %v", test.err, got)
		}
	}
}

// A reload that a stop cuts off says nothing about the configuration.
func TestReloadCutOffByAStop(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	stop()
	log := &lines{}
	r := &reloader{
		file: filepath.Join(t.TempDir(), "candor.yaml"), gateway: new(gateway.Gateway), log: slog.New(slog.NewTextHandler(log, nil)),
		metrics: newReloadMetrics(prometheus.NewRegistry()),
	}
	r.reload(ctx, false)
	if log.count("refused") > 0 || r.refusal != "" {
		t.Errorf("told: %s", log.text.String())
	}
}

func TestReloadOfAConfigMap(t *testing.T) {
	t.Parallel()
	s := newSubject(t, plainConfig)
	// The store is elsewhere: a ConfigMap's folder can't be written to.
	s.text = strings.Replace(s.text, "path: candor.db", "path: "+filepath.Join(t.TempDir(), "candor.db"), 1)
	version := func(name, text string) {
		t.Helper()
		if err := os.Mkdir(filepath.Join(s.folder, name), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(s.folder, name, "candor.yaml"), text)
		if err := os.Symlink(name, filepath.Join(s.folder, "..data_tmp")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(s.folder, "..data_tmp"), filepath.Join(s.folder, "..data")); err != nil {
			t.Fatal(err)
		}
	}
	version("..1", s.text)
	if err := os.Symlink("..data/candor.yaml", s.file()); err != nil {
		t.Fatal(err)
	}
	s.run(s.file())
	conn := dial(t, "--server", s.addrs.GRPC)
	for i, want := range []candorv1.Route{accept, reject, accept} {
		text := s.text
		if want == accept {
			text = strings.Replace(text, "probability: 0.9", "probability: 0.5", 1)
		}
		version("..new"+string(rune('a'+i)), text)
		s.log.await(t, reloadedLine, i+1)
		if r := s.route(conn); r != want {
			t.Errorf("version %d: %v, want %v", i, r, want)
		}
	}
}

// A renewed certificate is shown to whoever connects from then on; connections that are there go on. An authority that is taken away takes its
// clients with it, on connections that are there, too.
func TestReloadOfCertificates(t *testing.T) {
	t.Parallel()
	s := newSubject(t, tlsConfig)
	ca := newAuthority(t, s.folder)
	ca.issue(t, s.folder, "server", "localhost")
	ca.issue(t, s.folder, "client", "ana.example.com")
	write(t, filepath.Join(s.folder, "consumer.token"), "a-token\n")
	write(t, s.file(), s.text)
	// Clients go on trusting the server, whoever the server trusts.
	roots := filepath.Join(s.folder, "roots.crt")
	copyFile(t, filepath.Join(s.folder, "ca.crt"), roots)
	s.run(s.file())
	_, port, _ := strings.Cut(s.addrs.GRPC, ":")
	at := []string{"--server", "localhost:" + port, "--ca-file", roots}
	consumer := dial(t, append(at, "--token-file", filepath.Join(s.folder, "consumer.token"))...)
	operator := dial(t, append(at, "--cert-file", filepath.Join(s.folder, "client.crt"), "--key-file", filepath.Join(s.folder, "client.key"))...)
	look := func() error {
		ctx, cancel := operator.Context(t.Context())
		defer cancel()
		_, err := candorv1.NewExplainServiceClient(operator).ListBackends(ctx, &candorv1.ListBackendsRequest{})
		return err
	}
	if err := look(); err != nil {
		t.Fatal(err)
	}
	s.route(consumer)
	first := s.shown(roots)

	ca.issue(t, s.folder, "server", "localhost")
	s.log.await(t, reloadedLine, 1)
	if renewed := s.shown(roots); renewed.Equal(first) {
		t.Error("the old certificate is still shown")
	}
	s.route(consumer)
	if err := look(); err != nil {
		t.Error(err)
	}

	// A certificate without its key changes nothing.
	copyFile(t, filepath.Join(s.folder, "client.crt"), filepath.Join(s.folder, "server.crt"))
	s.log.await(t, refusedLine, 1)
	s.route(dial(t, append(at, "--token-file", filepath.Join(s.folder, "consumer.token"))...))

	ca.issue(t, s.folder, "server", "localhost")
	newAuthority(t, s.folder)
	s.log.await(t, reloadedLine, 2)
	// The two may be two reloads.
	err := look()
	for end := time.Now().Add(patience); err == nil && time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		err = look()
	}
	if remote.Reason(err) != candorv1.ErrorReason_ERROR_REASON_UNAUTHENTICATED {
		t.Errorf("a client of an authority that is trusted no more: %v", err)
	}
	s.route(consumer)
}

// shown is the certificate that a new connection gets.
func (s *subject) shown(roots string) *x509.Certificate {
	s.Helper()
	text, err := os.ReadFile(roots)
	if err != nil {
		s.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(text)
	conn, err := tls.Dial("tcp", s.addrs.GRPC, &tls.Config{RootCAs: pool, ServerName: "localhost", NextProtos: []string{"h2"}})
	if err != nil {
		s.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	return conn.ConnectionState().PeerCertificates[0]
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	write(t, to, string(text))
}
