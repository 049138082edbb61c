package gateway_test

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/candor-gateway/candor/audit"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/oiptest"
)

// One field of three isn't sure: it alone goes to a human, with its own labels, and the others are answered.
func TestOnlyTheUnsureFieldIsReviewed(t *testing.T) {
	for _, form := range []oiptest.Form{oiptest.RawForm, oiptest.TypedForm} {
		t.Run(fmt.Sprint(form), func(t *testing.T) {
			w := documents(t)
			a := w.infer(as(clientToken), documentRequest(form, [][4]float32{unsureVendor}))
			md := wantError(t, a.err, codes.FailedPrecondition, "DEFERRED_TO_REVIEW")
			if md["deferred"] != "1" || md["fields"] != "3" || md["rows"] != "1" || len(a.predictions) != 3 {
				t.Errorf("unaware: %v, %d predictions", md, len(a.predictions))
			}

			a = w.infer(as(clientToken), documentRequest(form, [][4]float32{unsureVendor}, "candor_route", "candor_confidence", "candor_decision_id", "candor_threshold",
				"vendor_probs", "vendor_name", "usd", "total", "total_low", "total_high", "vector"))
			if a.err != nil {
				t.Fatal(a.err)
			}
			id := a.param("candor_prediction_id")
			if got := a.texts(t, "candor_route"); !slices.Equal(got, []string{"DEFER", "ACCEPT", "ACCEPT"}) {
				t.Errorf("routes %q", got)
			}
			if got := a.texts(t, "candor_decision_id"); !slices.Equal(got, []string{id + "/0/vendor_probs", id + "/0/usd", id + "/0/total"}) {
				t.Errorf("decisions %q", got)
			}
			near(t, "confidence", a.floats(t, "candor_confidence"), .6, .98, .996)
			near(t, "threshold", a.floats(t, "candor_threshold"), .9, .95, .99)
			for _, o := range a.resp.GetOutputs() {
				if o.GetName() == "candor_route" && !slices.Equal(o.GetShape(), []int64{1, 3}) {
					t.Errorf("shape %v, want [1 3]", o.GetShape())
				}
			}
			nan := float32(math.NaN())
			near(t, "vendor_probs", a.floats(t, "vendor_probs"), nan, nan, nan)
			near(t, "usd", a.floats(t, "usd"), .02)
			near(t, "total", a.floats(t, "total"), 80)
			near(t, "total_low", a.floats(t, "total_low"), 78)
			near(t, "total_high", a.floats(t, "total_high"), 82)
			near(t, "vector, which is of no field", a.floats(t, "vector"), nan, nan)
			if got := a.texts(t, "vendor_name"); got[0] != "?" {
				t.Errorf("the vendor's name is %q", got)
			}
			if a.param("candor_fields") != "vendor,currency,total" || a.param("candor_fields_accept") != "2" || a.param("candor_fields_defer") != "1" || a.param("candor_rows_defer") != "" {
				t.Errorf("parameters %v", a.resp.GetParameters())
			}

			items := w.itemsOf(id)
			if len(items) != 1 {
				t.Fatalf("%d items", len(items))
			}
			item := w.claim(reviewerToken, items[0].GetName())
			if item.GetField() != "vendor" || item.GetRow() != 0 || !slices.Equal(item.GetLabels(), []string{"acme", "globex", "other"}) || item.GetUnit() != "" ||
				len(item.GetPayload().GetTensors()) != 1 || len(item.GetAnswers()) != 0 {
				t.Errorf("item %v", item)
			}
			if items[0].GetAnswers()[0].GetLabel() != "acme" {
				t.Errorf("as an auditor sees it: %v", items[0])
			}
			w.resolve(reviewerToken, items[0].GetName(), "globex")
			for field, want := range map[string]string{"vendor": "globex", "currency": "EUR", "total": "80 EUR"} {
				if got := answerText(w.field(id, 0, field)); got != want {
					t.Errorf("%s is %q, want %q", field, got, want)
				}
			}
		})
	}
}

// Each row of a batch has fields of its own, and a regression's item asks for a value in its unit.
func TestFieldsOfABatch(t *testing.T) {
	w := documents(t)
	a := w.infer(as(clientToken), documentRequest(oiptest.RawForm, [][4]float32{sureDocument, unsureTotal, unsureVendor}, "candor_route", "candor_answered_by", "total", "vendor_name", "usd", "vector", "total_low"))
	if a.err != nil {
		t.Fatal(a.err)
	}
	if got := a.texts(t, "candor_route"); !slices.Equal(got, []string{"ACCEPT", "ACCEPT", "ACCEPT", "ACCEPT", "ACCEPT", "DEFER", "DEFER", "ACCEPT", "ACCEPT"}) {
		t.Errorf("routes %q", got)
	}
	if got := a.texts(t, "candor_answered_by"); !slices.Equal(got, []string{"reader", "reader", "reader", "reader", "reader", "", "", "reader", "reader"}) {
		t.Errorf("answered by %q", got)
	}
	nan := float32(math.NaN())
	near(t, "total", a.floats(t, "total"), 250, nan, 80)
	near(t, "total_low", a.floats(t, "total_low"), 248, nan, 78)
	near(t, "usd", a.floats(t, "usd"), .99, .98, .02)
	near(t, "vector", a.floats(t, "vector"), .99, .99, nan, nan, nan, nan)
	if got := a.texts(t, "vendor_name"); !slices.Equal(got, []string{"acme", "acme", "?"}) {
		t.Errorf("vendors %q", got)
	}
	// A score that wasn't asked for is no part of the answer.
	if _, err := oiptest.Floats(a.resp, "vendor_probs"); err == nil {
		t.Error("vendor_probs was not asked for")
	}
	id := a.param("candor_prediction_id")
	for _, item := range w.itemsOf(id) {
		switch {
		case item.GetRow() == 1 && item.GetField() == "total" && item.GetUnit() == "EUR" && len(item.GetLabels()) == 0:
			claimed := w.claim(reviewerToken, item.GetName())
			if got := claimed.GetPayload().GetTensors()[0].GetValues(); len(got) != 4 || got[2] != 900 {
				t.Errorf("payload %v", got)
			}
			done, err := w.reviews().ResolveReviewItem(as(reviewerToken), &candorv1.ResolveReviewItemRequest{
				Name: item.GetName(), Epoch: claimed.GetEpoch(), RequestId: "r", Verdict: &candorv1.Verdict{Answer: &candorv1.Verdict_Value{Value: 905.5}},
			})
			// The action is that of the field that the verdict answers.
			if err != nil || done.GetItem().GetAction() != "pay" {
				t.Errorf("%v, %v", done, err)
			}
		case item.GetRow() == 2 && item.GetField() == "vendor":
			if done := w.resolve(reviewerToken, item.GetName(), "other"); done.GetAction() != "block" {
				t.Errorf("action %q", done.GetAction())
			}
		default:
			t.Errorf("item %v", item)
		}
	}
	for place, want := range map[int]string{3: "acme", 5: "905.5 EUR", 6: "other", 8: "80 EUR"} {
		p := w.explain(id).GetPredictions()[place]
		if got := answerText(p); got != want || int(p.GetRow()) != place/3 || p.GetField() != []string{"vendor", "currency", "total"}[place%3] {
			t.Errorf("prediction %d is %q of row %d's %q, want %q", place, got, p.GetRow(), p.GetField(), want)
		}
	}
}

// The story of a prediction tells each field's own: decision, numbers, method, and truth that came later.
func TestExplainTellsFields(t *testing.T) {
	w := documents(t)
	a := w.infer(as(clientToken), documentRequest(oiptest.RawForm, [][4]float32{sureDocument, unsureTotal}, "candor_route"))
	id := a.param("candor_prediction_id")
	outcome := func(row uint32, field, label string) error {
		_, err := w.predictions().RecordOutcome(as(clientToken), &candorv1.RecordOutcomeRequest{
			PredictionId: id, Row: row, Field: field, Truth: &candorv1.RecordOutcomeRequest_Label{Label: label}, RequestId: fmt.Sprint(row, field),
		})
		return err
	}
	if err := outcome(1, "vendor", "globex"); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []struct {
		row          uint32
		field, label string
	}{{0, "", "acme"}, {0, "iban", "acme"}, {2, "vendor", "acme"}, {0, "currency", "acme"}, {0, "total", "acme"}} {
		if err := outcome(bad.row, bad.field, bad.label); err == nil {
			t.Errorf("an outcome of %v was recorded", bad)
		}
	}
	resp := w.explain(id)
	rec := resp.GetRecord()
	if len(rec.GetRows()) != 6 || rec.GetStages()[0].GetRows() != 2 {
		t.Errorf("record %v", rec)
	}
	for i, r := range rec.GetRows() {
		if row, field := audit.Place(rec, i); int(row) != i/3 || field != r.GetField() || field == "" {
			t.Errorf("%d is row %d, field %q", i, row, field)
		}
	}
	p := resp.GetPredictions()
	if p[3].GetOutcome() != "globex" || p[0].GetOutcome() != "" {
		t.Errorf("outcomes %q and %q", p[3].GetOutcome(), p[0].GetOutcome())
	}
	d := p[5].GetDecision()
	if d.GetDecisionId() != id+"/1/total" || d.GetConfidenceMethod() != candorv1.ConfidenceMethod_CONFIDENCE_METHOD_INTERVAL_WIDTH || math.Abs(d.GetConfidence()-.94) > 1e-6 ||
		math.Abs(d.GetThreshold()-.99) > 1e-6 || !hasReason(d, candorv1.Reason_REASON_LOW_CONFIDENCE) || d.GetReviewItem() == "" {
		t.Errorf("decision %v", d)
	}
	if m := p[4].GetDecision().GetConfidenceMethod(); m != candorv1.ConfidenceMethod_CONFIDENCE_METHOD_MAX_PROB {
		t.Errorf("the currency's confidence is %v", m)
	}
	if step := p[5].GetPath()[0]; step.GetStage() != "reader" || math.Abs(step.GetConfidence()-.94) > 1e-6 {
		t.Errorf("path %v", p[5].GetPath())
	}
	// A model that is gone, or has other fields now, leaves the record readable.
	w.yaml = replace(t, w.yaml, "{output: total, kind", "{field: sum, output: total, kind", "total: {threshold", "sum: {threshold")
	w.restart()
	if p := w.explain(id).GetPredictions()[5]; p.GetField() != "total" || p.GetDecision().GetDecisionId() != id+"/1/total" || p.GetDecision().GetReviewItem() == "" {
		t.Errorf("after the field was renamed: %v", p)
	}
}

// A record of before there were fields, whose rows stand without one, is told by its place.
func TestRecordsWithoutFieldsAreTold(t *testing.T) {
	w := start(t)
	a := w.infer(as(clientToken), request([][4]float32{sureRow, deferredRow}, "candor_route"))
	id := a.param("candor_prediction_id")
	resp := w.explain(id)
	for i, r := range resp.GetRecord().GetRows() {
		data, err := proto.Marshal(r)
		if err != nil || r.GetField() != "" || r.GetRow() != 0 || len(r.ProtoReflect().GetUnknown()) > 0 || len(data) == 0 {
			t.Errorf("row %d has %v", i, r)
		}
	}
	p := resp.GetPredictions()
	if p[1].GetRow() != 1 || p[1].GetField() != "" || p[1].GetDecision().GetDecisionId() != id+"/1/probabilities" || resp.GetReviewItems()[0].GetField() != "" {
		t.Errorf("told %v", p[1])
	}
	if _, err := w.predictions().RecordOutcome(as(clientToken), &candorv1.RecordOutcomeRequest{
		PredictionId: id, Row: 1, Field: "label", Truth: &candorv1.RecordOutcomeRequest_Label{Label: "bad"}, RequestId: "1",
	}); err == nil {
		t.Error("a field of a model with one was taken")
	}
}

// near holds numbers against others; NaN is NaN.
func near(t *testing.T, what string, got []float32, want ...float32) {
	t.Helper()
	ok := len(got) == len(want)
	for i := range got {
		if !ok || i >= len(want) {
			break
		}
		both := math.IsNaN(float64(got[i])) && math.IsNaN(float64(want[i]))
		ok = both || math.Abs(float64(got[i]-want[i])) <= 1e-4*math.Max(1, math.Abs(float64(want[i])))
	}
	if !ok {
		t.Errorf("%s is %v, want %v", what, got, want)
	}
}

// field is the prediction of one field, as its consumer sees it.
func (w *world) field(id string, row uint32, field string) *candorv1.Prediction {
	w.t.Helper()
	resp, err := w.predictions().GetPrediction(as(clientToken), &candorv1.GetPredictionRequest{PredictionId: id})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, p := range resp.GetPredictions() {
		if p.GetRow() == row && p.GetField() == field {
			return p
		}
	}
	w.t.Fatalf("no row %d, field %q in %v", row, field, resp)
	return nil
}

func answerText(p *candorv1.Prediction) string {
	switch v := p.GetValue().(type) {
	case *candorv1.Prediction_Label:
		return v.Label
	case *candorv1.Prediction_ClassProbabilities:
		return v.ClassProbabilities.GetLabel()
	case *candorv1.Prediction_Regression:
		return fmt.Sprint(v.Regression.GetValue(), " ", v.Regression.GetUnit())
	}
	return ""
}
