package gateway

import (
	"context"
	"errors"
	"slices"
	"strconv"

	"google.golang.org/grpc/codes"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

// reviewService is the queue for people. Each of its files has what belongs to one concept.
type reviewService struct {
	candorv1.UnimplementedReviewServiceServer
	g *Gateway
}

// readers may look at items.
var readers = []candorv1.Role{candorv1.Role_ROLE_REVIEWER, candorv1.Role_ROLE_AUDITOR, candorv1.Role_ROLE_OPERATOR}

// overseers may know how others work.
var overseers = []candorv1.Role{candorv1.Role_ROLE_SENIOR, candorv1.Role_ROLE_AUDITOR, candorv1.Role_ROLE_OPERATOR}

func (p *Principal) oversees() bool { return slices.ContainsFunc(overseers, p.has) }

func (s *reviewService) GetReviewItem(ctx context.Context, in *candorv1.GetReviewItemRequest) (*candorv1.GetReviewItemResponse, error) {
	p, err := allowed(ctx, in, readers...)
	if err != nil {
		return nil, err
	}
	item, err := s.item(ctx, p, in.GetName())
	if err != nil {
		return nil, err
	}
	return &candorv1.GetReviewItemResponse{Item: s.g.shown(p, &item)}, nil
}

// item is a named item that the principal may look at: of a queue that they see, or one that they have judged. Others don't exist.
func (s *reviewService) item(ctx context.Context, p *Principal, name string) (review.Item, error) {
	item, err := s.g.reviews.Get(ctx, review.IDOf(name))
	if err == nil && !s.g.mayLook(p, &item) {
		err = review.ErrNotFound
	}
	if err != nil {
		return review.Item{}, s.refused(ctx, err, name)
	}
	return item, nil
}

func (g *Gateway) mayLook(p *Principal, item *review.Item) bool {
	return p.sees(item.Queue) || item.Holder == p.Name || verdictBy(item, p.Name) != nil
}

// pageSize is what a list answers when nobody says how much.
const pageSize = 50

func pageOf(asked int32, otherwise int) int {
	if asked > 0 {
		return int(asked)
	}
	return otherwise
}

// me is who asks, as a reviewer of a list.
const me = "me"

func (s *reviewService) ListReviewItems(ctx context.Context, in *candorv1.ListReviewItemsRequest) (*candorv1.ListReviewItemsResponse, error) {
	p, err := allowed(ctx, in, readers...)
	if err != nil {
		return nil, err
	}
	if err := s.g.knownQueue(in.GetQueue()); err != nil {
		return nil, err
	}
	f := review.Filter{
		Queue: in.GetQueue(), State: in.GetState(), Model: in.GetModel(), Reviewer: in.GetReviewer(), Queues: s.g.seenBy(p),
		Limit: pageOf(in.GetPageSize(), pageSize), After: in.GetPageToken(),
	}
	if f.Reviewer == me {
		f.Reviewer = p.Name
	}
	if f.Reviewer != "" && f.Reviewer != p.Name && !p.oversees() {
		// Who gave a verdict on an item that isn't final is nobody's to know who may judge it.
		_, err := requireRole(ctx, overseers...)
		return nil, err
	}
	page, err := s.g.reviews.List(ctx, f)
	if errors.Is(err, review.ErrPageToken) {
		return nil, foreignPage()
	}
	if err != nil {
		return nil, err
	}
	out := &candorv1.ListReviewItemsResponse{NextPageToken: page.Next, PendingCount: page.Pending, ClaimedCount: page.Claimed}
	for i := range page.Items {
		item := s.g.shown(p, &page.Items[i])
		if item.GetState() == candorv1.ReviewState_REVIEW_STATE_PENDING && in.GetState() == candorv1.ReviewState_REVIEW_STATE_WITHDRAWN {
			continue // A golden item that was given back looks like one that waits.
		}
		out.Items = append(out.Items, item)
	}
	return out, nil
}

func (g *Gateway) knownQueue(queue string) error {
	if _, ok := g.plan().cfg.GetQueues()[queue]; queue != "" && !ok {
		return invalid("queue", "there is no queue "+strconv.Quote(queue)+"; name one of the configuration's, or leave it empty for any")
	}
	return nil
}

// queuesOf are the queues that a reviewer may work on: those that name them, or nobody, among the reviewers, of those that are the
// person's own.
func (g *Gateway) queuesOf(p *Principal) []string {
	queues := []string{}
	for name, q := range g.plan().cfg.GetQueues() {
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

// seenBy are the queues whose items the principal may look at; nil: all.
func (g *Gateway) seenBy(p *Principal) []string {
	if p.queues == nil || p.has(candorv1.Role_ROLE_OPERATOR) || p.has(candorv1.Role_ROLE_AUDITOR) {
		return nil
	}
	return p.queues
}

// mayWork refuses who is not among a queue's reviewers.
func (g *Gateway) mayWork(p *Principal, queue string) error {
	if slices.Contains(g.queuesOf(p), queue) {
		return nil
	}
	return errf(codes.PermissionDenied, candorv1.ErrorReason_ERROR_REASON_PERMISSION_DENIED,
		"%q is not among the reviewers of queue %q; an administrator can add it under queues.%s.reviewers", p.Name, queue, queue).
		with("principal", p.Name).with("queue", queue)
}
