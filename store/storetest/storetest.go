// Package storetest is the conformance suite that every store passes: the contracts of review.Store, limits.Store, people.Store,
// webhook.Store, and the gateway's ledger, certificates and artefacts, as tests. A driver's own test calls [Run].
package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/candor-gateway/candor/audit"
	"github.com/candor-gateway/candor/calibration/certificate"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/limits"
	"github.com/candor-gateway/candor/review"
	"github.com/candor-gateway/candor/webhook"
)

// Ledger is what the suite tests of the gateway's ledger; gateway.Ledger has the contract.
type Ledger interface {
	Record(ctx context.Context, rec *candorv1.Record, items []review.Item) error
	Enqueue(ctx context.Context, rec *candorv1.Record) error
	Find(ctx context.Context, predictionID string) (audit.Stored, error)
	Summarize(ctx context.Context, q audit.Query) (audit.Summary, error)
	RecordOutcome(ctx context.Context, o *candorv1.OutcomeRecord) error
	Outcomes(ctx context.Context, predictionID string) ([]*candorv1.OutcomeRecord, error)
	Finals(ctx context.Context, after uint64, limit int) ([]review.Final, error)
	Changed() <-chan struct{}
	Now() time.Time
}

// Certificates is what the suite tests of the gateway's certificates; gateway.Certificates has the contract.
type Certificates interface {
	OpenCertificates(ctx context.Context, openings []certificate.Opening) ([]*candorv1.CertificateState, error)
	Certificates(ctx context.Context, model string, ended bool) ([]*candorv1.CertificateState, error)
	Certificate(ctx context.Context, id string) (*candorv1.CertificateState, error)
	RevokeCertificate(ctx context.Context, id, by, reason, requestID string) (*candorv1.CertificateState, error)
	CertificatesChanged() <-chan struct{}
	CoinSecret(ctx context.Context) ([]byte, error)
}

// Driver is an open store under test.
type Driver interface {
	Ledger
	Certificates
	review.Store
	limits.Store
	Artefacts
	Pins
	People
	webhook.Store
	// Reopen closes the store in good order and opens the same one again, as a restart does. The driver must not be used
	// afterwards. It fails t when it can't.
	Reopen(t testing.TB) Driver
}

// Run tests a store. open answers an empty one of its own for each call and closes it by t.Cleanup.
//
// With -short or without CANDOR_LONG=1 in the environment the concurrent tests are small.
func Run(t *testing.T, open func(t *testing.T) Driver) {
	for _, group := range []struct {
		name  string
		tests []test
	}{
		{"Ledger", ledgerTests},
		{"Summarize", summarizeTests},
		{"Review", reviewTests},
		{"Finish", finishTests},
		{"Verdicts", verdictTests},
		{"Routing", routingTests},
		{"Joining", joiningTests},
		{"Replacing", replacingTests},
		{"History", historyTests},
		{"Appeals", appealTests},
		{"Golden", goldenTests},
		{"Reports", reportTests},
		{"Held", heldTests},
		{"List", listTests},
		{"Concurrency", concurrencyTests},
		{"Limits", limitTests},
		{"Certificates", certificateTests},
		{"Evidence", evidenceTests},
		{"Artefacts", artefactTests},
		{"Ensembles", ensembleTests},
		{"People", peopleTests},
		{"Sessions", sessionTests},
		{"Tries", tryTests},
		{"Webhooks", webhookTests},
	} {
		t.Run(group.name, func(t *testing.T) {
			for _, tc := range group.tests {
				t.Run(tc.name, func(t *testing.T) { tc.run(t, open(t)) })
			}
		})
	}
}

type test struct {
	name string
	run  func(t *testing.T, d Driver)
}
