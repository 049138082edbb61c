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
	"github.com/candor-gateway/candor/people"
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
	RevokeCertificate(ctx context.Context, id string, by people.By, requestID string) (*candorv1.CertificateState, error)
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
	for _, g := range groups {
		g.run(t, open)
	}
}

// RunRestarts is Run for a driver whose restart is what is tested: without the groups whose tests never restart their store.
func RunRestarts(t *testing.T, open func(t *testing.T) Driver) {
	for _, g := range groups {
		if !g.stays {
			g.run(t, open)
		}
	}
}

// group of tests. Those of one that stays never restart their store.
type group struct {
	name  string
	tests []test
	stays bool
}

var groups = []group{
	{"Ledger", ledgerTests, false},
	{"Summarize", summarizeTests, false},
	{"Review", reviewTests, false},
	{"Finish", finishTests, false},
	{"Verdicts", verdictTests, false},
	{"Routing", routingTests, false},
	{"Joining", joiningTests, false},
	{"Replacing", replacingTests, false},
	{"History", historyTests, false},
	{"Appeals", appealTests, false},
	{"Golden", goldenTests, false},
	{"Reports", reportTests, false},
	{"Held", heldTests, false},
	{"List", listTests, false},
	{"Concurrency", concurrencyTests, true},
	{"Limits", limitTests, false},
	{"Ratios", ratioTests, false},
	{"Latches", latchTests, false},
	{"LimitKinds", limitKindTests, false},
	{"Alerts", alertTests, false},
	{"Certificates", certificateTests, false},
	{"Evidence", evidenceTests, false},
	{"Artefacts", artefactTests, false},
	{"Ensembles", ensembleTests, false},
	{"People", peopleTests, false},
	{"Sessions", sessionTests, false},
	{"Tries", tryTests, false},
	{"Webhooks", webhookTests, false},
}

func (g group) run(t *testing.T, open func(t *testing.T) Driver) {
	t.Run(g.name, func(t *testing.T) {
		for _, tc := range g.tests {
			t.Run(tc.name, func(t *testing.T) {
				d := open(t)
				if g.stays {
					d = staying{d}
				}
				tc.run(t, d)
			})
		}
	})
}

// staying keeps a group honest that says of itself that it stays.
type staying struct{ Driver }

func (staying) Reopen(t testing.TB) Driver {
	t.Helper()
	t.Fatal("this group of tests is said not to restart its store: correct that in storetest.go")
	return nil
}

type test struct {
	name string
	run  func(t *testing.T, d Driver)
}
