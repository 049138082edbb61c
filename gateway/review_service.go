package gateway

import (
	"context"
	"errors"
	"slices"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/limits"
	"github.com/candor-gateway/candor/review"
)

type reviewService struct {
	candorv1.UnimplementedReviewServiceServer
	g *Gateway
}

func (s *reviewService) GetReviewItem(ctx context.Context, in *candorv1.GetReviewItemRequest) (*candorv1.GetReviewItemResponse, error) {
	p, err := allowed(ctx, in, candorv1.Role_ROLE_REVIEWER, candorv1.Role_ROLE_AUDITOR, candorv1.Role_ROLE_OPERATOR)
	if err != nil {
		return nil, err
	}
	item, err := s.g.reviews.Get(ctx, review.IDOf(in.GetName()))
	if err == nil && !p.sees(item.Queue) {
		err = review.ErrNotFound
	}
	if err != nil {
		return nil, s.refused(ctx, err, in.GetName())
	}
	return &candorv1.GetReviewItemResponse{Item: s.g.shown(p, &item)}, nil
}

// pageSize is what a list answers when nobody says how much.
const pageSize = 50

func (s *reviewService) ListReviewItems(ctx context.Context, in *candorv1.ListReviewItemsRequest) (*candorv1.ListReviewItemsResponse, error) {
	p, err := allowed(ctx, in, candorv1.Role_ROLE_REVIEWER, candorv1.Role_ROLE_AUDITOR, candorv1.Role_ROLE_OPERATOR)
	if err != nil {
		return nil, err
	}
	if err := s.g.knownQueue(in.GetQueue()); err != nil {
		return nil, err
	}
	size := int(in.GetPageSize())
	if size == 0 {
		size = pageSize
	}
	page, err := s.g.reviews.List(ctx, review.Filter{Queue: in.GetQueue(), State: in.GetState(), Limit: size, After: in.GetPageToken()})
	if errors.Is(err, review.ErrPageToken) {
		return nil, invalid("page_token", "it is not one of this list's; leave it empty for the first page")
	}
	if err != nil {
		return nil, err
	}
	out := &candorv1.ListReviewItemsResponse{NextPageToken: page.Next, PendingCount: page.Pending, ClaimedCount: page.Claimed}
	for i := range page.Items {
		if p.sees(page.Items[i].Queue) {
			out.Items = append(out.Items, s.g.shown(p, &page.Items[i]))
		}
	}
	return out, nil
}

func (s *reviewService) ClaimReviewItem(ctx context.Context, in *candorv1.ClaimReviewItemRequest) (*candorv1.ClaimReviewItemResponse, error) {
	p, err := allowed(ctx, in, candorv1.Role_ROLE_REVIEWER)
	if err != nil {
		return nil, err
	}
	if err := s.g.knownQueue(in.GetQueue()); err != nil {
		return nil, err
	}
	queues := s.g.queuesOf(p)
	if in.GetQueue() != "" && !slices.Contains(queues, in.GetQueue()) {
		return nil, errf(codes.PermissionDenied, candorv1.ErrorReason_ERROR_REASON_PERMISSION_DENIED,
			"%q is not among the reviewers of queue %q; an administrator can add it under queues.%s.reviewers", p.Name, in.GetQueue(), in.GetQueue()).
			with("principal", p.Name).with("queue", in.GetQueue())
	}
	item, err := s.g.reviews.Claim(ctx, review.Claim{
		ID: review.IDOf(in.GetName()), Queue: in.GetQueue(), Queues: queues, Holder: p.Name, Now: s.g.ledger.Now(),
		LeaseFor: func(queue string) time.Duration {
			if in.GetLease() != nil {
				return in.GetLease().AsDuration()
			}
			return s.g.leaseOf(queue)
		},
	})
	if errors.Is(err, review.ErrEmpty) {
		return nil, errf(codes.NotFound, candorv1.ErrorReason_ERROR_REASON_QUEUE_EMPTY, "nothing waits for %q in %s", p.Name, queueText(in.GetQueue())).with("queue", in.GetQueue())
	}
	if err != nil {
		return nil, s.refused(ctx, err, in.GetName())
	}
	return &candorv1.ClaimReviewItemResponse{Item: s.g.shown(p, &item)}, nil
}

func (s *reviewService) RenewReviewItemLease(ctx context.Context, in *candorv1.RenewReviewItemLeaseRequest) (*candorv1.RenewReviewItemLeaseResponse, error) {
	p, err := allowed(ctx, in, candorv1.Role_ROLE_REVIEWER)
	if err != nil {
		return nil, err
	}
	lease := review.Lease{ID: review.IDOf(in.GetName()), Holder: p.Name, Epoch: in.GetEpoch()}
	held, err := s.g.reviews.Get(ctx, lease.ID)
	if err != nil {
		return nil, s.refused(ctx, err, in.GetName())
	}
	length := s.g.leaseOf(held.Queue)
	if in.GetLease() != nil {
		length = in.GetLease().AsDuration()
	}
	now := s.g.ledger.Now()
	item, err := s.g.reviews.Renew(ctx, lease, now, now.Add(length))
	if err != nil {
		return nil, s.refused(ctx, err, in.GetName())
	}
	return &candorv1.RenewReviewItemLeaseResponse{Item: s.g.shown(p, &item)}, nil
}

func (s *reviewService) ReleaseReviewItem(ctx context.Context, in *candorv1.ReleaseReviewItemRequest) (*candorv1.ReleaseReviewItemResponse, error) {
	p, err := allowed(ctx, in, candorv1.Role_ROLE_REVIEWER)
	if err != nil {
		return nil, err
	}
	item, err := s.g.reviews.Release(ctx, review.Lease{ID: review.IDOf(in.GetName()), Holder: p.Name, Epoch: in.GetEpoch()}, s.g.ledger.Now())
	if err != nil {
		return nil, s.refused(ctx, err, in.GetName())
	}
	return &candorv1.ReleaseReviewItemResponse{Item: s.g.shown(p, &item)}, nil
}

// ResolveReviewItem stores a verdict. Its answer passes the action limits like any other: a verdict whose action meets a
// tripped limit is stored, and held.
func (s *reviewService) ResolveReviewItem(ctx context.Context, in *candorv1.ResolveReviewItemRequest) (*candorv1.ResolveReviewItemResponse, error) {
	p, err := allowed(ctx, in, candorv1.Role_ROLE_REVIEWER)
	if err != nil {
		return nil, err
	}
	lease := review.Lease{ID: review.IDOf(in.GetName()), Holder: p.Name, Epoch: in.GetEpoch()}
	item, err := s.g.reviews.Get(ctx, lease.ID)
	if err != nil {
		return nil, s.refused(ctx, err, in.GetName())
	}
	// A retry answers as the first call did, and asks the limits for nothing again.
	if item.VerdictRequestID == in.GetRequestId() && item.Holder == p.Name {
		return &candorv1.ResolveReviewItemResponse{Item: s.g.shown(p, &item)}, nil
	}
	if err := fits(in.GetVerdict(), &item); err != nil {
		return nil, err
	}
	now := s.g.ledger.Now()
	// The store has the last word on the lease; but a verdict that it would refuse must not reach the limits, which it might
	// trip.
	if err := runs(lease, &item, now); err != nil {
		return nil, s.refused(ctx, err, in.GetName())
	}
	verdict := &candorv1.Verdict{
		Answer: in.GetVerdict().GetAnswer(), Confidence: in.GetVerdict().Confidence, Reason: in.GetVerdict().GetReason(),
		Note: in.GetVerdict().GetNote(), Author: p.Name, CreateTime: timestamppb.New(now),
	}
	release := release{state: candorv1.ReleaseState_RELEASE_STATE_RELEASED, undo: func() {}}
	if item.Kind != candorv1.ReviewKind_REVIEW_KIND_AUDIT {
		release = s.g.pass(ctx, now, &item, verdict)
	}
	done, err := s.g.reviews.Resolve(ctx, review.Resolution{
		Lease: lease, Now: now, Verdict: verdict, RequestID: in.GetRequestId(),
		Release: release.state, HeldBy: release.heldBy, Action: release.action,
	})
	if err != nil {
		release.undo()
		return nil, s.refused(ctx, err, in.GetName())
	}
	if done.VerdictRequestID != in.GetRequestId() || !done.FinalTime.Equal(now) {
		// Somebody's retry was there first: the permit of this call was not used.
		release.undo()
	} else {
		s.g.monitors.verdict(&done, s.g.segmentOf(ctx, &done))
	}
	s.g.metrics.finals.WithLabelValues(done.Model, "verdict").Inc()
	s.g.tracing.review(&done)
	return &candorv1.ResolveReviewItemResponse{Item: done.Proto()}, nil
}

// runs says whether the lease is the item's. Errors: review.ErrResolved, review.ErrStaleLease.
func runs(l review.Lease, item *review.Item, now time.Time) error {
	switch {
	case !item.FinalTime.IsZero():
		return review.ErrResolved
	case item.Holder != l.Holder || item.Epoch != l.Epoch || !item.LeaseUntil.After(now):
		return review.ErrStaleLease
	}
	return nil
}

// release is what the gate said of a final answer.
type release struct {
	state  candorv1.ReleaseState
	heldBy string
	action string
	undo   func()
}

// pass asks the action limits for a human's or a deadline's answer.
func (g *Gateway) pass(ctx context.Context, now time.Time, item *review.Item, v *candorv1.Verdict) release {
	r := release{state: candorv1.ReleaseState_RELEASE_STATE_RELEASED, undo: func() {}}
	m := g.models[item.Model]
	if m == nil || v == nil {
		return r
	}
	var value *float64
	if a, ok := v.GetAnswer().(*candorv1.Verdict_Value); ok {
		value = &a.Value
	}
	r.action = m.actionOf(m.fieldNamed(item.Field), v.GetLabel(), value)
	if r.action == "" || !g.gate.Covers(r.action, item.Model, item.Consumer) {
		return r
	}
	got := g.gate.Acquire(ctx, now, limits.Answer{Action: r.action, Model: item.Model, Consumer: item.Consumer, PredictionID: item.PredictionID})
	if !got.Released {
		r.state, r.heldBy = candorv1.ReleaseState_RELEASE_STATE_HELD, got.Limit
		return r
	}
	r.undo = func() { g.gate.Refund(got.Permit) }
	return r
}

// fits refuses a verdict that the item can't have.
func fits(v *candorv1.Verdict, item *review.Item) error {
	bad := func(field, problem string) error {
		e := errf(codes.InvalidArgument, candorv1.ErrorReason_ERROR_REASON_INVALID_VERDICT, "verdict.%s: %s", field, problem)
		e.Field, e.FieldProblem = "verdict."+field, problem
		return e.with("allowed", list(item.Labels))
	}
	switch a := v.GetAnswer().(type) {
	case *candorv1.Verdict_Label:
		if len(item.Labels) == 0 {
			return bad("label", "the item asks for a value in "+item.Unit+"; send value")
		}
		if !slices.Contains(item.Labels, a.Label) {
			return bad("label", "it is none of "+list(item.Labels))
		}
	case *candorv1.Verdict_Value:
		if len(item.Labels) > 0 {
			return bad("value", "the item asks for a label; send label, one of "+list(item.Labels))
		}
	}
	return nil
}

func (g *Gateway) knownQueue(queue string) error {
	if _, ok := g.cfg.GetQueues()[queue]; queue != "" && !ok {
		return invalid("queue", "there is no queue "+queue)
	}
	return nil
}

// queuesOf are the queues that a reviewer may work on: those that name them, or nobody, among the reviewers, of those that are the
// person's own.
func (g *Gateway) queuesOf(p *Principal) []string {
	queues := []string{}
	for name, q := range g.cfg.GetQueues() {
		if p.queues != nil && !slices.Contains(p.queues, name) {
			continue
		}
		if len(q.GetReviewers()) == 0 || slices.Contains(q.GetReviewers(), p.Name) {
			queues = append(queues, name)
		}
	}
	slices.Sort(queues)
	return queues
}

// leaseOfUnknown is for items of a queue that the configuration no longer has.
const leaseOfUnknown = 5 * time.Minute

func (g *Gateway) leaseOf(queue string) time.Duration {
	if q, ok := g.cfg.GetQueues()[queue]; ok {
		return q.GetLease().AsDuration()
	}
	return leaseOfUnknown
}

func queueText(queue string) string {
	if queue == "" {
		return "any queue"
	}
	return "queue " + queue
}
