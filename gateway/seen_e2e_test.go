package gateway_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/gen/inference"
	"github.com/candor-gateway/candor/internal/oiptest"
)

// attemptsBelow are the spans of a stage's attempts, in order of their start; the stage must be the last of its name.
func attemptsBelow(t *testing.T, all tracetest.SpanStubs, stage string) (of tracetest.SpanStub, attempts tracetest.SpanStubs) {
	t.Helper()
	for _, s := range named(all, "candor.backend") {
		if attr(s, "candor.stage") == stage {
			of = s
		}
	}
	for _, s := range named(all, "candor.attempt") {
		if s.Parent.SpanID() == of.SpanContext.SpanID() {
			attempts = append(attempts, s)
		}
	}
	slices.SortFunc(attempts, func(a, b tracetest.SpanStub) int { return a.StartTime.Compare(b.StartTime) })
	return of, attempts
}

// A retried call is kept, whatever the share of plain accepts; each attempt has a span, a place in the record and in the path.
func TestRetryIsSeen(t *testing.T) {
	for ratio, known := range map[string]bool{"0": false, "1": true} {
		t.Run("ratio "+ratio, func(t *testing.T) {
			w, s := traced(t, ratio)
			w.primary.Script(oiptest.Fail(codes.Unavailable, "going down"))
			a := w.infer(as(clientToken), request([][4]float32{sureRow}))
			if a.err != nil || a.param("candor_attempts") != "2" || a.param("candor_hedged") != "" {
				t.Fatalf("%v, %v", a.err, a.resp.GetParameters())
			}
			id := a.param("candor_prediction_id")
			step, st := w.prediction(id).GetPath()[0], w.explain(id).GetRecord().GetStages()[0]
			for name, tried := range map[string][]*candorv1.Attempt{"path": step.GetTried(), "record": st.GetTried()} {
				if len(tried) != 2 || tried[0].GetFailure() != candorv1.Reason_REASON_BACKEND_FAILURE || tried[0].GetFailureSource() != candorv1.FailureSource_FAILURE_SOURCE_BACKEND ||
					tried[1].GetFailure() != 0 || tried[1].GetStartUs() <= tried[0].GetStartUs() || tried[1].GetHedge() {
					t.Errorf("%s: %v", name, tried)
				}
			}
			plain := w.infer(as(clientToken), request([][4]float32{sureRow}))
			if tried := w.prediction(plain.param("candor_prediction_id")).GetPath()[0].GetTried(); tried != nil {
				t.Errorf("one attempt is told as %v", tried)
			}
			history := w.primary.History()
			all := s.exported(w)
			if roots := named(all, "candor.predict"); len(roots) != map[bool]int{false: 1, true: 2}[known] {
				t.Errorf("%d calls were kept", len(roots))
			}
			var stage tracetest.SpanStub
			for _, span := range named(all, "candor.backend") {
				if attr(span, "candor.attempts") == "2" {
					stage = span
				}
			}
			attempts := slices.DeleteFunc(named(all, "candor.attempt"), func(s tracetest.SpanStub) bool { return s.Parent.SpanID() != stage.SpanContext.SpanID() })
			if len(attempts) != 2 {
				t.Fatalf("%d attempts", len(attempts))
			}
			for i, want := range []struct{ kind, result, reason string }{{"first", "failed", "BACKEND_FAILURE"}, {"retry", "answered", ""}} {
				span, sent := attempts[i], strings.Split(history[i].Metadata.Get("traceparent")[0], "-")
				if attr(span, "candor.attempt_kind") != want.kind || attr(span, "candor.result") != want.result || attr(span, "candor.reason") != want.reason ||
					span.StartTime.Before(stage.StartTime) || span.EndTime.After(stage.EndTime.Add(time.Millisecond)) {
					t.Errorf("attempt %d: %v", i, span.Attributes)
				}
				// Of a call that is not sampled all are sent the same ids.
				if (sent[2] == span.SpanContext.SpanID().String()) != known {
					t.Errorf("attempt %d has span %v, its model server was sent %s", i, span.SpanContext.SpanID(), sent[2])
				}
			}
		})
	}
}

func TestHedgeIsSeen(t *testing.T) {
	w, s := traced(t, "0", "PRIMARY, model: m", "PRIMARY, adaptive_limit: false, hedge: {percentile: 0.9}, model: m")
	// As many as must be known, none of them hedged, and in a time in which a first attempt surely arrives before a second is made.
	const warm = 100
	w.primary.Script(slices.Repeat([]oiptest.Responder{slowly(0, 30*time.Millisecond)}, warm)...)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			for range warm / 20 {
				w.infer(as(clientToken), request([][4]float32{sureRow}))
			}
		})
	}
	all.Wait()
	if b := w.backend("primary"); b.GetHedgeDelay().AsDuration() < 30*time.Millisecond || b.GetHedgePercentile() != 0.9 || w.metric(`candor_backend_hedge_delay_seconds{backend="primary"}`) < 0.03 {
		t.Fatalf("status %v", b)
	}
	w.eventually(func() bool { return w.backend("primary").GetRetryBudgetLeft() > 0 })
	w.primary.Script(func(ctx context.Context, _ *inference.ModelInferRequest) (*inference.ModelInferResponse, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	})
	a := w.infer(as(clientToken), request([][4]float32{sureRow}))
	if a.err != nil || a.param("candor_hedged") != "1" || a.param("candor_attempts") != "2" {
		t.Fatalf("%v, %v", a.err, a.resp.GetParameters())
	}
	if tried := w.prediction(a.param("candor_prediction_id")).GetPath()[0].GetTried(); len(tried) != 2 || !tried[0].GetLost() || tried[0].GetFailure() != 0 || !tried[1].GetHedge() || tried[1].GetLost() {
		t.Errorf("path %v", tried)
	}
	_, attempts := attemptsBelow(t, s.exported(w), "primary")
	if len(attempts) != 2 || attr(attempts[0], "candor.result") != "lost" || attr(attempts[1], "candor.attempt_kind") != "hedge" || attr(attempts[1], "candor.result") != "answered" {
		t.Errorf("attempts %v", attempts)
	}
}

// A call that waits for its place says how long, and one that gets none says that it was shed, though its fallback answers.
func TestWaitingAndSheddingAreSeen(t *testing.T) {
	for !waitingAndSheddingAreSeen(t) {
		t.Log("the machine was too slow to do it all while a call waits")
	}
}

// waitingAndSheddingAreSeen is false when the test was so late that nothing follows from what it saw.
func waitingAndSheddingAreSeen(t *testing.T) bool {
	w, s := traced(t, "1", "PRIMARY, model: m", "PRIMARY, max_in_flight: 5, model: m")
	// Answers take long, so that a call may wait for long: at least waits. Then the limit falls at once, to its least.
	const takes, waits, held = 500 * time.Millisecond, time.Second, 5 * time.Second
	w.primary.Script(slowly(0, takes), oiptest.Fail(codes.ResourceExhausted, "queue full"))
	w.infer(as(clientToken), request([][4]float32{sureRow}))
	w.infer(as(clientToken), request([][4]float32{fallbackRow}))
	limit := int(w.backend("primary").GetLimit())
	if limit >= 5 {
		t.Fatalf("the limit is %d", limit)
	}
	w.primary.Hang()
	already, began := w.primary.Calls(), time.Now()
	busy, waiting := make(chan answer, limit), make(chan answer, 1)
	for range limit {
		go func() { busy <- w.infer(as(clientToken), request([][4]float32{sureRow})) }()
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := w.primary.AwaitCalls(ctx, already+limit); err != nil {
		t.Fatal(err)
	}
	shed := w.infer(as(clientToken), request([][4]float32{fallbackRow}))
	asked := time.Now()
	go func() { waiting <- w.infer(as(clientToken), request([][4]float32{sureRow})) }()
	w.eventually(func() bool {
		return w.metric(`candor_backend_queued{backend="primary"}`) == 1 || time.Since(asked) >= waits
	})
	w.primary.Resume()
	a := <-waiting
	late := time.Since(asked) >= waits || time.Since(began) >= held
	for range limit {
		<-busy
	}
	if late {
		w.stop()
		return false
	}
	if shed.err != nil || shed.param("candor_shed") != "1" || shed.param("candor_answered_by") != "both" || shed.param("candor_attempts") != "" || shed.param("candor_waited_ms") == "" {
		t.Errorf("%v, %v", shed.err, shed.resp.GetParameters())
	}
	if step := w.prediction(shed.param("candor_prediction_id")).GetPath()[0]; !step.GetShed() || step.GetWaited().AsDuration() <= 0 || step.GetAnswered() {
		t.Errorf("path %v", step)
	}
	if a.err != nil || a.param("candor_waited_ms") == "" || a.param("candor_shed") != "" {
		t.Errorf("%v, %v", a.err, a.resp.GetParameters())
	}
	if step := w.prediction(a.param("candor_prediction_id")).GetPath()[0]; step.GetWaited().AsDuration() <= 0 || step.GetShed() {
		t.Errorf("path %v", step)
	}
	if b := w.backend("primary"); b.GetWaited() != 1 || b.GetShedNormal() != 1 || b.GetMaxInFlight() != 5 || !b.GetLimitMeasured() || b.GetConsumers()[0].GetShed() != 1 || b.GetConsumers()[0].GetWaited() != 1 {
		t.Errorf("status %v", b)
	}
	for series, want := range map[string]float64{
		`candor_backend_waited_total{backend="primary"}`: 1, `candor_backend_wait_seconds_count{backend="primary"}`: 1, `candor_backend_max_in_flight{backend="primary"}`: 5,
		`candor_backend_consumer_waited_total{backend="primary",consumer="payments"}`: 1, `candor_backend_consumer_shed_total{backend="primary",consumer="payments"}`: 1,
		`candor_backend_consumer_in_flight{backend="primary",consumer="payments"}`: 0, `candor_backend_consumer_queued{backend="primary",consumer="payments"}`: 0,
	} {
		if n := w.metric(series); n != want {
			t.Errorf("%s is %v", series, n)
		}
	}
	found := map[string]bool{}
	for _, span := range named(s.exported(w), "candor.backend") {
		if attr(span, "candor.stage") == "primary" && attr(span, "candor.waited_s") != "" {
			found[attr(span, "candor.shed")] = true
		}
	}
	if !found["true"] || !found[""] {
		t.Errorf("spans that waited: %v", found)
	}
	return true
}

// What happens to a backend while a call is there is an event of the call's span, and stays in the list of backends.
func TestBreakerIsSeen(t *testing.T) {
	w, s := traced(t, "0", "BREAKER, card: &card", "{min_calls: 1, open_for: 1h}, card: &card")
	w.primary.Script(oiptest.Fail(codes.Internal, "CUDA error"))
	opening := w.infer(as(clientToken), request([][4]float32{fallbackRow}))
	w.infer(as(clientToken), request([][4]float32{fallbackRow}))
	b := w.backend("primary")
	if len(b.GetEvents()) != 1 || b.GetEvents()[0].GetKind() != candorv1.BackendEventKind_BACKEND_EVENT_KIND_BREAKER_OPENED || b.GetEvents()[0].GetWhy() != "CUDA error" ||
		b.GetBreakerTime() == nil || b.GetRefused() != 1 || b.GetLastFailureTime() == nil {
		t.Errorf("status %v", b)
	}
	if n := w.metric(`candor_backend_refused_total{backend="primary"}`); n != 1 {
		t.Errorf("candor_backend_refused_total is %v", n)
	}
	all := s.exported(w)
	var events []sdktrace.Event
	refused := 0
	for _, span := range named(all, "candor.backend") {
		if attr(span, "candor.stage") != "primary" {
			continue
		}
		events = append(events, span.Events...)
		if attr(span, "candor.reason") == "BREAKER_OPEN" {
			refused++
		}
	}
	if len(events) != 1 || refused != 1 || events[0].Name != "candor.backend_event" || events[0].Attributes[0].Value.AsString() != "breaker_opened" {
		t.Errorf("events %v, %d refused, after %v", events, refused, opening.err)
	}
}

// An ejection is an event of the call that it happened under, and of the backend's history, with the replica that it happened to.
func TestEjectionIsSeen(t *testing.T) {
	var list []string
	var broken *oiptest.Server
	for i := range 3 {
		server := oiptest.Start(t, oiptest.Model{Name: "m", Version: "3", Infer: byColumn(0)})
		if list = append(list, `"`+server.Addr()+`"`); i == 0 {
			broken = server
		}
	}
	w, s := traced(t, "0", "primary: {address: PRIMARY", "primary: {warm: true, replicas: {probe_every: 100ms, failures_in_a_row: 2, ejection: 1h, max_ejection: 1h}, addresses: ["+strings.Join(list, ", ")+"]")
	w.eventually(func() bool { return w.metric(`candor_replicas{backend="primary",state="serving"}`) == 3 })
	broken.FailWith(status.Error(codes.Internal, "CUDA error"))
	w.eventually(func() bool {
		w.infer(as(clientToken), request([][4]float32{fallbackRow}))
		return w.metric(`candor_replicas{backend="primary",state="ejected"}`) == 1
	})
	b := w.backend("primary")
	at := slices.IndexFunc(b.GetEvents(), func(e *candorv1.BackendEvent) bool {
		return e.GetKind() == candorv1.BackendEventKind_BACKEND_EVENT_KIND_REPLICA_EJECTED
	})
	if at < 0 || b.GetEvents()[at].GetReplica() != broken.Addr() || b.GetEvents()[at].GetWhy() != "2 failures in a row; for 1h0m0s" {
		t.Errorf("events %v", b.GetEvents())
	}
	for _, r := range b.GetReplicas() {
		if r.GetAddress() != broken.Addr() && r.GetCalls() > 0 && r.GetUsualTime().AsDuration() <= 0 {
			t.Errorf("replica %v", r)
		}
	}
	found := 0
	for _, span := range named(s.exported(w), "candor.backend") {
		for _, e := range span.Events {
			if e.Attributes[0].Value.AsString() == "replica_ejected" && attr(span, "candor.replica") == broken.Addr() && e.Attributes[1].Value.AsString() == broken.Addr() {
				found++
			}
		}
	}
	if found != 1 {
		t.Errorf("%d spans of the broken replica tell of its ejection", found)
	}
}

// The configuration has a digest, and says what came of the last reload.
func TestReloadIsSeen(t *testing.T) {
	w := start(t)
	explain := candorv1.NewExplainServiceClient(w.conn)
	ask := func() *candorv1.GetConfigurationResponse {
		t.Helper()
		resp, err := explain.GetConfiguration(as(auditorToken), &candorv1.GetConfigurationRequest{})
		if err != nil {
			t.Fatal(err)
		}
		return resp
	}
	first := ask()
	if len(first.GetDigest()) != 16 || first.GetReloadTime() != nil || first.GetReloadResult() != 0 {
		t.Errorf("at first %v", first)
	}
	if _, err := w.gateway.Reload(t.Context(), w.edited(), nil); err != nil {
		t.Fatal(err)
	}
	if c := ask(); c.GetDigest() != first.GetDigest() || c.GetReloadResult() != candorv1.ReloadResult_RELOAD_RESULT_UNCHANGED || c.GetReloadTime() == nil {
		t.Errorf("unchanged: %v", c)
	}
	w.reload(strict, loose)
	second := ask()
	if second.GetDigest() == first.GetDigest() || second.GetReloadResult() != candorv1.ReloadResult_RELOAD_RESULT_SUCCESS {
		t.Errorf("changed: %v", second)
	}
	w.gateway.Refused("candor.yaml:1:1: no")
	if c := ask(); c.GetDigest() != second.GetDigest() || c.GetReloadResult() != candorv1.ReloadResult_RELOAD_RESULT_REFUSED || !slices.Equal(c.GetFaults(), []string{"candor.yaml:1:1: no"}) || c.GetRefuseTime() == nil {
		t.Errorf("refused: %v", c)
	}
	w.reload(loose, strict)
	if c := ask(); c.GetDigest() != first.GetDigest() || c.GetRefuseTime() != nil || len(c.GetFaults()) != 0 {
		t.Errorf("changed back: %v", c)
	}
}
