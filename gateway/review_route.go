package gateway

import (
	"context"
	"slices"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

func (s *reviewService) SkipReviewItem(ctx context.Context, in *candorv1.SkipReviewItemRequest) (*candorv1.SkipReviewItemResponse, error) {
	p, err := allowed(ctx, in, candorv1.Role_ROLE_REVIEWER)
	if err != nil {
		return nil, err
	}
	item, err := s.item(ctx, p, in.GetName())
	if err != nil {
		return nil, err
	}
	skip := review.Skip{
		Lease: review.Lease{Holder: p.Name, Epoch: in.GetEpoch()}, Now: s.g.ledger.Now(), Reason: in.GetReason(), RequestID: in.GetRequestId(),
	}
	if in.GetRouting() == candorv1.SkipRouting_SKIP_ROUTING_ALL {
		skip.Until = skip.Now.Add(s.g.skipPause(item.Queue)).Truncate(time.Microsecond)
	}
	out, err := s.change(ctx, p, in.GetName(), skip)
	if err != nil {
		return nil, err
	}
	return &candorv1.SkipReviewItemResponse{Item: out}, nil
}

// skipPauseOfUnknown is for items of a queue that the configuration no longer has.
const skipPauseOfUnknown = 15 * time.Minute

func (g *Gateway) skipPause(queue string) time.Duration {
	if q, ok := g.plan().cfg.GetQueues()[queue]; ok {
		return q.GetSkipPause().AsDuration()
	}
	return skipPauseOfUnknown
}

func (s *reviewService) EscalateReviewItem(ctx context.Context, in *candorv1.EscalateReviewItemRequest) (*candorv1.EscalateReviewItemResponse, error) {
	p, err := allowed(ctx, in, candorv1.Role_ROLE_REVIEWER)
	if err != nil {
		return nil, err
	}
	item, err := s.item(ctx, p, in.GetName())
	if err != nil {
		return nil, err
	}
	// A retry finds the item moved; the store knows it by its request id.
	if targets := s.g.targets(item.Queue); item.Queue != in.GetQueue() && !slices.Contains(targets, in.GetQueue()) {
		if len(targets) == 0 {
			return nil, invalid("queue", "items of "+item.Queue+" can't be escalated: there is no other queue, or escalate_to allows none")
		}
		return nil, invalid("queue", "items of "+item.Queue+" may be escalated to "+list(targets))
	}
	act := review.Escalate{
		Lease: review.Lease{Holder: p.Name, Epoch: in.GetEpoch()}, Now: s.g.ledger.Now(), Queue: in.GetQueue(), Note: in.GetNote(),
		RequestID: in.GetRequestId(),
	}
	changed, err := s.g.reviews.Change(ctx, item.ID, elsewhere{act})
	if err != nil {
		return nil, s.refused(ctx, err, in.GetName())
	}
	return &candorv1.EscalateReviewItemResponse{Item: s.g.shown(p, &changed)}, nil
}

// elsewhere is an escalation that leaves the item's queue.
type elsewhere struct{ review.Escalate }

func (e elsewhere) Apply(it *review.Item) (review.Effects, error) {
	if it.Queue == e.Queue {
		return review.Effects{}, invalid("queue", "the item is in "+e.Queue+" already; name another queue")
	}
	return e.Escalate.Apply(it)
}

// targets are the queues that a queue's items may be escalated to.
func (g *Gateway) targets(queue string) []string {
	if to := g.plan().cfg.GetQueues()[queue].GetEscalateTo(); len(to) > 0 {
		return to
	}
	var out []string
	for name := range g.plan().cfg.GetQueues() {
		if name != queue {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}
