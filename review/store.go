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
	// ErrResolved: the item doesn't wait for a verdict any more.
	ErrResolved = errors.New("review: the item is finished")
	// ErrNotHeld: no limit holds an answer of the item.
	ErrNotHeld = errors.New("review: the item's answer is not held")
	// ErrSelfReview: the holder submitted the item.
	ErrSelfReview = errors.New("review: nobody reviews what they submitted")
	// ErrExcluded: the reviewer has judged or skipped the item, or judged what it appeals.
	ErrExcluded = errors.New("review: the item is for others")
	// ErrSeniorOnly: reviewers disagreed, and a senior decides.
	ErrSeniorOnly = errors.New("review: the item is for a senior")
	// ErrUndoClosed: there is no verdict of the reviewer's that could still be changed.
	ErrUndoClosed = errors.New("review: the verdict can't be changed any more")
	// ErrEtag: the item has changed since it was read.
	ErrEtag = errors.New("review: the item has changed")
	// ErrNotFinal: the answer can still be undone.
	ErrNotFinal = errors.New("review: the answer is not final")
	// ErrNotDue: neither its deadline nor its undo window has ended.
	ErrNotDue = errors.New("review: the item is not due")
	// ErrAppealed: the row is under appeal already; the error's item is in AppealedError.
	ErrAppealed = errors.New("review: the row is under appeal")
)

// LettingOut is no item's id. Whoever lets out answers that limits held has it alone.
const LettingOut = "00000000-0000-0000-0000-000000000000"

// Store keeps review items. Items are created by the gateway's ledger, in the transaction of the decision that deferred
// them; a Store moves them through their life.
//
// Every method is atomic and durable when it returns nil; on an error nothing of it is stored. Methods are safe for concurrent use by
// many goroutines and, where the driver allows it, many processes. `now` is the store's own clock, read by the caller (time comes in
// as a value); whole microseconds. Conformance: store/storetest.
type Store interface {
	// Next chooses an item for a claim, and applies the claim to it in the same transaction: the named one, or the next eligible by
	// (audits first or last, as the claim says; expected loss, high first; deadline, near first; age, old first; id). Eligible is
	// what Claim.Apply takes. Never the same item to two claims at once. The item has its payload. Errors: ErrEmpty, those of Claim.
	Next(ctx context.Context, c Claim) (Item, error)
	// Change applies an act to an item, and does what follows from it (Effects). Where the act's request was done before, it answers
	// the item with Repeated set. The item has its payload. Errors: ErrNotFound, those of the act.
	Change(ctx context.Context, id string, a Act) (Item, error)
	// Due answers up to limit items whose undo window has closed, or whose deadline has passed, the most overdue first, without
	// payloads.
	Due(ctx context.Context, now time.Time, limit int) ([]Item, error)
	// Held answers up to limit finished items whose answer an action limit holds, oldest first, without payloads; those that
	// a limit named in except holds are left out, and so are those up to a place, unless it is zero.
	Held(ctx context.Context, except []string, after HeldPlace, limit int) ([]Item, error)
	// Alone runs f while nobody else has the item alone, in this process or another that serves from the store, and answers whether it did:
	// false, when somebody has. It is for asking others about an item before it is changed, where it matters that they are asked once. It keeps
	// nobody from changing the item, and a store that is lost meanwhile may let somebody else begin: what f changes names the etag. Errors:
	// ErrNotFound for what is no id; f was not run.
	Alone(ctx context.Context, id string, f func()) (bool, error)
	// Get answers one item with its payload. Errors: ErrNotFound.
	Get(ctx context.Context, id string) (Item, error)
	// List answers items, newest first, without payloads. Errors: ErrPageToken.
	List(ctx context.Context, f Filter) (Page, error)
	// Events answers up to limit entries of an item's history with a position above after, oldest first.
	Events(ctx context.Context, id string, after uint64, limit int) ([]Event, error)
	// Appeal adds an item that isn't made by a decision, with its CREATED event: an appeal. by and requestID make it idempotent: a second
	// call answers the first one's item. Its payload, where it has none, is that of the newest item of the same prediction, row and
	// field. Errors: ErrAppealed as *AppealedError, where another appeal of the same row is not final.
	Appeal(ctx context.Context, it Item, by, requestID string) (Item, error)
	// DeletePayload removes an item's payload and appends an AdminRecord to the decision log. Idempotent. Errors: ErrNotFound.
	DeletePayload(ctx context.Context, id string, by By, reason string, now time.Time) error
	// Moved answers a channel that is closed when something in the queue changes next.
	Moved() <-chan struct{}
	Reports
	Goldens
}

// AppealedError names the appeal that is under way.
type AppealedError struct{ Item string }

func (e *AppealedError) Error() string { return ErrAppealed.Error() + ": " + Name(e.Item) }

// Unwrap makes it ErrAppealed.
func (e *AppealedError) Unwrap() error { return ErrAppealed }

// Reports are what is counted over many items.
type Reports interface {
	// Queues answers the state of every queue that has items, by name. Spans begin at since.
	Queues(ctx context.Context, now, since time.Time) ([]QueueState, error)
	// Given answers verdicts that were given in [Since, Until), oldest first, at most limit of them.
	Given(ctx context.Context, f GivenFilter) ([]Given, error)
	// Passed counts what reviewers gave on in [Since, Until) of the filter, by reviewer and queue, in that order. Its Limit is not
	// looked at.
	Passed(ctx context.Context, f GivenFilter) ([]Passed, error)
}

// MostWaiting bounds QueueState.Waiting.
const MostWaiting = 10_000

// QueueState is what a queue holds.
type QueueState struct {
	Queue            string
	Pending, Claimed int64
	// Waiting are the pending items, in the order of Next without audits first, at most MostWaiting.
	Waiting []Waiting
	// Claims that run.
	Holders []Holder
	// Since the beginning of the span: verdicts, items that expired, times from claim to verdict (at most 1,000, newest first).
	Resolved, Expired int64
	WorkTimes         []time.Duration
	// Created counts items since the beginning of the span, by kind.
	Created map[candorv1.ReviewKind]int64
}

// Waiting is a pending item as far as it matters for its turn.
type Waiting struct {
	ExpectedLoss      float64
	Created, Deadline time.Time
	Audit             bool
}

// Holder is a claim that runs.
type Holder struct {
	Reviewer, ItemID string
	Until            time.Time
}

// GivenFilter selects verdicts. Empty strings select all; a zero Until is the end of time.
type GivenFilter struct {
	Since, Until           time.Time
	Queue, Model, Reviewer string
	Limit                  int
}

// Given is a verdict with what it can be compared with.
type Given struct {
	ItemID, Queue, Model, Field string
	Kind                        candorv1.ReviewKind
	At                          time.Time
	Verdict                     *candorv1.Verdict
	// Undone: it was taken back.
	Undone bool
	// Answers are every stage's, the primary's first.
	Answers []*candorv1.StageAnswer
	// Golden is the right answer of a golden item, within Tolerance; nil: it is none.
	Golden    *candorv1.VerdictAnswer
	Tolerance float64
}

// Passed is how many items of a queue a reviewer has not answered, and has given to others instead.
type Passed struct {
	// Queue is the one in which the item was then.
	Reviewer, Queue    string
	Skipped, Escalated int64
}

// By is who does what the decision log tells of.
type By struct {
	// Name of a person; not empty.
	Name string
	// Remote is the IP address that their call came from; empty: not known.
	Remote string
}

// Goldens are questions whose answer is known.
type Goldens interface {
	// AddGolden stores a question. by and requestID make it idempotent: a second call answers the first one's. It appends an
	// AdminRecord to the decision log.
	AddGolden(ctx context.Context, g Golden, by By, requestID string, now time.Time) (Golden, error)
	// Goldens lists the questions of a queue (empty: of all), newest first, with a position below before (0: from the newest).
	Goldens(ctx context.Context, queue string, before uint64, limit int) ([]Golden, error)
	// DeleteGolden: the question isn't shown again; the items that showed it stay. Errors: ErrNotFound.
	DeleteGolden(ctx context.Context, id string, by By, now time.Time) error
	// NextGolden makes an item of a question that the holder hasn't been shown, and claims it for the holder. Of the answers it
	// takes the one that the holder was shown least, and of those questions the one that was shown least. made is the item without
	// what the question says; its ID, PredictionID, Created, Deadline and lease are taken as they are. Errors: ErrEmpty.
	NextGolden(ctx context.Context, c Claim, made Item) (Item, error)
}

// Golden is a question whose answer is known.
type Golden struct {
	// ID is a UUIDv7; Position is given by the store and rises.
	ID                  string
	Position            uint64
	Queue, Model, Field string
	Backend             string
	ModelVersion        string
	Consumer            string
	Labels              []string
	Unit                string
	Payload             *candorv1.ReviewPayload
	Answers             []*candorv1.StageAnswer
	Answer              *candorv1.VerdictAnswer
	Tolerance           float64
	By                  string
	Created             time.Time
	// Shown counts verdicts on it, Right those that were right. Set by the store.
	Shown, Right int64
}

// Filter selects items for List.
type Filter struct {
	// Empty and unspecified: all.
	Queue        string
	State        candorv1.ReviewState
	PredictionID string
	Model        string
	// Reviewer who holds the item or has given a verdict on it.
	Reviewer string
	// Queues that may be seen; nil: all.
	Queues []string
	// NoGolden leaves out golden items.
	NoGolden bool
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

// Final is an item's final answer at its position in the feed: what it was then, whatever came later. Positions rise in the order of
// commits and are never reused.
type Final struct {
	Position uint64
	Item     Item
}
