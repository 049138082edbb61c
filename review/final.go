package review

import (
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// Authors of what no person did: the gateway, and a policy at an item's deadline or when its model is replaced.
const (
	AuthorGateway    = "gateway"
	AuthorOnExpire   = "policy/on_expire"
	AuthorOnReplaced = "policy/on_replaced"
)

// Gated is what the action limits said of an answer.
type Gated struct {
	// Release is RELEASED, or HELD by the limit HeldBy. Of items that nobody waits for it is always RELEASED.
	Release candorv1.ReleaseState
	HeldBy  string
	Action  string
}

func (g Gated) apply(it *Item) {
	it.Release, it.HeldBy, it.Action = g.Release, g.HeldBy, g.Action
	if !it.Awaited() {
		it.Release, it.HeldBy = candorv1.ReleaseState_RELEASE_STATE_RELEASED, ""
	} else if it.Release == candorv1.ReleaseState_RELEASE_STATE_UNSPECIFIED {
		it.Release = candorv1.ReleaseState_RELEASE_STATE_HELD
	}
}

// end makes the item's answer final.
func (i *Item) end(now time.Time, g Gated) Effects {
	g.apply(i)
	i.FinalTime, i.UndoUntil, i.LeaseUntil = now, time.Time{}, time.Time{}
	return Effects{Final: true}
}

// Finalize makes a settled verdict final when its window has closed.
type Finalize struct {
	Now time.Time
	Gated
}

// Request is of Act.
func (f Finalize) Request() (actor, requestID string) { return AuthorGateway, "" }

// Apply ends the item. Errors: ErrNotDue: nothing is settled, or the window is open; ErrResolved: it is final.
func (f Finalize) Apply(it *Item) (Effects, error) {
	switch {
	case it.Final():
		return Effects{}, ErrResolved
	case it.State != candorv1.ReviewState_REVIEW_STATE_RESOLVED, it.UndoUntil.After(f.Now):
		return Effects{}, ErrNotDue
	}
	out := it.end(f.Now, f.Gated)
	ev := it.event(candorv1.ReviewEventKind_REVIEW_EVENT_KIND_FINAL, f.Now, AuthorGateway, "")
	ev.Verdict = it.Verdict
	out.Events = []Event{ev}
	return out, nil
}

// Expire ends an item whose deadline has passed, by the policy's default action. An item that a reviewer holds expires, too: the
// deadline is the item's. One that is settled doesn't: its answer becomes final.
type Expire struct {
	Now time.Time
	// Verdict is the answer; nil: none, which rejects. An author and a time that it lacks are set.
	Verdict *candorv1.Verdict
	Gated
}

// Request is of Act.
func (e Expire) Request() (actor, requestID string) { return AuthorOnExpire, "" }

// Apply ends the item. Errors: ErrNotDue, ErrResolved.
func (e Expire) Apply(it *Item) (Effects, error) {
	switch {
	case !it.Open():
		return Effects{}, ErrResolved
	case it.Deadline.After(e.Now):
		return Effects{}, ErrNotDue
	}
	it.State, it.FinalReason = candorv1.ReviewState_REVIEW_STATE_EXPIRED, candorv1.Reason_REASON_REVIEW_EXPIRED
	return it.endBy(e.Verdict, AuthorOnExpire, e.Now, e.Gated, candorv1.ReviewEventKind_REVIEW_EVENT_KIND_EXPIRED), nil
}

func (i *Item) endBy(v *candorv1.Verdict, author string, now time.Time, g Gated, kind candorv1.ReviewEventKind) Effects {
	i.Holder, i.Verdict, i.Agreeing = "", nil, 0
	if i.Kind != candorv1.ReviewKind_REVIEW_KIND_AUDIT && i.Kind != candorv1.ReviewKind_REVIEW_KIND_GOLDEN && v != nil {
		v = proto.CloneOf(v)
		if v.Author == "" {
			v.Author = author
		}
		if v.CreateTime == nil {
			v.CreateTime = timestamppb.New(now)
		}
		i.Verdict = v
	}
	out := i.end(now, g)
	out.Orphaned = true
	ev := i.event(kind, now, author, "")
	ev.Verdict = i.Verdict
	out.Events = []Event{ev}
	return out
}

// Withdraw ends an item whose model was replaced, by the policy's default action, or, with Version, by the answer that the new
// version gave.
type Withdraw struct {
	Now     time.Time
	Verdict *candorv1.Verdict
	// Author of Verdict; empty: AuthorOnReplaced.
	Author string
	Gated
}

// Request is of Act.
func (w Withdraw) Request() (actor, requestID string) { return AuthorOnReplaced, "" }

// Apply ends the item. Errors: ErrResolved; ErrClaimed: a reviewer is at work on it, and their verdict is worth more.
func (w Withdraw) Apply(it *Item) (Effects, error) {
	switch {
	case !it.Open():
		return Effects{}, ErrResolved
	case it.held(w.Now):
		return Effects{}, ErrClaimed
	}
	it.State, it.FinalReason, it.ModelReplaced = candorv1.ReviewState_REVIEW_STATE_WITHDRAWN, candorv1.Reason_REASON_MODEL_REPLACED, true
	author := w.Author
	if author == "" {
		author = AuthorOnReplaced
	}
	return it.endBy(w.Verdict, author, w.Now, w.Gated, candorv1.ReviewEventKind_REVIEW_EVENT_KIND_WITHDRAWN), nil
}

// Rescore notes that the model was replaced, and, where Answers isn't nil, what the new version said.
type Rescore struct {
	Now          time.Time
	Answers      []*candorv1.StageAnswer
	ExpectedLoss float64
}

// Request is of Act.
func (r Rescore) Request() (actor, requestID string) { return AuthorGateway, "" }

// Apply changes the item. Errors: ErrResolved.
func (r Rescore) Apply(it *Item) (Effects, error) {
	if !it.Open() {
		return Effects{}, ErrResolved
	}
	if it.ModelReplaced && r.Answers == nil {
		return Effects{Unchanged: true}, nil
	}
	it.ModelReplaced = true
	if r.Answers == nil {
		return Effects{}, nil
	}
	it.Answers, it.ExpectedLoss = r.Answers, r.ExpectedLoss
	return Effects{Events: []Event{it.event(candorv1.ReviewEventKind_REVIEW_EVENT_KIND_RESCORED, r.Now, AuthorGateway, "")}}, nil
}

// LetOut releases an answer that a limit held.
type LetOut struct{ Now time.Time }

// Request is of Act.
func (l LetOut) Request() (actor, requestID string) { return AuthorGateway, "" }

// Apply releases the answer. Errors: ErrNotHeld.
func (l LetOut) Apply(it *Item) (Effects, error) {
	if !it.Held() {
		return Effects{}, ErrNotHeld
	}
	ev := it.event(candorv1.ReviewEventKind_REVIEW_EVENT_KIND_LET_OUT, l.Now, AuthorGateway, it.HeldBy)
	it.Release, it.HeldBy, it.FinalTime = candorv1.ReleaseState_RELEASE_STATE_RELEASED, "", l.Now
	return Effects{Events: []Event{ev}, Announced: true}, nil
}

// HoldBy notes that another limit holds the answer now than before.
type HoldBy struct{ Limit string }

// Request is of Act.
func (h HoldBy) Request() (actor, requestID string) { return AuthorGateway, "" }

// Apply names the limit. It is no event: to whoever waits the answer is held as before. Errors: ErrNotHeld.
func (h HoldBy) Apply(it *Item) (Effects, error) {
	switch {
	case !it.Held():
		return Effects{}, ErrNotHeld
	case it.HeldBy == h.Limit:
		return Effects{Unchanged: true}, nil
	}
	it.HeldBy = h.Limit
	return Effects{}, nil
}

// Supersede replaces a final answer by another. What was evidence stays evidence: a certificate takes in each row once.
type Supersede struct {
	By        string
	Now       time.Time
	Verdict   *candorv1.Verdict
	RequestID string
	Etag      string
	Gated
}

// Request is of Act.
func (s Supersede) Request() (actor, requestID string) { return s.By, s.RequestID }

// Apply replaces the answer. Errors: ErrEtag, ErrNotFinal, ErrSelfReview.
func (s Supersede) Apply(it *Item) (Effects, error) {
	switch {
	case s.Etag != "" && s.Etag != it.Etag():
		return Effects{}, ErrEtag
	case !it.Final():
		return Effects{}, ErrNotFinal
	case it.Consumer == s.By:
		return Effects{}, ErrSelfReview
	}
	if err := says(s.Verdict); err != nil {
		return Effects{}, err
	}
	if it.Verdict != nil {
		it.Superseded = append([]*candorv1.Verdict{it.Verdict}, it.Superseded...)
	}
	v := proto.CloneOf(s.Verdict)
	v.Author, v.CreateTime, v.FirstAnswer, v.WorkTime, v.Adjudication = s.By, timestamppb.New(s.Now), nil, nil, false
	it.Verdict, it.Agreeing, it.FinalReason, it.FinalTime = v, 1, candorv1.Reason_REASON_SUPERSEDED, s.Now
	s.Gated.apply(it)
	ev := it.event(candorv1.ReviewEventKind_REVIEW_EVENT_KIND_SUPERSEDED, s.Now, s.By, v.GetReason())
	ev.Verdict = v
	return Effects{Events: []Event{ev}, Announced: true}, nil
}
