package gateway

import (
	"context"
	"errors"
	"slices"
	"time"

	"google.golang.org/grpc/codes"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

// ResolveReviewItem stores a verdict. When it settles the item, and the queue has no undo window, its answer becomes final in this
// call; otherwise when the window has closed.
func (s *reviewService) ResolveReviewItem(ctx context.Context, in *candorv1.ResolveReviewItemRequest) (*candorv1.ResolveReviewItemResponse, error) {
	p, err := allowed(ctx, in, candorv1.Role_ROLE_REVIEWER)
	if err != nil {
		return nil, err
	}
	item, err := s.item(ctx, p, in.GetName())
	if err != nil {
		return nil, err
	}
	if err := s.g.fits(in.GetVerdict(), &item); err != nil {
		return nil, err
	}
	done, err := s.g.reviews.Change(ctx, item.ID, review.Resolve{
		Lease: review.Lease{Holder: p.Name, Epoch: in.GetEpoch()}, Now: s.g.ledger.Now(), RequestID: in.GetRequestId(),
		Verdict: said(in.GetVerdict(), s.g.blindQueue(&item)), Window: s.g.undoWindow(item.Queue),
	})
	if err != nil {
		return nil, s.refused(ctx, err, in.GetName())
	}
	if !done.Repeated {
		s.g.metrics.verdicts.WithLabelValues(done.Queue).Inc()
	}
	done = s.finalized(ctx, done)
	return &candorv1.ResolveReviewItemResponse{Item: s.g.shown(p, &done)}, nil
}

// finalized is the item with its final answer, where its window has closed. What fails here the work beside the calls does: the
// verdict is stored.
func (s *reviewService) finalized(ctx context.Context, item review.Item) review.Item {
	if item.Final() || item.State != candorv1.ReviewState_REVIEW_STATE_RESOLVED || item.UndoUntil.After(s.g.ledger.Now()) {
		return item
	}
	final, err := s.g.finalize(ctx, s.g.ledger.Now(), &item)
	if err == nil {
		return final
	}
	// The work beside the calls may have been faster; otherwise it comes next.
	if final, ok := s.endedByOthers(ctx, item.ID, errors.Is(err, errTaken)); ok {
		return final
	}
	s.g.wakeFinals()
	return item
}

// endPatience is how long an answer to a verdict waits for whoever is at the item's end: the limits are asked meanwhile.
const endPatience = 2 * time.Second

// endedByOthers is the item if others have ended it; or, where they are at it, when they have.
func (s *reviewService) endedByOthers(ctx context.Context, id string, atIt bool) (review.Item, bool) {
	patience := time.NewTimer(endPatience)
	defer patience.Stop()
	for {
		moved := s.g.reviews.Moved()
		switch item, err := s.g.reviews.Get(ctx, id); {
		case err == nil && item.Final():
			return item, true
		case err != nil || !atIt:
			return review.Item{}, false
		}
		select {
		case <-moved:
		case <-patience.C:
			atIt = false
		case <-ctx.Done():
			return review.Item{}, false
		}
	}
}

// said is what a reviewer says, without what a caller can't say.
func said(v *candorv1.Verdict, blind bool) *candorv1.Verdict {
	return &candorv1.Verdict{Answer: v.GetAnswer(), Confidence: v.Confidence, Reason: v.GetReason(), Note: v.GetNote(), Blind: blind}
}

func (s *reviewService) ReviseReviewItem(ctx context.Context, in *candorv1.ReviseReviewItemRequest) (*candorv1.ReviseReviewItemResponse, error) {
	p, err := allowed(ctx, in, candorv1.Role_ROLE_REVIEWER)
	if err != nil {
		return nil, err
	}
	item, err := s.item(ctx, p, in.GetName())
	if err != nil {
		return nil, err
	}
	if err := s.g.fits(in.GetVerdict(), &item); err != nil {
		return nil, err
	}
	out, err := s.change(ctx, p, in.GetName(), review.Revise{
		Reviewer: p.Name, Now: s.g.ledger.Now(), Verdict: said(in.GetVerdict(), false), RequestID: in.GetRequestId(),
		Window: s.g.undoWindow(item.Queue), Etag: in.GetEtag(),
	})
	if err != nil {
		return nil, err
	}
	return &candorv1.ReviseReviewItemResponse{Item: out}, nil
}

func (s *reviewService) UndoReviewItem(ctx context.Context, in *candorv1.UndoReviewItemRequest) (*candorv1.UndoReviewItemResponse, error) {
	p, err := allowed(ctx, in, candorv1.Role_ROLE_REVIEWER)
	if err != nil {
		return nil, err
	}
	item, err := s.item(ctx, p, in.GetName())
	if err != nil {
		return nil, err
	}
	now := s.g.ledger.Now()
	out, err := s.change(ctx, p, in.GetName(), review.Undo{
		Reviewer: p.Name, Now: now, LeaseUntil: now.Add(s.g.leaseOf(item.Queue)), RequestID: in.GetRequestId(),
		Window: s.g.undoWindow(item.Queue), Etag: in.GetEtag(),
	})
	if err != nil {
		return nil, err
	}
	return &candorv1.UndoReviewItemResponse{Item: out}, nil
}

// fits refuses a verdict that the item can't have.
func (g *Gateway) fits(v *candorv1.Verdict, item *review.Item) error {
	if err := answers(v, item.Labels, item.Unit); err != nil {
		return err
	}
	q := g.plan().cfg.GetQueues()[item.Queue]
	reason, reasons := v.GetReason(), q.GetReasons()
	switch {
	case reason == "" && q.GetRequireReason() && len(reasons) > 0:
		return badVerdict("reason", "the queue wants one: send one of "+list(reasons), reasons)
	case reason == "" && q.GetRequireReason():
		return badVerdict("reason", "the queue wants one", nil)
	case reason != "" && len(reasons) > 0 && !slices.Contains(reasons, reason):
		return badVerdict("reason", "it is none of "+list(reasons), reasons)
	}
	return nil
}

// answers refuses a verdict whose answer is none of the labels, or, without labels, no value.
func answers(v *candorv1.Verdict, labels []string, unit string) error {
	switch a := v.GetAnswer().(type) {
	case *candorv1.Verdict_Label:
		if len(labels) == 0 {
			return badVerdict("label", "the item asks for a value in "+unit+"; send value", labels)
		}
		if !slices.Contains(labels, a.Label) {
			return badVerdict("label", "it is none of "+list(labels), labels)
		}
	case *candorv1.Verdict_Value:
		if len(labels) > 0 {
			return badVerdict("value", "the item asks for a label; send label, one of "+list(labels), labels)
		}
	}
	return nil
}

func badVerdict(field, problem string, allowed []string) error {
	e := errf(codes.InvalidArgument, candorv1.ErrorReason_ERROR_REASON_INVALID_VERDICT, "verdict.%s: %s", field, problem)
	e.Field, e.FieldProblem = "verdict."+field, problem
	return e.with("allowed", list(allowed))
}
