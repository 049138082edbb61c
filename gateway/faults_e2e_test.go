package gateway_test

import (
	"context"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/candor-gateway/candor/gen/inference"
	"github.com/candor-gateway/candor/internal/oiptest"
)

// A fault that the caller doesn't notice: the answer, the record and the metrics say how often the model server was asked.
func TestRetryIsTold(t *testing.T) {
	w := start(t)
	w.primary.Script(oiptest.Fail(codes.Unavailable, "going down"))
	a := w.infer(as(clientToken), request([][4]float32{sureRow}))
	if a.err != nil || a.resp.GetParameters()["candor_attempts"].GetInt64Param() != 2 {
		t.Fatalf("%v, parameters %v", a.err, a.resp.GetParameters())
	}
	if path := w.prediction(a.param("candor_prediction_id")).GetPath(); path[0].GetAttempts() != 2 {
		t.Errorf("path %v", path)
	}
	if st := w.backend("primary"); st.GetRetries() != 1 || st.GetCalls() != 2 || w.metric(`candor_backend_retries_total{backend="primary",result="made"}`) != 1 {
		t.Errorf("status %v", st)
	}
	if a := w.infer(as(clientToken), request([][4]float32{sureRow})); a.resp.GetParameters()["candor_attempts"] != nil {
		t.Errorf("one attempt, and parameters %v", a.resp.GetParameters())
	}
}

// A request of a sequence is sent once, whatever happens to it.
func TestSequencesAreNotRetried(t *testing.T) {
	w := start(t)
	w.primary.Script(oiptest.Fail(codes.Unavailable, "going down"))
	req := request([][4]float32{sureRow})
	req.Parameters = map[string]*inference.InferParameter{"sequence_id": {ParameterChoice: &inference.InferParameter_Int64Param{Int64Param: 7}}}
	if w.infer(as(clientToken), req); w.primary.Calls() != 1 {
		t.Errorf("%d calls", w.primary.Calls())
	}
}

// Calls of low priority are refused when there is no place left, with advice; one of high priority takes the place of one that waits.
func TestLowPriorityIsShedFirst(t *testing.T) {
	w := start(t, nobodyElse, "", "anyone: {identity", "anyone: {priority: low, identity", "payments: {identity", "payments: {priority: high, identity",
		"PRIMARY, model: m", "PRIMARY, max_in_flight: 1, model: m")
	w.primary.Hang()
	held := make(chan answer, 1)
	go func() { held <- w.infer(as(clientToken), request([][4]float32{sureRow})) }()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := w.primary.AwaitCalls(ctx, 1); err != nil {
		t.Fatal(err)
	}
	err := w.infer(t.Context(), request([][4]float32{sureRow})).err
	if wantError(t, err, codes.ResourceExhausted, "OVERLOADED"); toldBy(t, err).retry.GetRetryDelay().AsDuration() <= 0 {
		t.Errorf("no advice when to retry: %v", err)
	}
	w.primary.Resume()
	if a := <-held; a.err != nil {
		t.Error(a.err)
	}
	if st := w.backend("primary"); st.GetShedLow() != 1 || st.GetShedHigh() != 0 || w.metric(`candor_backend_shed_total{backend="primary",priority="low"}`) != 1 {
		t.Errorf("status %v", st)
	}
}
