package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"

	"github.com/candor-gateway/candor/config"
	"github.com/candor-gateway/candor/gateway"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/gen/inference"
	"github.com/candor-gateway/candor/store/sqlite"
)

// A shutdown is told to whoever watches, calls in flight finish, new ones are refused, and streams that have no end of their
// own don't hold it up.
func TestDrain(t *testing.T) {
	w := start(t, "reflection: true", "reflection: true, drain_timeout: 1h")
	conn := w.dial()
	defer func() { _ = conn.Close() }()

	health, err := healthpb.NewHealthClient(conn).Watch(bounded(t, ""), &healthpb.HealthCheckRequest{Service: "inference.GRPCInferenceService"})
	if err != nil {
		t.Fatal(err)
	}
	if s, err := health.Recv(); err != nil || s.GetStatus() != healthpb.HealthCheckResponse_SERVING {
		t.Fatalf("before: %v %v", s, err)
	}
	idle, err := reflectionpb.NewServerReflectionClient(conn).ServerReflectionInfo(bounded(t, ""))
	if err != nil {
		t.Fatal(err)
	}
	if err := idle.Send(&reflectionpb.ServerReflectionRequest{MessageRequest: &reflectionpb.ServerReflectionRequest_ListServices{}}); err != nil {
		t.Fatal(err)
	}
	if _, err := idle.Recv(); err != nil {
		t.Fatal(err)
	}
	finals, err := candorv1.NewPredictionServiceClient(conn).WatchPredictions(bounded(t, clientToken), &candorv1.WatchPredictionsRequest{})
	if err != nil {
		t.Fatal(err)
	}

	w.primary.Hang()
	type result struct {
		resp *inference.ModelInferResponse
		err  error
	}
	inFlight := make(chan result, 1)
	go func() {
		resp, err := inference.NewGRPCInferenceServiceClient(conn).ModelInfer(bounded(t, ""), request([][4]float32{sureRow}))
		inFlight <- result{resp, err}
	}()
	if err := w.primary.AwaitCalls(bounded(t, ""), 1); err != nil {
		t.Fatal(err)
	}

	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		w.stop()
	}()
	if s, err := health.Recv(); err != nil || s.GetStatus() != healthpb.HealthCheckResponse_NOT_SERVING {
		t.Errorf("while draining: %v %v", s, err)
	}
	w.eventually(func() bool { code, _ := w.get("/healthz"); return code == http.StatusServiceUnavailable })
	_, err = finals.Recv()
	if wantError(t, err, codes.Unavailable, "DRAINING"); toldBy(t, err).retry == nil {
		t.Errorf("no advice when to retry: %v", err)
	}
	fresh := w.dial()
	defer func() { _ = fresh.Close() }()
	_, err = inference.NewGRPCInferenceServiceClient(fresh).ModelInfer(bounded(t, ""), request([][4]float32{sureRow}))
	if status.Code(err) != codes.Unavailable {
		t.Errorf("a new call: %v", err)
	}

	w.primary.Resume()
	if got := <-inFlight; got.err != nil || got.resp.GetParameters()["candor_route"].GetStringParam() != "ACCEPT" {
		t.Errorf("the call in flight: %v %v", got.resp, got.err)
	}
	select {
	case <-stopped:
	case <-time.After(time.Minute):
		t.Fatal("the gateway waits for streams that never end")
	}
	if code, text := w.get("/healthz"); code != 0 {
		t.Errorf("stopped, and /healthz answers %d %s", code, text)
	}
}

// A call that outlasts the drain time is cut off: a stop always ends.
func TestDrainHasAnEnd(t *testing.T) {
	w := start(t, "reflection: true", "reflection: true, drain_timeout: 0.1s")
	conn := w.dial()
	defer func() { _ = conn.Close() }()
	for _, s := range []interface{ Hang() }{w.primary, w.a, w.b, w.old} {
		s.Hang()
	}
	failed := make(chan error, 1)
	go func() {
		_, err := inference.NewGRPCInferenceServiceClient(conn).ModelInfer(bounded(t, ""), request([][4]float32{sureRow}))
		failed <- err
	}()
	if err := w.primary.AwaitCalls(bounded(t, ""), 1); err != nil {
		t.Fatal(err)
	}
	w.stop()
	if err := <-failed; status.Code(err) == codes.OK {
		t.Error("answered by nobody")
	}
}

func TestHTTP(t *testing.T) {
	w := start(t)
	if code, body := w.get("/healthz"); code != http.StatusOK || body != "ok\n" {
		t.Errorf("/healthz answers %d %q", code, body)
	}
	if code, _ := w.get("/"); code != http.StatusNotFound {
		t.Errorf("/ answers %d", code)
	}
	a := w.infer(t.Context(), request([][4]float32{sureRow, fallbackRow, deferredRow}, "candor_route"))
	if a.err != nil {
		t.Fatal(a.err)
	}
	for series, want := range map[string]float64{
		`candor_decisions_total{applied="ACCEPT",model="fraud",route="ACCEPT"}`:     1,
		`candor_decisions_total{applied="FALLBACK",model="fraud",route="FALLBACK"}`: 1,
		`candor_decisions_total{applied="DEFER",model="fraud",route="DEFER"}`:       1,
		`candor_answers_total{model="fraud",stage="primary"}`:                       1,
		`candor_answers_total{model="fraud",stage="both"}`:                          1,
		`candor_backend_attempts_total{backend="a",result="ok"}`:                    1,
		`candor_breaker_state{backend="old"}`:                                       1,
		`candor_prediction_seconds_count{model="fraud"}`:                            1,
		`candor_model_created_timestamp_seconds{backend="primary",version="3"}`:     1767323045,
	} {
		if got := w.metric(series); got != want {
			t.Errorf("%s is %v, want %v", series, got, want)
		}
	}
}

// A stop that comes before the gateway listens is as clean as any, and no trouble with the name of its host.
func TestStopBeforehand(t *testing.T) {
	w := start(t, `grpc: "127.0.0.1:0"`, `grpc: "localhost:0"`)
	w.stop()
	cfg, faults := config.Parse("test.yaml", []byte(w.yaml))
	if errs := faults.Errors(); len(errs) > 0 {
		t.Fatal(errs)
	}
	store, err := sqlite.Open(t.Context(), w.db(), "test", sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	g, err := gateway.New(t.Context(), cfg, gateway.Deps{
		Ledger: store, Reviews: store, Limits: store, Certificates: store, Artefacts: store, Pins: store, Webhooks: store, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	stopped, stop := context.WithCancel(t.Context())
	stop()
	if err := errors.Join(g.Run(stopped, nil), g.Close(), store.Close(context.Background())); err != nil {
		t.Error(err)
	}
}

// broken panics where it is asked to store a plain accept.
type broken struct{ gateway.Ledger }

func (broken) Enqueue(context.Context, *candorv1.Record) error { panic("no such luck") }

// A defect fails its own call and no other.
func TestPanicInACall(t *testing.T) {
	log := &lines{}
	w := startWith(t, options{deps: func(d *gateway.Deps) {
		d.Ledger, d.Log = broken{d.Ledger}, slog.New(slog.NewTextHandler(log, nil))
	}})
	err := w.infer(t.Context(), request([][4]float32{sureRow})).err
	if wantError(t, err, codes.Internal, "INTERNAL"); strings.Contains(err.Error(), "luck") {
		t.Errorf("the caller is told %v", err)
	}
	if a := w.infer(t.Context(), request([][4]float32{fallbackRow})); a.err != nil {
		t.Error(a.err)
	}
	if n := w.metric("candor_panics_total"); n != 1 || log.count("no such luck") != 1 {
		t.Errorf("%v panics counted, %d logged", n, log.count("no such luck"))
	}
}

// grumpy is a log that panics when a breaker changes, which happens deep inside a call to a model server.
type grumpy struct{ slog.Handler }

func (grumpy) Enabled(context.Context, slog.Level) bool   { return true }
func (g grumpy) WithAttrs(attrs []slog.Attr) slog.Handler { return g }
func (grumpy) Handle(_ context.Context, r slog.Record) error {
	if r.Message == "breaker changed" {
		panic("not again")
	}
	return nil
}

// Members are asked in goroutines of their own, behind which no handler recovers.
func TestPanicBesideACall(t *testing.T) {
	w := startWith(t, options{deps: func(d *gateway.Deps) { d.Log = slog.New(grumpy{slog.DiscardHandler}) }}, "BREAKER", "{min_calls: 1}")
	w.a.Kill()
	a := w.infer(t.Context(), request([][4]float32{row(.6, .5, .97)}))
	if a.err != nil || a.param("candor_answered_by") != "old" {
		t.Errorf("%v %v", a.resp, a.err)
	}
	if n := w.metric("candor_panics_total"); n != 1 {
		t.Errorf("%v panics counted", n)
	}
}

// For a while after health says that the gateway is leaving, those who have not heard are served. Who looks only when that while is over, on a
// machine that is busy, has seen nothing, and looks again with a longer one.
func TestDrainDelay(t *testing.T) {
	for delay := 2 * time.Second; !servedWhileLeaving(t, delay); delay *= 3 {
		t.Logf("a delay of %v was too short for this machine", delay)
	}
}

// servedWhileLeaving is false when the delay may have been over before all was seen.
func servedWhileLeaving(t *testing.T, delay time.Duration) (seen bool) {
	w := start(t, "drain_delay: 0s", fmt.Sprintf("drain_delay: %v", delay))
	health, err := healthpb.NewHealthClient(w.conn).Watch(bounded(t, ""), &healthpb.HealthCheckRequest{Service: "inference.GRPCInferenceService"})
	if err != nil {
		t.Fatal(err)
	}
	if s, err := health.Recv(); err != nil || s.GetStatus() != healthpb.HealthCheckResponse_SERVING {
		t.Fatalf("before: %v %v", s, err)
	}
	conn := w.dial()
	defer func() { _ = conn.Close() }()
	stopped := make(chan struct{})
	w.conn, conn = conn, w.conn // stop closes the world's connection at once, which is not what this is about
	began := time.Now()
	go func() {
		defer close(stopped)
		w.stop()
	}()
	told, untold := health.Recv()
	code, _ := w.get("/healthz")
	_, refused := inference.NewGRPCInferenceServiceClient(conn).ModelInfer(bounded(t, ""), request([][4]float32{sureRow}))
	took := time.Since(began)
	<-stopped
	if took >= delay {
		return false
	}
	if untold != nil || told.GetStatus() != healthpb.HealthCheckResponse_NOT_SERVING {
		t.Errorf("while leaving: %v %v", told, untold)
	}
	if code != http.StatusServiceUnavailable {
		t.Errorf("/healthz answers %d", code)
	}
	if refused != nil {
		t.Errorf("a call during the delay: %v", refused)
	}
	return true
}
