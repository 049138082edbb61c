package gateway_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/candor-gateway/candor/gen/inference"
	"github.com/candor-gateway/candor/internal/oiptest"
)

// threeTimes answers each request three times, the last unmarked as such, as decoupled models may.
func threeTimes(ctx context.Context, req *inference.ModelInferRequest, send func(*inference.ModelInferResponse) error) error {
	for range 3 {
		if err := send(reply(ctx, req)); err != nil {
			return err
		}
	}
	return nil
}

// decoupled makes a world whose primary's streams are served by f.
func decoupled(t *testing.T, f oiptest.StreamResponder, edits ...string) (*world, *oiptest.Server) {
	t.Helper()
	server := oiptest.Start(t, oiptest.Model{Name: "m", Version: "3", Infer: byColumn(0), Stream: f})
	return start(t, append([]string{"address: PRIMARY", "address: " + server.Addr()}, edits...)...), server
}

// Each response of a decoupled request is a prediction of its own. The empty last one passes to whom asked for it.
func TestStreamDecoupled(t *testing.T) {
	w, server := decoupled(t, threeTimes)
	c := w.openStream()
	req := request([][4]float32{sureRow})
	req.Id = "with"
	req.Parameters = map[string]*inference.InferParameter{
		oiptest.WantFinalParam: {ParameterChoice: &inference.InferParameter_BoolParam{BoolParam: true}},
	}
	c.send(req)
	ids := map[string]bool{}
	for i := range 3 {
		a := c.next()
		if a.resp.GetId() != "with" || a.param("candor_response_index") != fmt.Sprint(i) || a.resp.GetParameters()[oiptest.FinalParam].GetBoolParam() {
			t.Fatalf("%d: %v", i, a.resp)
		}
		ids[a.param("candor_prediction_id")] = true
	}
	last := c.next()
	if len(last.resp.GetOutputs()) != 0 || last.resp.GetId() != "with" || last.resp.GetModelName() != "fraud" ||
		!last.resp.GetParameters()[oiptest.FinalParam].GetBoolParam() || len(last.resp.GetParameters()) != 1 {
		t.Errorf("the empty last response is %v", last.resp)
	}
	c.ask("without", [][4]float32{sureRow})
	for range 3 {
		ids[c.next().param("candor_prediction_id")] = true
	}
	c.end()
	if len(ids) != 6 {
		t.Errorf("%d predictions", len(ids))
	}
	if got := w.metric(`candor_decisions_total{applied="ACCEPT",model="fraud",route="ACCEPT"}`); got != 6 {
		t.Errorf("%v decisions counted", got)
	}
	// The gateway asks for the mark where the client doesn't, or it could not tell when a request is finished.
	if !server.Last().Request.GetParameters()[oiptest.WantFinalParam].GetBoolParam() {
		t.Errorf("sent on without the question for the last response: %v", server.Last().Request)
	}
}

// The fallback is asked once for a request. What its further responses leave unsure goes to a human.
func TestStreamDecoupledFallsBackOnce(t *testing.T) {
	w, _ := decoupled(t, threeTimes)
	c := w.openStream()
	c.ask("x", [][4]float32{fallbackRow})
	if a := c.next(); a.param("candor_route") != "FALLBACK" || a.param("candor_answered_by") != "both" {
		t.Fatalf("%v", a.resp)
	}
	for i := range 2 {
		_, a := c.told("DEFERRED_TO_REVIEW")
		if a.param("candor_response_index") != fmt.Sprint(i+1) || a.resp.GetParameters()[oiptest.FinalParam].GetBoolParam() {
			t.Errorf("%v", a.resp)
		}
	}
	c.end()
	if w.a.Calls() != 1 || w.b.Calls() != 1 {
		t.Errorf("the members were asked %d and %d times", w.a.Calls(), w.b.Calls())
	}
}

// Requests of a sequence stay with the model server that has its state.
func TestStreamSequencesDoNotFallBack(t *testing.T) {
	w := start(t)
	c := w.openStream()
	for i, start := range []bool{true, false} {
		req := request([][4]float32{fallbackRow})
		req.Id = fmt.Sprint(i)
		req.Parameters = map[string]*inference.InferParameter{
			"sequence_id":    {ParameterChoice: &inference.InferParameter_Int64Param{Int64Param: 7}},
			"sequence_start": {ParameterChoice: &inference.InferParameter_BoolParam{BoolParam: start}},
		}
		c.send(req)
		if _, a := c.told("DEFERRED_TO_REVIEW"); a.param("candor_route") != "DEFER" {
			t.Errorf("%v", a.resp)
		}
	}
	c.end()
	if w.a.Calls()+w.b.Calls() != 0 || w.primary.CallsTo("m") != 2 {
		t.Errorf("the fallback was asked %d times", w.a.Calls()+w.b.Calls())
	}
	if p := w.primary.Last().Request.GetParameters(); p["sequence_id"].GetInt64Param() != 7 {
		t.Errorf("parameters %v", p)
	}
}
