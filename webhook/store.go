package webhook

import (
	"context"
	"errors"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// Errors that a Store answers with. Any other error is the store's own trouble: the caller may try again.
var (
	// ErrNotFound: there is no such endpoint, or no such delivery to it.
	ErrNotFound = errors.New("webhook: no such endpoint or delivery")
	// ErrMoved: the cursor isn't where the page begins: another gateway has read on, or somebody has set it back. Read again.
	ErrMoved = errors.New("webhook: the cursor has moved")
	// ErrPageToken: the token isn't one that a list answered.
	ErrPageToken = errors.New("webhook: the page token isn't one that a list answered; start again without it")
)

// Store keeps endpoints, their secrets and their deliveries, for any number of gateways at once.
//
// Every method is atomic and durable when it returns nil, and safe for concurrent use. `now` is the store's own clock, read by the
// caller. Changes by people append an AdminRecord to the decision log in the same transaction. Conformance: store/storetest.
type Store interface {
	// OpenWebhook makes the endpoint known. A new one's cursor is the feed's end; one that is known stays as it is.
	OpenWebhook(ctx context.Context, name string, now time.Time) error
	// Webhook answers an endpoint with its secrets that sign at now, the newest first. Errors: ErrNotFound.
	Webhook(ctx context.Context, name string, now time.Time) (Endpoint, error)
	// WebhookCursor answers the position in the feed up to which deliveries were made. Errors: ErrNotFound.
	WebhookCursor(ctx context.Context, name string) (uint64, error)
	// AppendDeliveries stores the deliveries that a page of the feed makes, and moves the endpoint's cursor from its beginning to
	// its end. A delivery whose id is known is left out. Errors: ErrNotFound, ErrMoved.
	AppendDeliveries(ctx context.Context, p Page) error
	// LeaseDeliveries leases up to l.Limit deliveries that are due, those due longest first; of one key only the first in the
	// feed's order that is PENDING. A lease is over when its time is, and the delivery due again. It leases nothing to an endpoint
	// that is disabled or has no secret. Errors: ErrNotFound.
	LeaseDeliveries(ctx context.Context, l Lease) (Leased, error)
	// FinishDelivery stores what came of a lease. A success counts whatever became of the lease meanwhile; a failure only while
	// the epoch is the delivery's. Where it disables the endpoint, it appends an AdminRecord by "gateway" and answers true.
	// Errors: ErrNotFound.
	FinishDelivery(ctx context.Context, r Result) (disabled bool, err error)
	// Deliveries answers a page of an endpoint's deliveries, the last in the feed first, without bodies. Errors: ErrNotFound,
	// ErrPageToken.
	Deliveries(ctx context.Context, f Filter) (deliveries []Delivery, next string, err error)
	// ReplayDeliveries makes deliveries PENDING and due again, under their ids, and answers how many. Errors: ErrNotFound.
	ReplayDeliveries(ctx context.Context, r Replay) (int64, error)
	// RotateWebhookSecret gives the endpoint a secret; those before it stop to sign after overlap, if not before.
	// Errors: ErrNotFound.
	RotateWebhookSecret(ctx context.Context, c Change, s Secret, overlap time.Duration) error
	// EnableWebhook lets a disabled endpoint go on: what is PENDING is due, with no attempt made. Of one that is enabled it
	// changes nothing. Errors: ErrNotFound.
	EnableWebhook(ctx context.Context, c Change) error
	// SweepDeliveries removes deliveries that ended, either way, at or before a time, and secrets that have stopped to sign by
	// then. It answers how many deliveries.
	SweepDeliveries(ctx context.Context, until time.Time) (int64, error)
}

// Endpoint is a receiver as the store knows it.
type Endpoint struct {
	Name string
	// DisabledReason says why nothing is sent; empty: it is enabled.
	DisabledReason string
	Disabled       time.Time
	// Pending and Failed count deliveries.
	Pending, Failed          int64
	LastSuccess, LastFailure time.Time
	LastError                string
	Secrets                  []Secret
}

// Delivery is one message to one endpoint.
type Delivery struct {
	// ID is the webhook-id, the same for every attempt; see [ID].
	ID       string
	Endpoint string
	// Key is the prediction's id: deliveries with one key keep the feed's order.
	Key      string
	Position uint64
	Body     []byte
	State    candorv1.WebhookDeliveryState
	// Attempts that have ended. First is when the first did; zero: none has.
	Attempts int
	First    time.Time
	// Epoch rises with every lease.
	Epoch   uint64
	Created time.Time
	// Due is when the next attempt may begin, or the lease under way ends.
	Due       time.Time
	Delivered time.Time
	// LastError and LastStatus are the last attempt's.
	LastError  string
	LastStatus int
}

// Page is a part of the feed, for one endpoint: the positions above After, up to To. Deliveries have ID, Key, Position, Body, and,
// when they can't be sent at all, LastError and the state FAILED.
type Page struct {
	Endpoint   string
	After, To  uint64
	Now        time.Time
	Deliveries []Delivery
}

// Lease asks for deliveries until Until.
type Lease struct {
	Endpoint   string
	Now, Until time.Time
	// Limit is at least 1.
	Limit int
}

// Leased are deliveries with what signs them.
type Leased struct {
	Deliveries []Delivery
	Secrets    []Secret
	// Next is when the next delivery that isn't leased here is due, in the past for one that waits for another of its key; zero:
	// nothing else is pending, or nothing may be sent.
	Next time.Time
}

// Result is what came of a leased delivery.
type Result struct {
	ID       string
	Endpoint string
	Epoch    uint64
	Now      time.Time
	// Status and Error are the attempt's; Error empty: the receiver took it.
	Status int
	Error  string
	// Next is when to try again; zero: never, after a failure. A delivery that failed for good disables the endpoint when nothing
	// was delivered to it since the delivery's first attempt.
	Next time.Time
	// Disable says why the endpoint is disabled; empty: it isn't. The delivery stays PENDING then.
	Disable string
}

// Filter selects deliveries.
type Filter struct {
	Endpoint string
	// State unspecified: all.
	State candorv1.WebhookDeliveryState
	// Limit is at least 1; After is the token of the page before.
	Limit int
	After string
}

// Change is somebody's doing, for the decision log.
type Change struct {
	Endpoint string
	Now      time.Time
	// By is a person's name; Remote the address that the request came from, empty: none.
	By, Remote string
}

// Replay says what to send again: one id, or what was made at or after Since, with FailedOnly what has failed for good or waits after
// a failure; or, with FromStart, all of the feed that has no delivery.
type Replay struct {
	Change
	ID         string
	Since      time.Time
	FailedOnly bool
	FromStart  bool
}
