package gateway

import (
	"context"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

// eventsPage is how much of an item's history is answered when nobody says how much.
const eventsPage = 200

// ListReviewEvents tells what happened to an item. A reviewer who may still judge it is told nothing: not that others have, nor what.
// A senior may ask about items of others, and learns nothing of the one that they hold: that they judge like anybody else.
func (s *reviewService) ListReviewEvents(ctx context.Context, in *candorv1.ListReviewEventsRequest) (*candorv1.ListReviewEventsResponse, error) {
	p, err := allowed(ctx, in, readers...)
	if err != nil {
		return nil, err
	}
	item, err := s.item(ctx, p, in.GetName())
	if err != nil {
		return nil, err
	}
	if mayJudge(p, &item) && (!p.has(candorv1.Role_ROLE_SENIOR) || item.Holder == p.Name) {
		return nil, errf(codes.PermissionDenied, candorv1.ErrorReason_ERROR_REASON_PERMISSION_DENIED,
			"%s has no final answer, and %q may judge it, without knowing what others did: ask again when it has one, or as an auditor, "+
				"or a senior who doesn't hold it", in.GetName(), p.Name).with("principal", p.Name).with("review_item", in.GetName())
	}
	list := in.GetName() + "/events"
	after, err := positionOf(list, in.GetPageToken())
	if err != nil {
		return nil, err
	}
	limit := pageOf(in.GetPageSize(), eventsPage)
	events, err := s.g.reviews.Events(ctx, item.ID, after, limit)
	if err != nil {
		return nil, s.refused(ctx, err, in.GetName())
	}
	out := &candorv1.ListReviewEventsResponse{}
	for i := range events {
		out.Events = append(out.Events, eventProto(&events[i]))
	}
	if len(events) == limit {
		out.NextPageToken = positionToken(list, events[len(events)-1].Position)
	}
	return out, nil
}

func eventProto(e *review.Event) *candorv1.ReviewEvent {
	return &candorv1.ReviewEvent{
		Kind: e.Kind, CreateTime: timestamppb.New(e.At), Actor: e.Actor, Note: e.Note, Queue: e.Queue, Epoch: e.Epoch, Verdict: e.Verdict,
	}
}
