package gateway_test

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/gen/inference"
	"github.com/candor-gateway/candor/internal/oiptest"
)

// replace is text with pairs of old and new replaced, each of which must be there.
func replace(t *testing.T, text string, pairs ...string) string {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(text, pairs[i]) {
			t.Fatalf("there is no %q", pairs[i])
		}
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// What the policy declares for a field stands in for it meanwhile.
func TestFieldsAnsweredByDefault(t *testing.T) {
	w := documents(t, "on_defer: withhold", "on_defer: default")
	a := w.infer(as(clientToken), documentRequest(oiptest.TypedForm, [][4]float32{{.6, .5, 900, 60}, unsureVendor}))
	if a.err != nil {
		t.Fatal(a.err)
	}
	nan := float32(math.NaN())
	near(t, "vendor_probs", a.floats(t, "vendor_probs"), 0, 0, 1, 0, 0, 1)
	near(t, "usd", a.floats(t, "usd"), 0, .02)
	near(t, "total", a.floats(t, "total"), -1, 80)
	near(t, "total_high", a.floats(t, "total_high"), nan, 82)
	if got := a.texts(t, "vendor_name"); !slices.Equal(got, []string{"other", "other"}) {
		t.Errorf("vendors %q", got)
	}
	if a.param("candor_fields_defer") != "4" {
		t.Errorf("parameters %v", a.resp.GetParameters())
	}
	w = documents(t, "on_defer: withhold", "on_defer: provisional")
	a = w.infer(as(clientToken), documentRequest(oiptest.TypedForm, [][4]float32{unsureTotal}))
	if a.err != nil {
		t.Fatal(a.err)
	}
	near(t, "total, provisional", a.floats(t, "total"), 900)
	near(t, "vector, provisional", a.floats(t, "vector"), .95, .98)
}

// A number that can't be breaks its own field, and a model server that fails breaks all.
func TestFaultsOfFields(t *testing.T) {
	w := documents(t)
	aware := []string{"candor_route", "usd", "total", "vendor_name", "vendor_probs", "total_low", "total_high", "vector"}
	nan := float32(math.NaN())
	a := w.infer(as(clientToken), documentRequest(oiptest.RawForm, [][4]float32{{.99, 1.7, 250, 4}, sureDocument}, aware...))
	if a.err != nil {
		t.Fatal(a.err)
	}
	near(t, "usd", a.floats(t, "usd"), nan, .99)
	near(t, "total", a.floats(t, "total"), 250, 250)
	if p := w.explain(a.param("candor_prediction_id")).GetPredictions(); !hasReason(p[1].GetDecision(), candorv1.Reason_REASON_CONTRACT_FAILURE) ||
		hasReason(p[0].GetDecision(), candorv1.Reason_REASON_CONTRACT_FAILURE) {
		t.Errorf("predictions %v", p)
	}
	w.primary.FailWith(errors.New("out of order"))
	a = w.infer(as(clientToken), documentRequest(oiptest.RawForm, [][4]float32{sureDocument, sureDocument}, aware...))
	if a.err != nil {
		t.Fatal(a.err)
	}
	near(t, "usd of nobody", a.floats(t, "usd"), nan, nan)
	near(t, "vendor_probs of nobody", a.floats(t, "vendor_probs"), nan, nan, nan, nan, nan, nan)
	near(t, "vector of nobody", a.floats(t, "vector"), nan, nan, nan, nan)
	if got := a.texts(t, "candor_route"); len(got) != 6 || slices.ContainsFunc(got, func(r string) bool { return r != "DEFER" }) {
		t.Errorf("routes %q", got)
	}
	if items := w.itemsOf(a.param("candor_prediction_id")); len(items) != 6 {
		t.Errorf("%d items, want one for each field of both", len(items))
	}
}

// Of a request that is one row, only the tensors of the field that isn't answered are taken out of the primary's.
func TestFieldsOfARequestThatIsOneRow(t *testing.T) {
	for _, form := range []oiptest.Form{oiptest.RawForm, oiptest.TypedForm} {
		w := documents(t, "rows: first_dim", "rows: none", "[-1, ", "[")
		req := documentRequest(form, [][4]float32{unsureTotal}, "candor_route", "total", "usd", "vendor_name", "total_low", "vector", "vendor_probs")
		req.GetInputs()[0].Shape = []int64{4}
		a := w.infer(as(clientToken), req)
		if a.err != nil {
			t.Fatal(a.err)
		}
		nan := float32(math.NaN())
		near(t, "total", a.floats(t, "total"), nan)
		near(t, "total_low", a.floats(t, "total_low"), nan)
		near(t, "vector", a.floats(t, "vector"), nan, nan)
		near(t, "usd", a.floats(t, "usd"), .98)
		near(t, "vendor_probs", a.floats(t, "vendor_probs"), .95, 0, .05)
		if got := a.texts(t, "vendor_name"); got[0] != "acme" {
			t.Errorf("vendor %q", got)
		}
		if got := a.texts(t, "candor_route"); !slices.Equal(got, []string{"ACCEPT", "ACCEPT", "DEFER"}) {
			t.Errorf("routes %q", got)
		}
		w.stop()
	}
}

// A document of which all is sure leaves as the model server answered it, beside the parameters.
func TestSureDocumentKeepsItsBytes(t *testing.T) {
	for _, form := range []oiptest.Form{oiptest.RawForm, oiptest.TypedForm} {
		w := documents(t)
		req := documentRequest(form, [][4]float32{sureDocument, sureDocument})
		want, err := readDocuments(context.Background(), req)
		if err != nil {
			t.Fatal(err)
		}
		a := w.infer(as(clientToken), req)
		if a.err != nil {
			t.Fatal(a.err)
		}
		if len(a.resp.GetOutputs()) != len(want.GetOutputs()) || a.param("candor_fields_accept") != "6" {
			t.Fatalf("%v", a.resp)
		}
		near(t, "vector", a.floats(t, "vector"), .99, .99, .99, .99)
		near(t, "total_high", a.floats(t, "total_high"), 252, 252)
		w.stop()
	}
}

// A condition sees the field, and a limit withholds the field whose answer means the action.
func TestConditionsAndLimitsOfFields(t *testing.T) {
	w := documents(t, "conditions: []", `conditions: [{name: large, when: "evidence.field == 'total' && evidence.value > 200.0", route: defer}]`)
	a := w.infer(as(clientToken), documentRequest(oiptest.RawForm, [][4]float32{sureDocument}, "candor_route"))
	if got := a.texts(t, "candor_route"); !slices.Equal(got, []string{"ACCEPT", "ACCEPT", "DEFER"}) {
		t.Errorf("routes %q", got)
	}
	if d := w.field(a.param("candor_prediction_id"), 0, "total").GetDecision(); d.GetCondition() != "large" {
		t.Errorf("decision %v", d)
	}
	w = documents(t, "queues:", "limits: {payments: {action: pay, window: 1h, max_count: 1, on_trip: reject}}\nqueues:")
	a = w.infer(as(clientToken), documentRequest(oiptest.RawForm, [][4]float32{sureDocument, sureDocument, hopelessVendor}, "candor_route", "total", "usd"))
	if a.err != nil {
		t.Fatal(a.err)
	}
	if got := a.texts(t, "candor_route"); !slices.Equal(got, []string{"ACCEPT", "ACCEPT", "ACCEPT", "ACCEPT", "ACCEPT", "REJECT", "ACCEPT", "ACCEPT", "REJECT"}) {
		t.Errorf("routes %q", got)
	}
	nan := float32(math.NaN())
	near(t, "total", a.floats(t, "total"), 250, nan, nan)
	near(t, "usd", a.floats(t, "usd"), .99, .99, .99)
	p := w.field(a.param("candor_prediction_id"), 2, "vendor")
	if p.GetDecision().GetAction() != "block" || w.field(a.param("candor_prediction_id"), 1, "total").GetDecision().GetLimit() != "limits/payments" {
		t.Errorf("prediction %v", p)
	}
	b := w.infer(as(clientToken), documentRequest(oiptest.RawForm, [][4]float32{sureDocument}))
	wantError(t, b.err, codes.FailedPrecondition, "ACTION_LIMIT_TRIPPED")
}

// Clients can find out what shape the metadata tensors have.
func TestMetadataOfFields(t *testing.T) {
	w := documents(t)
	resp, err := inference.NewGRPCInferenceServiceClient(w.conn).ModelMetadata(as(clientToken), &inference.ModelMetadataRequest{Name: "invoices"})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range resp.GetOutputs() {
		if strings.HasPrefix(o.GetName(), "candor_") && !slices.Equal(o.GetShape(), []int64{-1, 3}) {
			t.Errorf("%s has the shape %v", o.GetName(), o.GetShape())
		}
	}
}

// Responses on a stream have fields as those of unary calls do.
func TestFieldsOnAStream(t *testing.T) {
	w := documents(t)
	stream, err := inference.NewGRPCInferenceServiceClient(w.conn).ModelStreamInfer(as(clientToken))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := stream.Send(documentRequest(oiptest.RawForm, [][4]float32{sureDocument, unsureVendor}, "candor_route", "usd")); err != nil {
			t.Fatal(err)
		}
		frame, err := stream.Recv()
		if err != nil || frame.GetErrorMessage() != "" {
			t.Fatal(frame, err)
		}
		a := answer{resp: frame.GetInferResponse()}
		if got := a.texts(t, "candor_route"); !slices.Equal(got, []string{"ACCEPT", "ACCEPT", "ACCEPT", "DEFER", "ACCEPT", "ACCEPT"}) {
			t.Errorf("routes %q", got)
		}
		near(t, "usd", a.floats(t, "usd"), .99, .02)
	}
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
}
