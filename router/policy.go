package router

import (
	"fmt"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// Policy is a configured policy made ready to decide. The zero Policy accepts nothing and rejects everything: a policy's
// zero value is the least capable. It is a value, read-only after Compile and safe for concurrent use.
type Policy struct {
	Mode candorv1.Mode
	// Method makes the primary's confidence. One that compares an ensemble's members leaves the primary without any.
	Method candorv1.ConfidenceMethod
	// Primary licenses the primary's answers, Tiers those of the stages behind it, in the order in which they are asked.
	Primary License
	Tiers   []License
	// HasReview says that there is somebody to defer to.
	HasReview bool
	// Scale is handed to Score.
	Scale Scale
	// Conditions are looked at by Apply, in order.
	Conditions []Condition
}

// License says from which confidence on a stage's answers are released.
type License struct {
	// Threshold is on the confidence scale, [0,1]; nil: nothing is released.
	Threshold *float64
	// Missing is why Threshold is nil; unspecified: the policy names none.
	Missing candorv1.Reason
	// Method makes the confidence that Threshold is about.
	Method candorv1.ConfidenceMethod
}

// Compile makes a Policy for a model whose primary has this score. Errors name the field, relative to the policy. A stage that a
// promise covers has no Threshold yet: who keeps the certificates sets it.
//
// The policy's confidence is the primary's method. A tier has the same, except where its own threshold is of a kind that only an
// ensemble has (vote_share, disagreement, spread), and where the policy's method reads what only a single model has (energy,
// distance, boundary, meta): then the tier's threshold says by its kind which confidence it is about.
func Compile(p *candorv1.Policy, from Source) (Policy, error) {
	out := Policy{
		Mode: p.GetMode(), Method: p.GetConfidence(), HasReview: p.GetReview() != nil,
		Scale: Scale{Interval: p.GetIntervalScale(), EnergyCenter: p.GetEnergyCenter(), Distance: p.GetDistanceScale()},
	}
	if out.Method == candorv1.ConfidenceMethod_CONFIDENCE_METHOD_UNSPECIFIED {
		out.Method = DefaultMethod(from)
	}
	if err := MethodFits(out.Method, from); err != nil {
		return Policy{}, fmt.Errorf("confidence: %w", err)
	}
	if err := scaled(p, out.Method); err != nil {
		return Policy{}, err
	}
	tiers := Cascade(p)
	if OfEnsemble(out.Method) && len(tiers) == 0 {
		return Policy{}, fmt.Errorf("confidence: %s compares the members of an ensemble, and there is none; add fallback, or write %s",
			MethodName(out.Method), MethodName(DefaultMethod(from)))
	}
	out.Primary.Method = out.Method
	if t := p.GetAccept().GetThreshold(); t != nil {
		var err error
		if out.Primary.Threshold, err = onConfidenceScale(t, out.Method, from, out.Scale); err != nil {
			return Policy{}, fmt.Errorf("accept.threshold: %w", err)
		}
	}
	if p.GetAccept().GetPromise() != nil {
		out.Primary.Missing = candorv1.Reason_REASON_UNCERTIFIED
	}
	for i, f := range tiers {
		license, err := out.tier(p, f.GetThreshold(), from)
		if err != nil {
			field := "fallback.threshold"
			if i > 0 {
				field = fmt.Sprintf("then[%d].threshold", i-1)
			}
			return Policy{}, fmt.Errorf("%s: %w", field, err)
		}
		out.Tiers = append(out.Tiers, license)
	}
	return out, nil
}

// scaled says which number is missing that a method maps to [0,1] by.
func scaled(p *candorv1.Policy, m candorv1.ConfidenceMethod) error {
	switch {
	case m == methodInterval && !(p.GetIntervalScale() > 0):
		return fmt.Errorf("interval_scale: interval_width needs the width, in the model's unit, that counts as no confidence")
	case m == methodSpread && !(p.GetIntervalScale() > 0):
		return fmt.Errorf("interval_scale: spread needs the spread of the members, in the model's unit, that counts as no confidence")
	case m == methodEnergy && p.EnergyCenter == nil:
		return fmt.Errorf("energy_center: energy needs the energy that counts as half sure, in nats")
	case m == methodDistance && !(p.GetDistanceScale() > 0):
		return fmt.Errorf("distance_scale: distance needs the distance, in the score's metric, at which confidence has fallen to 1/e")
	case m == methodMeta && p.GetMeta().GetBackend() == "":
		return fmt.Errorf("meta.backend: meta needs the backend that says how likely an answer is right")
	}
	return nil
}

// tier licenses a tier of the cascade by its own threshold, or, without one, as the primary is.
func (p Policy) tier(cfg *candorv1.Policy, t *candorv1.Threshold, from Source) (License, error) {
	method := TierMethod(p.Method, t, from)
	if t == nil {
		license := p.Primary
		license.Method = method
		if license.Threshold != nil && method != p.Method {
			return License{}, fmt.Errorf("is missing, and accept's is about %s, which an ensemble's answer does not have; write %s",
				MethodName(p.Method), from.TierKinds())
		}
		return license, nil
	}
	if OfOneModel(ThresholdMethod(t)) {
		return License{}, fmt.Errorf("an ensemble's answer has no %s; write %s", kindOf(t), from.TierKinds())
	}
	if err := MethodFits(method, from.Combined()); err != nil {
		return License{}, err
	}
	if err := scaled(cfg, method); err != nil {
		return License{}, err
	}
	at, err := onConfidenceScale(t, method, from, p.Scale)
	if err != nil {
		return License{}, err
	}
	return License{Threshold: at, Method: method}, nil
}

// TierMethod is the confidence method of a tier with this threshold (nil: none of its own) under a policy whose method is m.
func TierMethod(m candorv1.ConfidenceMethod, t *candorv1.Threshold, from Source) candorv1.ConfidenceMethod {
	own := ThresholdMethod(t)
	switch {
	case OfEnsemble(own):
		return own
	case !OfOneModel(m):
		return m
	case own != candorv1.ConfidenceMethod_CONFIDENCE_METHOD_UNSPECIFIED && !OfOneModel(own):
		return own
	}
	return DefaultMethod(from.Combined())
}

// Cascade answers the tiers behind the primary in the order in which they are asked.
func Cascade(p *candorv1.Policy) []*candorv1.FallbackPolicy {
	var tiers []*candorv1.FallbackPolicy
	if f := p.GetFallback(); f != nil {
		tiers = append(tiers, f)
	}
	return append(tiers, p.GetThen()...)
}
