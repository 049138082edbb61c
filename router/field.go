package router

import candorv1 "github.com/candor-gateway/candor/gen/candor/v1"

// ForField is the policy of one field of a model whose card has several scores: what policy.fields says of it in the place of the
// policy's own. The result is for Compile; it shares what is the same with p, which is left as it is.
//
// One label or value can't stand for "we do not know" in every field, so a field has the default answer that is declared for it, or
// none.
func ForField(p *candorv1.Policy, field string) *candorv1.Policy {
	own := p.GetFields()[field]
	out := &candorv1.Policy{
		Mode: p.GetMode(), Confidence: p.GetConfidence(), IntervalScale: p.IntervalScale, EnergyCenter: p.EnergyCenter,
		DistanceScale: p.DistanceScale, Accept: p.GetAccept(), Fallback: p.GetFallback(), Then: p.GetThen(), OnDefer: p.GetOnDefer(),
		Answers: p.GetAnswers(), Actions: p.GetActions(), Conditions: p.GetConditions(), Meta: p.GetMeta(), Monitors: p.GetMonitors(),
		OnStoreLost: p.GetOnStoreLost(),
	}
	if r := p.GetReview(); r != nil {
		out.Review = &candorv1.ReviewPolicy{
			Queue: r.GetQueue(), Deadline: r.GetDeadline(), OnExpire: r.GetOnExpire(), DefaultLabel: own.GetDefaultLabel(),
		}
	}
	if own == nil {
		return out
	}
	if own.GetConfidence() != candorv1.ConfidenceMethod_CONFIDENCE_METHOD_UNSPECIFIED {
		out.Confidence = own.GetConfidence()
	}
	if t := own.GetThreshold(); t != nil {
		out.Accept = &candorv1.Accept{License: &candorv1.Accept_Threshold{Threshold: t}}
	}
	if own.IntervalScale != nil {
		out.IntervalScale = own.IntervalScale
	}
	if own.EnergyCenter != nil {
		out.EnergyCenter = own.EnergyCenter
	}
	if own.DistanceScale != nil {
		out.DistanceScale = own.DistanceScale
	}
	if out.Review != nil {
		out.Review.DefaultValue = own.DefaultValue
	}
	return out
}
