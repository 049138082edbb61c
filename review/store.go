package review

import (
	"context"
	"errors"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// Errors that a Store answers with. Any other error is the store's own trouble: the caller may try again.
var (
	// ErrNotFound: there is no such item.
	ErrNotFound = errors.New("review: no such item")
	// ErrEmpty: nothing in the queue is eligible for this holder.
	ErrEmpty = errors.New("review: nothing to claim")
	// ErrClaimed: somebody else holds the item.
	ErrClaimed = errors.New("review: the item is claimed")
	// ErrStaleLease: the lease has ended, or another epoch has begun. Claim again.
	ErrStaleLease = errors.New("review: the lease is stale")
	// ErrResolved: the item already has its final answer.
	ErrResolved = errors.New("review: the item is finished")
	// ErrNotHeld: no limit holds an answer of the item.
	ErrNotHeld = errors.New("review: the item's answer is not held")
	// ErrSelfReview: the holder submitted the item.
	ErrSelfReview = errors.New("review: nobody reviews what they submitted")
)

// Store keeps review items. Items are created by the gateway's ledger, in the transaction of the decision that deferred
// them; a Store only moves them through their life.
//
// Every method is atomic and durable when it returns nil. Methods are safe for concurrent use by many goroutines and, where
// the driver allows it, many processes. `now` is the store's own clock, read by the caller (time comes in as a value).
// Conformance: store/storetest.
type Store interface {
	// Claim leases an item to c.Holder: the named one, or the next eligible by (expected loss, high first; deadline, near
	// first; age, old first; id). An item whose lease has ended is eligible. The item's epoch rises by one with every
	// claim and never falls. Errors: ErrEmpty, ErrNotFound, ErrClaimed, ErrResolved, ErrSelfReview.
	Claim(ctx context.Context, c Claim) (Item, error)
	// Renew extends the lease of (id, holder, epoch) to until; never the item's deadline. Errors: ErrNotFound,
	// ErrStaleLease, ErrResolved.
	Renew(ctx context.Context, l Lease, now, until time.Time) (Item, error)
	// Release gives the item back to PENDING. Errors: as Renew.
	Release(ctx context.Context, l Lease, now time.Time) (Item, error)
	// Resolve stores a final answer, checking holder, epoch and lease in the same transaction, which also appends the
	// decision log's VerdictRecord and the final-answer feed. A second call with the same RequestID answers the stored item
	// and changes nothing. Errors: as Renew.
	Resolve(ctx context.Context, r Resolution) (Item, error)
	// Expire finishes up to limit items whose own deadline has passed, each by decide (called inside the transaction, must
	// not call the store), and answers those that it finished. An item that a reviewer holds expires too: the deadline is
	// the item's. An audit ends without an answer, and decide isn't asked. Errors: the store's.
	Expire(ctx context.Context, now time.Time, limit int, decide func(Item) Expiry) ([]Item, error)
	// Held answers up to limit finished items whose answer an action limit holds, oldest first, without payloads; those that
	// a limit named in except holds are left out.
	Held(ctx context.Context, except []string, limit int) ([]Item, error)
	// LetOut releases a held answer: it appends the decision log's VerdictRecord and the feed's second entry for the item in
	// the same transaction. Errors: ErrNotFound, ErrNotHeld.
	LetOut(ctx context.Context, id string, now time.Time) (Item, error)
	// Get answers one item with its payload. Errors: ErrNotFound.
	Get(ctx context.Context, id string) (Item, error)
	// List answers items, newest first, without payloads.
	List(ctx context.Context, f Filter) (Page, error)
}

// Item is one review item. It is a value: changing one changes nothing in the store.
type Item struct {
	// ID is a UUIDv7 in its 36-character form.
	ID           string
	Queue        string
	State        candorv1.ReviewState
	Release      candorv1.ReleaseState
	PredictionID string
	Row          uint32
	// Field of the row; empty: the model has one.
	Field        string
	Model        string
	Backend      string
	ModelVersion string
	Consumer     string
	Reasons      []candorv1.Reason
	// ExpectedLoss orders the queue; at least 0.
	ExpectedLoss float64
	Created      time.Time
	// Deadline is the item's own; no heartbeat moves it.
	Deadline time.Time
	OnExpire candorv1.ExpireAction
	// DefaultLabel or DefaultValue is the policy's typed default answer; both unset: none.
	DefaultLabel string
	DefaultValue *float64
	// Holder, Epoch and LeaseUntil are the lease. Epoch is the fencing token: it rises with every claim.
	Holder     string
	Epoch      uint64
	LeaseUntil time.Time
	// Labels are what a verdict may say; empty: a value in Unit.
	Labels []string
	Unit   string
	// Payload is the row's input; nil in lists, after retention, or when all of it is redacted.
	Payload *candorv1.ReviewPayload
	// Answers are every stage's, so that one verdict scores all of them.
	Answers     []*candorv1.StageAnswer
	Traceparent string
	// SamplingProbability in (0,1]: 1 for a deferred row.
	SamplingProbability float64
	// Kind says whether a caller waits for the answer, or the row is judged only to know how good such answers are. The
	// final answer of an audit changes nothing for the caller: it is not in the feed, and no action limit is asked.
	Kind candorv1.ReviewKind
	// Sequences has one element per certificate that the row is evidence for; empty: none.
	Sequences []Sequence
	// Input is the digest of the row's input, 16 bytes, and Cluster that of what it shares its fate with: each enters a
	// certificate once. Nil: not known, none. Of a new item only: a store answers neither.
	Input, Cluster []byte
	PolicyDigest   []byte
	// Verdict is the final answer, once there is one; Author of the default action is "policy/on_expire".
	Verdict *candorv1.Verdict
	// VerdictRequestID is the idempotency key that the verdict came with.
	VerdictRequestID string
	FinalTime        time.Time
	// HeldBy is the limit that holds the final answer; empty: none.
	HeldBy string
	// Action that the final answer means.
	Action string
	// FinalReason says how it ended: REASON_VERDICT or REASON_REVIEW_EXPIRED.
	FinalReason candorv1.Reason
}

// Sequence is a row's part in the evidence of one certificate. All sequences of one call for one certificate are one unit, with
// one number in the certificate's order, which the store gives them in the transaction that records the call.
type Sequence struct {
	// Certificate is the id (digest.version) of the one in force when the row was decided.
	Certificate string
	// Number is set by the store; 0: the row doesn't count (the grid is not frozen, the input or its cluster was in before, the
	// certificate has ended since).
	Number uint64
	// Probability in (0,1] with which the row was chosen, and Least, the least that any row of the call could get.
	Probability, Least float64
	// Confidence of the certificate's stage, in [0,1], and its answer: a label or a value.
	Confidence float64
	Label      string
	Value      *float64
	// Accepted: at or above the licensed threshold, so that the alarm watches it.
	Accepted bool
	// Foreign: another version of the model answered under this certificate. Only the alarm watches it.
	Foreign bool
}

// Claim asks for an item.
type Claim struct {
	// ID names one item; empty: the next of Queue; Queue empty: of any of Queues.
	ID    string
	Queue string
	// Queues that the holder may work on; nil: all.
	Queues []string
	// Holder is the reviewer's authenticated name.
	Holder string
	Now    time.Time
	// LeaseFor is how long the claim holds for a given queue.
	LeaseFor func(queue string) time.Duration
}

// Lease names a claim.
type Lease struct {
	ID     string
	Holder string
	Epoch  uint64
}

// Resolution is a verdict with its fencing token.
type Resolution struct {
	Lease
	Now       time.Time
	Verdict   *candorv1.Verdict
	RequestID string
	// Release and HeldBy are what the action limits said of the verdict's answer.
	Release candorv1.ReleaseState
	HeldBy  string
	Action  string
}

// Expiry is what the deadline does to an item.
type Expiry struct {
	// Verdict is the default action's answer; nil: reject.
	Verdict *candorv1.Verdict
	Release candorv1.ReleaseState
	HeldBy  string
	Action  string
}

// Filter selects items for List.
type Filter struct {
	// Queue and State narrow; empty and unspecified: all. PredictionID narrows to one prediction's items.
	Queue        string
	State        candorv1.ReviewState
	PredictionID string
	// Limit is the page's size, at least 1.
	Limit int
	// After is the PageToken of the page before; empty: the first.
	After string
}

// Page is one page of a list.
type Page struct {
	Items []Item
	// Next is empty on the last page.
	Next string
	// Pending and Claimed count the filter's queue, whatever the page.
	Pending, Claimed int64
}

// Final is an item's final answer at its position in the feed. Positions rise in the order of commits and are never reused.
type Final struct {
	Position uint64
	Item     Item
}
