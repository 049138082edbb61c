package gateway

import (
	"context"
	"time"

	"github.com/candor-gateway/candor/audit"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

// Ledger is what the request path needs of a store: a decision and the items that it defers become durable together or not
// at all. Safe for concurrent use.
type Ledger interface {
	// Record stores the record (its time_us is set by the ledger when 0) and the review items in ONE transaction, durable when
	// it returns nil. On an error nothing of it is stored.
	Record(ctx context.Context, rec *candorv1.Record, items []review.Item) error
	// Enqueue hands a plain accept's record, or that of a gap, to the group commit. It returns at once while the bounded queue
	// has room, and waits for room otherwise until ctx ends, whose error it then answers: with a ctx that has ended it doesn't
	// wait.
	Enqueue(ctx context.Context, rec *candorv1.Record) error
	// Find answers a prediction's record. Records that wait for the group commit are found too. Errors: audit.ErrNotFound.
	Find(ctx context.Context, predictionID string) (audit.Stored, error)
	// Summarize counts decisions.
	Summarize(ctx context.Context, q audit.Query) (audit.Summary, error)
	// RecordOutcome stores ground truth with its record; idempotent by request_id within the prediction.
	// Errors: audit.ErrNotFound.
	RecordOutcome(ctx context.Context, o *candorv1.OutcomeRecord) error
	// Outcomes answers the ground truth of a prediction, oldest first.
	Outcomes(ctx context.Context, predictionID string) ([]*candorv1.OutcomeRecord, error)
	// Finals answers up to limit final answers with a position above after, in order of position.
	Finals(ctx context.Context, after uint64, limit int) ([]review.Final, error)
	// Changed answers a channel that is closed when the next final answer is stored.
	Changed() <-chan struct{}
	// ID is the store's own, a UUID: another store has another one, also where it serves the same identity.
	ID() string
	// Now is the store's clock, the only one that decisions, leases and limits read: it never goes back, not even over a
	// restart.
	Now() time.Time
}
