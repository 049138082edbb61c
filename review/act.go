package review

import (
	"slices"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// Act is something that happens to an item. A store applies it to the item as it is under the lock, and saves what it changed and
// what follows from it in the same transaction. One that wraps another may have Unwrap() Act: a store may do acts in different ways.
type Act interface {
	// Request identifies the act: of two with the same non-empty request id from the same actor for the same item the second changes
	// nothing and is no error.
	Request() (actor, requestID string)
	// Apply changes the item, or answers one of this package's errors and leaves it as it is. It is pure, and quick: it runs inside
	// of a transaction.
	Apply(it *Item) (Effects, error)
}

// Effects are what a store does beside saving the item.
type Effects struct {
	// Unchanged: there is nothing to save.
	Unchanged bool
	// Events are appended to the item's history.
	Events []Event
	// Exclude is added to the item's exclusions; Include is taken away. Both have been applied to Item.Excluded.
	Exclude []Exclusion
	Include []string
	// Final: the answer became final. The store appends the decision log's VerdictRecord, settles the evidence of certificates,
	// starts the payload's retention, answers items that joined it (Follow), and, if the item is Awaited, appends to the feed.
	Final bool
	// Announced: a final answer changed its release state or was replaced. The store appends to log and feed again.
	Announced bool
	// Orphaned: the item ended without an answer for those that joined it. The store makes one of them the first (Succeed).
	Orphaned bool
}

// Event is an entry of an item's history. Kind, At and Actor are always there.
type Event struct {
	// Position is given by the store; it rises.
	Position uint64
	ItemID   string
	Kind     candorv1.ReviewEventKind
	At       time.Time
	// Actor is a person, "policy/..." or "gateway".
	Actor   string
	Note    string
	Queue   string
	Epoch   uint64
	Verdict *candorv1.Verdict
}

func (i *Item) event(kind candorv1.ReviewEventKind, at time.Time, actor, note string) Event {
	return Event{ItemID: i.ID, Kind: kind, At: at, Actor: actor, Note: note, Queue: i.Queue, Epoch: i.Epoch}
}

// Lease names a claim.
type Lease struct {
	Holder string
	Epoch  uint64
}

// runs says whether the lease is the one that is running. Errors: ErrResolved, ErrStaleLease.
func (l Lease) runs(it *Item, now time.Time) error {
	switch {
	case !it.Open():
		return ErrResolved
	case it.State != candorv1.ReviewState_REVIEW_STATE_CLAIMED, it.Holder != l.Holder, it.Epoch != l.Epoch, !it.LeaseUntil.After(now):
		return ErrStaleLease
	}
	return nil
}

// held says that a lease runs.
func (i *Item) held(now time.Time) bool {
	return i.State == candorv1.ReviewState_REVIEW_STATE_CLAIMED && i.LeaseUntil.After(now)
}

// free gives the item back.
func (i *Item) free() {
	i.State, i.Holder, i.LeaseUntil = candorv1.ReviewState_REVIEW_STATE_PENDING, "", time.Time{}
}

// lease gives the item to a holder.
func (i *Item) lease(holder string, now, until time.Time) {
	i.State, i.Holder, i.Epoch, i.LeaseUntil, i.ClaimedAt = candorv1.ReviewState_REVIEW_STATE_CLAIMED, holder, i.Epoch+1, until, now
}

// exclude adds an exclusion, or replaces the reviewer's.
func (i *Item) exclude(x Exclusion) {
	i.include(x.Reviewer)
	i.Excluded = append(i.Excluded, x)
}

func (i *Item) include(reviewer string) {
	i.Excluded = slices.DeleteFunc(slices.Clone(i.Excluded), func(x Exclusion) bool { return x.Reviewer == reviewer })
}
