package gateway

import (
	"slices"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

// shown is an item as this principal may see it. Where a policy promises something, whoever may judge an item sees what there is
// to judge and nothing else until it has its verdict: neither that it is an audit, nor what the model says. Suggestions anchor
// people, and a verdict on a row that is known to be watched is evidence of another world.
func (g *Gateway) shown(p *Principal, item *review.Item) *candorv1.ReviewItem {
	out := item.Proto()
	if g.blind(p, item) {
		out.Kind, out.Reasons, out.ExpectedLoss, out.SamplingProbability, out.Answers = 0, nil, 0, 0, nil
	}
	return out
}

// blind says that the principal may judge the item, and so must not know of what the machine made of it.
func (g *Gateway) blind(p *Principal, item *review.Item) bool {
	m := g.models[item.Model]
	return m != nil && m.promise != nil && item.FinalTime.IsZero() && p.has(candorv1.Role_ROLE_REVIEWER)
}

// refuseReviewer keeps from those who judge a row what else is known of its prediction: it would say all that shown leaves out.
func (g *Gateway) refuseReviewer(p *Principal, id string, items []review.Item) error {
	for i := range items {
		if g.blind(p, &items[i]) {
			return errf(codes.PermissionDenied, candorv1.ErrorReason_ERROR_REASON_PERMISSION_DENIED,
				"prediction %s waits for a verdict, and %q is a reviewer, who judges without knowing what the model said: ask again when "+
					"it has its verdict, or as an operator without the role reviewer", id, p.Name).
				with("principal", p.Name).with("prediction_id", id)
		}
	}
	return nil
}

// withoutAudits is a prediction as its consumer may know it: nothing says which of its rows are audited. The record is copied.
func withoutAudits(rec *candorv1.Record, items []review.Item) (*candorv1.Record, []review.Item) {
	rec = proto.CloneOf(rec)
	for _, row := range rec.GetPrediction().GetRows() {
		if row.GetAudited() {
			row.Audited, row.ReviewItem, row.PayloadSha256 = false, nil, nil
		}
	}
	return rec, slices.DeleteFunc(items, func(it review.Item) bool { return it.Kind == candorv1.ReviewKind_REVIEW_KIND_AUDIT })
}
