package storetest

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/candor-gateway/candor/calibration/certificate"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

// Audit is a record of n accepted rows that are audited for the certificate of that id, and their items. Every row was sure to be
// chosen, has confidence 0.95, the label "a" and an input of its own.
func Audit(now time.Time, certificateID string, n int) (*candorv1.Record, []review.Item) {
	rec, items := Deferral(now, "q", n)
	rec.TimeUs = now.UnixMicro()
	for i := range items {
		it, input := &items[i], uuid.New()
		row := rec.GetPrediction().GetRows()[i]
		row.Route, row.AppliedRoute, row.Reasons = candorv1.Route_ROUTE_ACCEPT, candorv1.Route_ROUTE_ACCEPT, nil
		row.State, row.Certificate, row.Audited = candorv1.AnswerState_ANSWER_STATE_FINAL, certificateID, true
		it.Kind, it.Release = candorv1.ReviewKind_REVIEW_KIND_AUDIT, candorv1.ReleaseState_RELEASE_STATE_RELEASED
		it.Input, it.Payload = input[:], nil
		it.Sequences = []review.Sequence{{Certificate: certificateID, Probability: 1, Least: 1, Confidence: 0.95, Label: "a"}}
	}
	return rec, items
}

// drawRow records one row for the version of the key that is in force. change may be nil.
func drawRow(t *testing.T, d Driver, key *candorv1.CertificateKey, confidence float64, change func(*review.Item)) review.Item {
	t.Helper()
	rec, items := Audit(d.Now(), certificate.ID(current(t, d, key)), 1)
	items[0].Sequences[0].Confidence = confidence
	if change != nil {
		change(&items[0])
	}
	if err := d.Record(t.Context(), rec, items); err != nil {
		t.Fatalf("Record: %v", err)
	}
	return items[0]
}

// judge gives an item its verdict.
func judge(t *testing.T, d Driver, it review.Item, label string) review.Item {
	t.Helper()
	now := d.Now()
	return finish(t, d, it.ID, "ann", label, now)
}

// feed draws n rows and judges each right.
func feed(t *testing.T, d Driver, key *candorv1.CertificateKey, n int, confidence float64, change func(*review.Item)) {
	t.Helper()
	for range n {
		judge(t, d, drawRow(t, d, key, confidence, change), "a")
	}
}

// feedUntil feeds a key until it licenses tau, as it must within 300 rows.
func feedUntil(t *testing.T, d Driver, key *candorv1.CertificateKey, confidence, tau float64) {
	t.Helper()
	for range 300 {
		if got, ok := certificate.Threshold(current(t, d, key)); ok && got == tau {
			return
		}
		feed(t, d, key, 1, confidence, nil)
	}
	t.Fatalf("300 right answers, and %s doesn't license %v", key.GetStage(), tau)
}

// holdBack makes the lower level slower to certify than the upper one: some rows between them are wrong.
func holdBack(t *testing.T, d Driver, key *candorv1.CertificateKey) {
	t.Helper()
	for range 3 {
		judge(t, d, drawRow(t, d, key, 0.7, nil), "b")
	}
}

// accepted marks a row as one that the alarm watches.
func accepted(it *review.Item) {
	for i := range it.Sequences {
		it.Sequences[i].Accepted = true
	}
}
