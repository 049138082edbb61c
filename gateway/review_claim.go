package gateway

import (
	"context"
	"errors"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

func (s *reviewService) ClaimReviewItem(ctx context.Context, in *candorv1.ClaimReviewItemRequest) (*candorv1.ClaimReviewItemResponse, error) {
	p, err := allowed(ctx, in, candorv1.Role_ROLE_REVIEWER)
	if err != nil {
		return nil, err
	}
	if err := s.g.knownQueue(in.GetQueue()); err != nil {
		return nil, err
	}
	if in.GetQueue() != "" {
		if err := s.g.mayWork(p, in.GetQueue()); err != nil {
			return nil, err
		}
	}
	c := review.Claim{
		ID: review.IDOf(in.GetName()), Queue: in.GetQueue(), Queues: s.g.queuesOf(p), Holder: p.Name, Senior: p.has(candorv1.Role_ROLE_SENIOR),
		Now: s.g.ledger.Now(), RequestID: in.GetRequestId(),
		LeaseFor: func(queue string) time.Duration { return s.g.leaseOr(queue, in.GetLease()) },
	}
	item, err := s.claim(ctx, c)
	if errors.Is(err, review.ErrEmpty) {
		return nil, errf(codes.NotFound, candorv1.ErrorReason_ERROR_REASON_QUEUE_EMPTY, "nothing waits for %q in %s", p.Name, queueText(in.GetQueue())).with("queue", in.GetQueue())
	}
	if err != nil {
		return nil, s.refused(ctx, s.unclaimable(ctx, err, in.GetName()), in.GetName())
	}
	if !item.Repeated {
		s.g.metrics.claims.WithLabelValues(item.Queue).Inc()
	}
	return &candorv1.ClaimReviewItemResponse{Item: s.g.shown(p, &item)}, nil
}

// claim takes the named item, or lets the coins of the queue say whether the next one is a golden one, an audit or whatever comes.
func (s *reviewService) claim(ctx context.Context, c review.Claim) (review.Item, error) {
	if c.ID != "" {
		return s.g.reviews.Next(ctx, c)
	}
	golden, err := s.tossClaim(ctx, &c)
	if err != nil {
		return review.Item{}, err
	}
	if golden != "" {
		of := c
		of.Queue = golden
		item, err := s.g.reviews.NextGolden(ctx, of, s.g.goldenItem(golden, c.Now))
		if !errors.Is(err, review.ErrEmpty) {
			return item, err
		}
		// The holder has been shown all of them.
	}
	return s.g.reviews.Next(ctx, c)
}

func (s *reviewService) RenewReviewItemLease(ctx context.Context, in *candorv1.RenewReviewItemLeaseRequest) (*candorv1.RenewReviewItemLeaseResponse, error) {
	p, err := allowed(ctx, in, candorv1.Role_ROLE_REVIEWER)
	if err != nil {
		return nil, err
	}
	held, err := s.item(ctx, p, in.GetName())
	if err != nil {
		return nil, err
	}
	now := s.g.ledger.Now()
	item, err := s.change(ctx, p, in.GetName(), review.Renew{
		Lease: review.Lease{Holder: p.Name, Epoch: in.GetEpoch()}, Now: now, Until: now.Add(s.g.leaseOr(held.Queue, in.GetLease())),
	})
	if err != nil {
		return nil, err
	}
	return &candorv1.RenewReviewItemLeaseResponse{Item: item}, nil
}

func (s *reviewService) ReleaseReviewItem(ctx context.Context, in *candorv1.ReleaseReviewItemRequest) (*candorv1.ReleaseReviewItemResponse, error) {
	p, err := allowed(ctx, in, candorv1.Role_ROLE_REVIEWER)
	if err != nil {
		return nil, err
	}
	item, err := s.change(ctx, p, in.GetName(), review.Release{
		Lease: review.Lease{Holder: p.Name, Epoch: in.GetEpoch()}, Now: s.g.ledger.Now(), RequestID: in.GetRequestId(),
	})
	if err != nil {
		return nil, err
	}
	return &candorv1.ReleaseReviewItemResponse{Item: item}, nil
}

// change applies an act to a named item, and shows what became of it.
func (s *reviewService) change(ctx context.Context, p *Principal, name string, a review.Act) (*candorv1.ReviewItem, error) {
	item, err := s.g.reviews.Change(ctx, review.IDOf(name), a)
	if err != nil {
		return nil, s.refused(ctx, err, name)
	}
	return s.g.shown(p, &item), nil
}

// leaseOfUnknown is for items of a queue that the configuration no longer has.
const leaseOfUnknown = 5 * time.Minute

func (g *Gateway) leaseOf(queue string) time.Duration {
	if q, ok := g.plan().cfg.GetQueues()[queue]; ok {
		return q.GetLease().AsDuration()
	}
	return leaseOfUnknown
}

// leaseOr is the lease that was asked for, or the queue's.
func (g *Gateway) leaseOr(queue string, asked *durationpb.Duration) time.Duration {
	if asked != nil {
		return asked.AsDuration()
	}
	return g.leaseOf(queue)
}

func queueText(queue string) string {
	if queue == "" {
		return "any queue"
	}
	return "queue " + queue
}
