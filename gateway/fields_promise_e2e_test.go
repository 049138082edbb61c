package gateway_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/candor-gateway/candor/config"
	"github.com/candor-gateway/candor/gateway"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/oiptest"
)

// promisedDocuments is a world of documents whose vendor and total are under a promise; the currency has a threshold of its own.
func promisedDocuments(t *testing.T, more string) *world {
	return documents(t,
		"accept: {threshold: {probability: 0.9}}", "accept: {promise: {alpha: 0.2, delta: 0.2, audit: {rate: 1}, grid: {levels: [0.9, 0.6]}, alarm_run_length: 20"+more+"}}",
		"total: {threshold: {interval_width: 10}, interval_scale: 1000,", "total: {interval_scale: 1000, tolerance: 5,")
}

// document sends one document, different each time, and has every item that comes of it judged: the vendor as stated, the total as
// far from the model's as stated.
func (w *world) document(n int, vendor string, off float64) answer {
	w.t.Helper()
	a := w.infer(as(clientToken), documentRequest(oiptest.RawForm, [][4]float32{{.95, .99, float32(n), 4}}, "candor_route", "candor_threshold", "candor_certificate", "candor_sampling_probability"))
	if a.err != nil {
		w.t.Fatal(a.err)
	}
	for _, item := range w.itemsOf(a.param("candor_prediction_id")) {
		v := label(vendor)
		if item.GetField() == "total" {
			v = &candorv1.Verdict{Answer: &candorv1.Verdict_Value{Value: float64(n) + off}}
		}
		claimed := w.claim(reviewerToken, item.GetName())
		if claimed.GetKind() != 0 || len(claimed.GetAnswers()) > 0 {
			w.t.Errorf("the reviewer sees what it is: %v", claimed)
		}
		if _, err := w.reviews().ResolveReviewItem(as(reviewerToken), &candorv1.ResolveReviewItemRequest{
			Name: item.GetName(), Epoch: claimed.GetEpoch(), Verdict: v, RequestId: "r",
		}); err != nil {
			w.t.Fatal(err)
		}
	}
	return a
}

// Each field that a promise covers has a certificate of its own and earns it by its own verdicts.
func TestFieldsEarnPromisesOfTheirOwn(t *testing.T) {
	w := promisedDocuments(t, "")
	cts := w.certificates(false)
	if len(cts) != 2 {
		t.Fatalf("%d certificates, want one of the vendor and one of the total", len(cts))
	}
	byField := func() map[string]*candorv1.Certificate {
		out := map[string]*candorv1.Certificate{}
		for _, c := range w.certificates(false) {
			out[c.GetKey().GetField()] = c
		}
		return out
	}
	vendor, total := byField()["vendor"].GetKey(), byField()["total"].GetKey()
	if vendor.GetDelta() != .1 || total.GetDelta() != .1 || vendor.Tolerance != nil || total.GetTolerance() != 5 || len(total.GetLabels()) != 0 ||
		!slices.Equal(vendor.GetLabels(), []string{"acme", "globex", "other"}) || total.GetConfidence() != candorv1.ConfidenceMethod_CONFIDENCE_METHOD_INTERVAL_WIDTH {
		t.Errorf("keys %v and %v", vendor, total)
	}

	first := w.document(1000, "acme", 100)
	if got := first.texts(t, "candor_route"); !slices.Equal(got, []string{"DEFER", "ACCEPT", "DEFER"}) {
		t.Fatalf("the first document: %q", got)
	}
	near(t, "sampling", first.floats(t, "candor_sampling_probability"), 1, 0, 1)
	ids := first.texts(t, "candor_certificate")
	if "certificates/"+ids[0] != byField()["vendor"].GetName() || ids[1] != "" || "certificates/"+ids[2] != byField()["total"].GetName() {
		t.Errorf("certificates %q", ids)
	}
	// The vendors are all right, and the totals all wrong.
	earned := 0
	for n := 1; n < 100 && earned == 0; n++ {
		if w.document(1000+n, "acme", 100).texts(t, "candor_route")[0] == "ACCEPT" {
			earned = n
		}
	}
	if earned < 15 || earned > 80 {
		t.Errorf("the vendor was certified after %d documents", earned)
	}
	last := w.document(2000, "acme", 100)
	if got := last.texts(t, "candor_route"); !slices.Equal(got, []string{"ACCEPT", "ACCEPT", "DEFER"}) {
		t.Errorf("routes %q", got)
	}
	if th := last.floats(t, "candor_threshold"); !(th[0] <= .9) || math.Abs(float64(th[1])-.95) > 1e-6 || !math.IsNaN(float64(th[2])) {
		t.Errorf("thresholds %v", th)
	}
	now := byField()
	if now["vendor"].GetStatus() != candorv1.CertificateStatus_CERTIFICATE_STATUS_CERTIFIED || now["total"].GetStatus() != candorv1.CertificateStatus_CERTIFICATE_STATUS_EARNING {
		t.Errorf("certificates %v", now)
	}
	if v, tt := now["vendor"].GetLevels()[0], now["total"].GetLevels()[0]; v.GetErrors() != 0 || tt.GetErrors() != tt.GetLabels() || tt.GetLabels() == 0 {
		t.Errorf("levels %v and %v", v, tt)
	}
	if v := w.metric(`candor_certificate_certified{field="vendor",model="invoices",segment="",stage="reader@3"}`); v != 1 {
		t.Errorf("the metric of the vendor is %v", v)
	}
}

// A call of several rows is one unit of evidence for every field, in the segment that it is in.
func TestFieldsOfSegments(t *testing.T) {
	w := promisedDocuments(t, ", max_rows: 4, segments: [{name: paid, when: \"consumer == 'payments'\"}]")
	if n := len(w.certificates(false)); n != 4 {
		t.Fatalf("%d certificates, want one for each field in each segment", n)
	}
	a := w.infer(as(clientToken), documentRequest(oiptest.TypedForm, [][4]float32{{.95, .99, 1, 4}, {.96, .99, 2, 4}}, "candor_route"))
	if a.err != nil {
		t.Fatal(a.err)
	}
	for _, item := range w.itemsOf(a.param("candor_prediction_id")) {
		if item.GetField() == "vendor" {
			w.resolve(reviewerToken, item.GetName(), "acme")
		}
	}
	for _, c := range w.certificates(false) {
		units, labels := uint64(0), uint64(0)
		if k := c.GetKey(); k.GetSegment() == "paid" && k.GetField() == "vendor" {
			units, labels = 1, 2
		}
		if c.GetKey().GetDelta() != .05 || c.GetUnits() != units || c.GetLevels()[0].GetLabels() != labels {
			t.Errorf("certificate %v", c)
		}
	}
	if rec := w.explain(a.param("candor_prediction_id")).GetRecord(); rec.GetRows()[0].GetSegment() != "paid" || rec.GetRows()[1].GetSamplingPpm() != 0 {
		t.Errorf("record %v", rec)
	}
}

// What decides each field in each segment can be had without a gateway.
func TestLicensedFields(t *testing.T) {
	w := promisedDocuments(t, ", segments: [{name: paid, when: \"consumer == 'payments'\"}]")
	cfg, faults := config.Parse("test.yaml", []byte(w.yaml))
	if errs := faults.Errors(); len(errs) > 0 {
		t.Fatal(errs)
	}
	policies, err := gateway.Licensed(cfg, "invoices", nil, nil, time.Now())
	if err != nil || len(policies) != 4 {
		t.Fatalf("%d policies, %v; want one for each promised field in each segment", len(policies), err)
	}
	for _, p := range policies {
		if p.Policy.Primary.Threshold != nil || p.Policy.Primary.Missing != candorv1.Reason_REASON_UNCERTIFIED {
			t.Errorf("segment %q: %+v", p.Segment, p.Policy.Primary)
		}
	}
}
