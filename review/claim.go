package review

import (
	"slices"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// Claim asks for an item: the act on it once it is chosen.
type Claim struct {
	// ID names one item; empty: the next of Queue; Queue empty: of any of Queues.
	ID    string
	Queue string
	// Queues that the holder may work on; nil: all.
	Queues []string
	// Holder is the reviewer's authenticated name; Senior, that items under adjudication are theirs, too.
	Holder string
	Senior bool
	// AuditsFirst: an audit if there is one. Otherwise one only where nothing else is eligible.
	AuditsFirst bool
	Now         time.Time
	// LeaseFor is how long the claim holds for a given queue.
	LeaseFor  func(queue string) time.Duration
	RequestID string
}

// Request is of Act.
func (c Claim) Request() (actor, requestID string) { return c.Holder, c.RequestID }

// Apply leases the item. The holder of a live lease may claim the item again, and gets a new epoch: the answer to the first claim
// may have been lost. Errors: ErrNotFound (also for a queue that is not the holder's, of which nothing is said), ErrResolved,
// ErrSelfReview, ErrClaimed, ErrExcluded (also for a golden item of somebody else's, which was made for them), ErrSeniorOnly.
func (c Claim) Apply(it *Item) (Effects, error) {
	switch {
	case c.Queues != nil && !slices.Contains(c.Queues, it.Queue), c.Queue != "" && c.Queue != it.Queue:
		return Effects{}, ErrNotFound
	case !it.Open(), it.JoinedTo != "", !it.Deadline.After(c.Now):
		return Effects{}, ErrResolved
	case it.Consumer == c.Holder:
		return Effects{}, ErrSelfReview
	case it.held(c.Now) && it.Holder != c.Holder:
		return Effects{}, ErrClaimed
	case it.excludes(c.Holder, c.Now), it.Kind == candorv1.ReviewKind_REVIEW_KIND_GOLDEN && it.Holder != "" && it.Holder != c.Holder:
		return Effects{}, ErrExcluded
	case it.Adjudication && !c.Senior:
		return Effects{}, ErrSeniorOnly
	}
	var out Effects
	if it.State == candorv1.ReviewState_REVIEW_STATE_CLAIMED && !it.LeaseUntil.After(c.Now) {
		out.Events = append(out.Events, it.event(candorv1.ReviewEventKind_REVIEW_EVENT_KIND_LEASE_LOST, it.LeaseUntil, it.Holder, ""))
	}
	it.lease(c.Holder, c.Now, c.Now.Add(c.LeaseFor(it.Queue)).Truncate(time.Microsecond))
	out.Events = append(out.Events, it.event(candorv1.ReviewEventKind_REVIEW_EVENT_KIND_CLAIMED, c.Now, c.Holder, ""))
	return out, nil
}

// Renew extends a lease, never the item's deadline. An Until before the lease's end changes nothing.
type Renew struct {
	Lease
	Now, Until time.Time
}

// Request is of Act: a heartbeat may be sent as often as one likes.
func (r Renew) Request() (actor, requestID string) { return r.Holder, "" }

// Apply extends the lease. Errors: ErrResolved, ErrStaleLease.
func (r Renew) Apply(it *Item) (Effects, error) {
	if err := r.runs(it, r.Now); err != nil {
		return Effects{}, err
	}
	until := r.Until.Truncate(time.Microsecond)
	if !until.After(it.LeaseUntil) {
		return Effects{Unchanged: true}, nil
	}
	it.LeaseUntil = until
	return Effects{}, nil
}

// Release gives an item back. A golden one is withdrawn: it was made for its holder.
type Release struct {
	Lease
	Now       time.Time
	RequestID string
}

// Request is of Act.
func (r Release) Request() (actor, requestID string) { return r.Holder, r.RequestID }

// Apply frees the item. Errors: ErrResolved, ErrStaleLease.
func (r Release) Apply(it *Item) (Effects, error) {
	if err := r.runs(it, r.Now); err != nil {
		return Effects{}, err
	}
	out := Effects{Events: []Event{it.event(candorv1.ReviewEventKind_REVIEW_EVENT_KIND_RELEASED, r.Now, r.Holder, "")}}
	it.giveBack(r.Now, &out)
	return out, nil
}

// giveBack frees an item that its reviewer won't answer now. A golden one ends: it was made for its reviewer.
func (i *Item) giveBack(now time.Time, out *Effects) {
	i.free()
	if i.Kind != candorv1.ReviewKind_REVIEW_KIND_GOLDEN {
		return
	}
	i.State = candorv1.ReviewState_REVIEW_STATE_WITHDRAWN
	out.Final = i.end(now, Gated{}).Final
	out.Events = append(out.Events, i.event(candorv1.ReviewEventKind_REVIEW_EVENT_KIND_WITHDRAWN, now, AuthorGateway, ""))
}

// Skip gives an item back with a reason. It doesn't come back to the skipper before Until; zero: never.
type Skip struct {
	Lease
	Now       time.Time
	Reason    string
	Until     time.Time
	RequestID string
}

// Request is of Act.
func (s Skip) Request() (actor, requestID string) { return s.Holder, s.RequestID }

// Apply frees the item. Errors: ErrResolved, ErrStaleLease.
func (s Skip) Apply(it *Item) (Effects, error) {
	if err := s.runs(it, s.Now); err != nil {
		return Effects{}, err
	}
	x := Exclusion{Reviewer: s.Holder, Until: s.Until}
	out := Effects{
		Events:  []Event{it.event(candorv1.ReviewEventKind_REVIEW_EVENT_KIND_SKIPPED, s.Now, s.Holder, s.Reason)},
		Exclude: []Exclusion{x},
	}
	it.exclude(x)
	it.giveBack(s.Now, &out)
	return out, nil
}

// Escalate hands an item to another queue. The caller has checked that the queue exists and may get it.
type Escalate struct {
	Lease
	Now         time.Time
	Queue, Note string
	RequestID   string
}

// Request is of Act.
func (e Escalate) Request() (actor, requestID string) { return e.Holder, e.RequestID }

// Apply moves the item. Errors: ErrResolved, ErrStaleLease.
func (e Escalate) Apply(it *Item) (Effects, error) {
	if err := e.runs(it, e.Now); err != nil {
		return Effects{}, err
	}
	ev := it.event(candorv1.ReviewEventKind_REVIEW_EVENT_KIND_ESCALATED, e.Now, e.Holder, e.Note)
	ev.Queue = e.Queue
	it.EscalatedFrom, it.EscalatedBy, it.EscalationNote = it.Queue, e.Holder, e.Note
	it.Queue = e.Queue
	out := Effects{Events: []Event{ev}}
	it.giveBack(e.Now, &out)
	return out, nil
}
