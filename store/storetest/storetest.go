// Package storetest is the conformance suite that every store passes: the contracts of review.Store, limits.Store and the
// gateway's ledger, as tests. A driver's own test calls [Run].
package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/candor-gateway/candor/audit"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/limits"
	"github.com/candor-gateway/candor/review"
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

// Driver is an open store under test.
type Driver interface {
	Ledger
	review.Store
	limits.Store
	Pins
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
		{"Held", heldTests},
		{"List", listTests},
		{"Concurrency", concurrencyTests},
		{"Limits", limitTests},
		{"Ensembles", ensembleTests},
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
