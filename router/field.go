package router

import (
	"google.golang.org/protobuf/proto"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// ForField is the policy of one field of a model whose card has several scores: what policy.fields says of it in the place of the
// policy's own. The result is for Compile; p is left as it is.
//
// One label or value can't stand for "we do not know" in every field, so a field has the default answer that is declared for it, or
// none.
func ForField(p *candorv1.Policy, field string) *candorv1.Policy {
	own := p.GetFields()[field]
	out := &candorv1.Policy{}
	proto.Merge(out, p)
	out.Fields = nil
	if own.GetConfidence() != candorv1.ConfidenceMethod_CONFIDENCE_METHOD_UNSPECIFIED {
		out.Confidence = own.GetConfidence()
	}
	if t := own.GetThreshold(); t != nil {
		out.Accept = &candorv1.Accept{License: &candorv1.Accept_Threshold{Threshold: t}}
	}
	if own.GetIntervalScale() != 0 {
		out.IntervalScale = own.IntervalScale
	}
	if own != nil && own.EnergyCenter != nil {
		out.EnergyCenter = own.EnergyCenter
	}
	if own.GetDistanceScale() != 0 {
		out.DistanceScale = own.DistanceScale
	}
	if out.Review != nil {
		out.Review.DefaultLabel, out.Review.DefaultValue = own.GetDefaultLabel(), nil
		if own != nil {
			out.Review.DefaultValue = own.DefaultValue
		}
	}
	return out
}
