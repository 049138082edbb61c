package gateway_test

import (
	"context"
	"math"
	"testing"

	"github.com/candor-gateway/candor/gen/inference"
	"github.com/candor-gateway/candor/internal/oiptest"
)

// wholeWorld is a world whose models take one row a call (rows: none): no tensor has a dimension for rows.
func wholeWorld(t *testing.T, edits ...string) *world {
	w := start(t, append([]string{
		"rows: first_dim", "rows: none", "shape: [-1, 4]", "shape: [4]", "shape: [-1, 2]", "shape: [2]",
		"name: label, datatype: BYTES, shape: [-1]", "name: label, datatype: BYTES, shape: [1]",
	}, edits...)...)
	for column, s := range []*oiptest.Server{w.primary, w.a, w.b, w.old} {
		column = []int{0, 1, 1, 2}[column]
		step := func(_ context.Context, req *inference.ModelInferRequest) (*inference.ModelInferResponse, error) {
			values, err := floatsOf(req)
			if err != nil {
				return nil, err
			}
			p := values[column]
			return oiptest.Reply(req, oiptest.FP32("probabilities", []int64{2}, 1-p, p),
				oiptest.BYTES("label", []int64{1}, map[bool]string{true: "bad", false: "good"}[p > .5])), nil
		}
		s.Script(step, step)
	}
	return w
}

func wholeRequest(form oiptest.Form, row [4]float32, outputs ...string) *inference.ModelInferRequest {
	req := oiptest.Request("fraud", "", form, oiptest.FP32("x", []int64{4}, row[:]...))
	for _, o := range outputs {
		req.Outputs = append(req.Outputs, &inference.ModelInferRequest_InferRequestedOutputTensor{Name: o})
	}
	return req
}

// A request that is one row falls back, is withheld and is reviewed like a row of a batch, whatever its tensors' first dimension.
func TestRequestThatIsOneRow(t *testing.T) {
	for _, form := range []oiptest.Form{oiptest.RawForm, oiptest.TypedForm} {
		w := wholeWorld(t)
		a := w.infer(as(clientToken), wholeRequest(form, fallbackRow))
		if a.err != nil {
			t.Fatal(a.err)
		}
		if got := a.floats(t, "probabilities"); a.param("candor_answered_by") != "both" || len(got) != 2 || math.Abs(float64(got[1])-.95) > 1e-6 || a.texts(t, "label")[0] != "bad" {
			t.Errorf("fallback: %v", a.resp)
		}
		if got := w.a.Last().Request.GetInputs()[0].GetShape(); len(got) != 1 || got[0] != 4 {
			t.Errorf("the member got the shape %v, want [4]", got)
		}
		b := w.infer(as(clientToken), wholeRequest(form, deferredRow, "label", "candor_route", "probabilities"))
		if b.err != nil {
			t.Fatal(b.err)
		}
		if got := b.floats(t, "probabilities"); b.texts(t, "candor_route")[0] != "DEFER" || !math.IsNaN(float64(got[0])) || !math.IsNaN(float64(got[1])) || b.texts(t, "label")[0] != "?" {
			t.Errorf("withheld: %v", b.resp)
		}
		tensor := w.claim(reviewerToken, b.param("candor_review_item")).GetPayload().GetTensors()[0]
		if got := tensor.GetValues(); len(got) != 4 || float32(got[0]) != deferredRow[0] || len(tensor.GetShape()) != 1 || tensor.GetShape()[0] != 4 {
			t.Errorf("payload %v", tensor)
		}
		w.stop()
	}
}
