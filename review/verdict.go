package review

import (
	"errors"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// Resolve gives a reviewer's verdict, under the lease that it was made under. It settles the item, or sends it on to the next
// reviewer or to a senior. What is settled becomes final by Finalize when Window has passed.
type Resolve struct {
	Lease
	Now time.Time
	// Verdict has an answer that fits the item, which the caller has checked. Author, time, work time and adjudication are set here.
	Verdict   *candorv1.Verdict
	RequestID string
	// Window in which it can be changed or taken back; at least 0.
	Window time.Duration
}

// Request is of Act.
func (r Resolve) Request() (actor, requestID string) { return r.Holder, r.RequestID }

// Apply stores the verdict. Errors: ErrResolved, ErrStaleLease.
func (r Resolve) Apply(it *Item) (Effects, error) {
	if err := r.runs(it, r.Now); err != nil {
		return Effects{}, err
	}
	if err := says(r.Verdict); err != nil {
		return Effects{}, err
	}
	v := proto.CloneOf(r.Verdict)
	v.Author, v.CreateTime, v.WorkTime = r.Holder, timestamppb.New(r.Now), nil
	if !it.ClaimedAt.IsZero() {
		v.WorkTime = durationpb.New(max(0, r.Now.Sub(it.ClaimedAt)))
	}
	v.Adjudication, v.FirstAnswer = it.Adjudication, nil
	ev := it.event(candorv1.ReviewEventKind_REVIEW_EVENT_KIND_ANSWERED, r.Now, r.Holder, "")
	ev.Verdict = v
	it.Verdicts = append(slices.Clone(it.Verdicts), v)
	x := Exclusion{Reviewer: r.Holder}
	it.exclude(x)
	out := Effects{Events: []Event{ev}, Exclude: []Exclusion{x}}
	it.weigh(r.Now, r.Window, &out)
	return out, nil
}

// weigh says what the verdicts amount to: an answer, more reviewers, or a senior. Where reviewers agree after all, because one has
// revised a verdict, no senior is needed any more.
func (i *Item) weigh(now time.Time, window time.Duration, out *Effects) {
	t := tally(i)
	i.Verdict, i.Agreeing, i.UndoUntil, i.FinalReason = nil, 0, time.Time{}, candorv1.Reason_REASON_UNSPECIFIED
	switch {
	case t.answer != nil:
		i.State, i.LeaseUntil, i.Adjudication = candorv1.ReviewState_REVIEW_STATE_RESOLVED, time.Time{}, t.answer.GetAdjudication()
		i.Verdict, i.Agreeing, i.UndoUntil, i.FinalReason = t.answer, t.agreeing, now.Add(window).Truncate(time.Microsecond), candorv1.Reason_REASON_VERDICT
	case t.disagree:
		i.free()
		if !i.Adjudication {
			i.Adjudication = true
			out.Events = append(out.Events, i.event(candorv1.ReviewEventKind_REVIEW_EVENT_KIND_DISAGREED, now, AuthorGateway, ""))
		}
	default:
		i.free()
		i.Adjudication = false
	}
}

// says refuses a verdict that no other could agree with.
func says(v *candorv1.Verdict) error {
	if a := AnswerOf(v); !Agree(a, a, 0) {
		return errors.New("review: verdict.answer is unset, or a value that isn't finite: give a label or a number")
	}
	return nil
}

// Revise changes the reviewer's own verdict inside of its window. The first answer stays on record.
type Revise struct {
	Reviewer  string
	Now       time.Time
	Verdict   *candorv1.Verdict
	RequestID string
	Window    time.Duration
	// Etag of the item that the reviewer saw; empty: whatever it is.
	Etag string
}

// Request is of Act.
func (r Revise) Request() (actor, requestID string) { return r.Reviewer, r.RequestID }

// Apply replaces the answer; the window stays where it was. Errors: ErrEtag, ErrUndoClosed.
func (r Revise) Apply(it *Item) (Effects, error) {
	old, err := it.changeable(r.Reviewer, r.Etag, r.Now, r.Window)
	if err != nil {
		return Effects{}, err
	}
	if err := says(r.Verdict); err != nil {
		return Effects{}, err
	}
	v := proto.CloneOf(r.Verdict)
	v.Author, v.CreateTime, v.WorkTime, v.Adjudication, v.Blind = old.Author, old.CreateTime, old.WorkTime, old.Adjudication, old.Blind
	v.FirstAnswer = old.FirstAnswer
	if v.FirstAnswer == nil && !sameAnswer(old, v) {
		v.FirstAnswer = AnswerOf(old)
	}
	it.Verdicts = slices.Clone(it.Verdicts)
	it.Verdicts[slices.Index(it.Verdicts, old)] = v
	ev := it.event(candorv1.ReviewEventKind_REVIEW_EVENT_KIND_REVISED, r.Now, r.Reviewer, "")
	ev.Verdict = v
	out := Effects{Events: []Event{ev}}
	if it.held(r.Now) {
		return out, nil // Another reviewer is at work; it is weighed with theirs.
	}
	until := it.UndoUntil
	it.weigh(r.Now, r.Window, &out)
	if !until.IsZero() && !it.UndoUntil.IsZero() {
		it.UndoUntil = until
	}
	return out, nil
}

// Undo takes the reviewer's own verdict back inside of its window.
type Undo struct {
	Reviewer string
	Now      time.Time
	// LeaseUntil is the end of the lease that the reviewer gets.
	LeaseUntil time.Time
	RequestID  string
	Window     time.Duration
	Etag       string
}

// Request is of Act.
func (u Undo) Request() (actor, requestID string) { return u.Reviewer, u.RequestID }

// Apply removes the verdict and leases the item to the reviewer again, unless another one holds it: then it comes back to the
// reviewer like any other. Errors: ErrEtag, ErrUndoClosed.
func (u Undo) Apply(it *Item) (Effects, error) {
	old, err := it.changeable(u.Reviewer, u.Etag, u.Now, u.Window)
	if err != nil {
		return Effects{}, err
	}
	if it.Adjudication && !old.GetAdjudication() && (it.held(u.Now) || !it.Open()) {
		return Effects{}, ErrUndoClosed // A senior is at work on what it led to, or done.
	}
	it.Verdicts = slices.DeleteFunc(slices.Clone(it.Verdicts), func(v *candorv1.Verdict) bool { return v == old })
	it.Verdict, it.Agreeing, it.UndoUntil, it.FinalReason = nil, 0, time.Time{}, candorv1.Reason_REASON_UNSPECIFIED
	it.Adjudication = old.GetAdjudication()
	it.include(u.Reviewer)
	if !it.held(u.Now) {
		it.lease(u.Reviewer, u.Now, u.LeaseUntil.Truncate(time.Microsecond))
	}
	ev := it.event(candorv1.ReviewEventKind_REVIEW_EVENT_KIND_UNDONE, u.Now, u.Reviewer, "")
	ev.Verdict = old
	return Effects{Events: []Event{ev}, Include: []string{u.Reviewer}}, nil
}

// changeable is the reviewer's verdict, if it may still be changed.
func (i *Item) changeable(reviewer, etag string, now time.Time, window time.Duration) (*candorv1.Verdict, error) {
	if etag != "" && etag != i.Etag() {
		return nil, ErrEtag
	}
	v := i.verdictOf(reviewer)
	switch {
	case v == nil, i.Final(), !i.Open() && i.State != candorv1.ReviewState_REVIEW_STATE_RESOLVED:
		return nil, ErrUndoClosed
	case !i.UndoUntil.IsZero() && !i.UndoUntil.After(now), i.UndoUntil.IsZero() && !v.GetCreateTime().AsTime().Add(window).After(now):
		return nil, ErrUndoClosed
	}
	return v, nil
}
