package gateway

import (
	"context"
	"errors"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

// supersedeTries is how often a verdict that names no etag is tried on an item that changes meanwhile.
const supersedeTries = 3

// SupersedeVerdict replaces a final answer. The new one passes the action limits like any other.
func (s *reviewService) SupersedeVerdict(ctx context.Context, in *candorv1.SupersedeVerdictRequest) (*candorv1.SupersedeVerdictResponse, error) {
	p, err := allowed(ctx, in, candorv1.Role_ROLE_SENIOR)
	if err != nil {
		return nil, err
	}
	for try := 1; ; try++ {
		item, err := s.item(ctx, p, in.GetName())
		if err != nil {
			return nil, err
		}
		done, err := s.supersede(ctx, p, in, &item)
		if errors.Is(err, review.ErrEtag) && in.GetEtag() == "" && try < supersedeTries {
			continue
		}
		if err != nil {
			return nil, s.refused(ctx, err, in.GetName())
		}
		return &candorv1.SupersedeVerdictResponse{Item: s.g.shown(p, &done)}, nil
	}
}

func (s *reviewService) supersede(ctx context.Context, p *Principal, in *candorv1.SupersedeVerdictRequest, item *review.Item) (review.Item, error) {
	if err := s.g.mayWork(p, item.Queue); err != nil {
		return review.Item{}, err
	}
	if err := answers(in.GetVerdict(), item.Labels, item.Unit); err != nil {
		return review.Item{}, err
	}
	if in.GetVerdict().GetReason() == "" {
		return review.Item{}, badVerdict("reason", "say why the answer is replaced", nil)
	}
	act := review.Supersede{
		By: p.Name, Now: s.g.ledger.Now(), Verdict: said(in.GetVerdict(), false), RequestID: in.GetRequestId(), Etag: in.GetEtag(),
	}
	// What the act refuses must not reach the limits, which it might trip.
	tried := *item
	if _, err := act.Apply(&tried); err != nil && !errors.Is(err, review.ErrEtag) {
		return review.Item{}, err
	}
	if act.Etag == "" {
		act.Etag = item.Etag()
	} else if act.Etag != item.Etag() {
		// A retry may have changed the item itself; the store knows it by its request id.
		return s.g.reviews.Change(ctx, item.ID, act)
	}
	r := s.g.pass(ctx, act.Now, item, act.Verdict)
	act.Gated = r.Gated
	done, err := s.g.reviews.Change(ctx, item.ID, act)
	if err != nil || done.Repeated {
		r.undo()
		return done, err
	}
	s.g.metrics.finals.WithLabelValues(done.Model, "superseded").Inc()
	return done, nil
}
