package gateway

import (
	"google.golang.org/protobuf/proto"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

// expiryVerdict is the answer of an item whose deadline has passed; nil: none, which rejects. Where the reviewers who have judged
// it all say the same, it is theirs; an appeal that nobody decided leaves the answer that it is about; otherwise on_expire says.
func (g *Gateway) expiryVerdict(item *review.Item) *candorv1.Verdict {
	if !item.Awaited() {
		return nil // Its answer left long ago.
	}
	if v := review.Unanimous(item); v != nil {
		return v
	}
	if item.Kind == candorv1.ReviewKind_REVIEW_KIND_APPEAL {
		if len(item.Superseded) == 0 {
			return nil
		}
		v := proto.CloneOf(item.Superseded[0])
		v.CreateTime = nil
		return v
	}
	v := &candorv1.Verdict{Author: review.AuthorOnExpire}
	switch item.OnExpire {
	case candorv1.ExpireAction_EXPIRE_ACTION_DEFAULT:
		switch {
		case item.DefaultValue != nil:
			v.Answer = &candorv1.Verdict_Value{Value: *item.DefaultValue}
		case item.DefaultLabel != "":
			v.Answer = &candorv1.Verdict_Label{Label: item.DefaultLabel}
		default:
			return nil
		}
		return v
	case candorv1.ExpireAction_EXPIRE_ACTION_FALLBACK:
		answer := g.fallbackAnswer(item)
		switch {
		case answer == nil:
			return nil
		case answer.Value != nil:
			v.Answer = &candorv1.Verdict_Value{Value: answer.GetValue()}
		default:
			v.Answer = &candorv1.Verdict_Label{Label: answer.GetLabel()}
		}
		return v
	}
	return nil
}

// fallbackAnswer is what the fallback as a whole said of the row; nil: it had no answer, or was never asked. What the primary
// or one member below the quorum said is not the fallback's answer.
func (g *Gateway) fallbackAnswer(item *review.Item) *candorv1.StageAnswer {
	m := g.plan().models[item.Model]
	if m == nil || len(item.Answers) < 2 {
		return nil
	}
	// Stages stand in the order in which they were asked: the primary, then of each tier the members, the ensemble or the stages
	// after it.
	last := item.Answers[len(item.Answers)-1]
	for _, e := range m.tiers {
		if e.SpeaksAs(last.GetStage()) {
			return last
		}
	}
	return nil
}
