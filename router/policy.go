package router

import (
	"fmt"
	"math"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// Policy is a configured policy made ready to decide. The zero Policy accepts nothing and rejects everything: a policy's
// zero value is the least capable. It is a value, read-only after Compile and safe for concurrent use.
type Policy struct {
	Mode   candorv1.Mode
	Method candorv1.ConfidenceMethod
	// Primary licenses the primary's answers, Tiers those of the stages behind it, in the order in which they are asked.
	Primary License
	Tiers   []License
	// HasReview says that there is somebody to defer to.
	HasReview bool
	// IntervalScale is handed to Score.
	IntervalScale float64
	// Conditions are looked at by Apply, in order.
	Conditions []Condition
}

// License says from which confidence on a stage's answers are released.
type License struct {
	// Threshold is on the confidence scale, [0,1]; nil: nothing is released.
	Threshold *float64
	// Missing is why Threshold is nil; unspecified: the policy names none.
	Missing candorv1.Reason
}

// Compile makes a Policy for a model whose primary has this score kind (unspecified: its card declares no score). Errors name
// the field, relative to the policy. A stage that a promise covers has no Threshold yet: who keeps the certificates sets it.
func Compile(p *candorv1.Policy, kind candorv1.ScoreKind) (Policy, error) {
	out := Policy{
		Mode: p.GetMode(), Method: p.GetConfidence(), HasReview: p.GetReview() != nil, IntervalScale: p.GetIntervalScale(),
	}
	if out.Method == candorv1.ConfidenceMethod_CONFIDENCE_METHOD_UNSPECIFIED {
		out.Method = DefaultMethod(kind)
	}
	if err := methodFits(out.Method, kind); err != nil {
		return Policy{}, fmt.Errorf("confidence: %w", err)
	}
	if out.Method == candorv1.ConfidenceMethod_CONFIDENCE_METHOD_INTERVAL_WIDTH && out.IntervalScale <= 0 {
		return Policy{}, fmt.Errorf("interval_scale: interval_width needs the width, in the model's unit, that counts as no confidence")
	}
	license := func(t *candorv1.Threshold, field string) (License, error) {
		if t == nil {
			return License{}, nil
		}
		at, err := onConfidenceScale(t, out.Method, kind, out.IntervalScale)
		if err != nil {
			return License{}, fmt.Errorf("%s: %w", field, err)
		}
		return License{Threshold: at}, nil
	}
	var err error
	if out.Primary, err = license(p.GetAccept().GetThreshold(), "accept.threshold"); err != nil {
		return Policy{}, err
	}
	if p.GetAccept().GetPromise() != nil {
		out.Primary.Missing = candorv1.Reason_REASON_UNCERTIFIED
	}
	for i, f := range Cascade(p) {
		field := "fallback.threshold"
		if i > 0 {
			field = fmt.Sprintf("then[%d].threshold", i-1)
		}
		tier, err := license(f.GetThreshold(), field)
		if err != nil {
			return Policy{}, err
		}
		if f.GetThreshold() == nil {
			tier = out.Primary
		}
		out.Tiers = append(out.Tiers, tier)
	}
	return out, nil
}

// Cascade answers the tiers behind the primary in the order in which they are asked.
func Cascade(p *candorv1.Policy) []*candorv1.FallbackPolicy {
	var tiers []*candorv1.FallbackPolicy
	if f := p.GetFallback(); f != nil {
		tiers = append(tiers, f)
	}
	return append(tiers, p.GetThen()...)
}

// DefaultMethod is max_prob (no method beat it in a large comparison: Jaeger et al., ICLR 2023), or interval_width for
// regression.
func DefaultMethod(kind candorv1.ScoreKind) candorv1.ConfidenceMethod {
	if kind == candorv1.ScoreKind_SCORE_KIND_REGRESSION {
		return candorv1.ConfidenceMethod_CONFIDENCE_METHOD_INTERVAL_WIDTH
	}
	return candorv1.ConfidenceMethod_CONFIDENCE_METHOD_MAX_PROB
}

func methodFits(m candorv1.ConfidenceMethod, kind candorv1.ScoreKind) error {
	regression := kind == candorv1.ScoreKind_SCORE_KIND_REGRESSION
	interval := m == candorv1.ConfidenceMethod_CONFIDENCE_METHOD_INTERVAL_WIDTH
	switch {
	case kind == candorv1.ScoreKind_SCORE_KIND_UNSPECIFIED:
		return nil
	case regression && !interval:
		return fmt.Errorf("a regression score has no class probabilities; write interval_width")
	case !regression && interval:
		return fmt.Errorf("interval_width needs a regression score; write max_prob, margin or entropy")
	}
	return nil
}

// onConfidenceScale converts a threshold with a kind to the confidence scale, on which larger is surer.
func onConfidenceScale(t *candorv1.Threshold, m candorv1.ConfidenceMethod, kind candorv1.ScoreKind, scale float64) (*float64, error) {
	wrong := func(have, want string) error {
		return fmt.Errorf("a threshold of kind %s can't be compared with a confidence of kind %s; write %s", have, methodName(m), want)
	}
	switch at := t.GetAt().(type) {
	case *candorv1.Threshold_Probability:
		if m != candorv1.ConfidenceMethod_CONFIDENCE_METHOD_MAX_PROB {
			return nil, wrong("probability", kindFor(m))
		}
		return finite(at.Probability)
	case *candorv1.Threshold_LogOdds:
		if m != candorv1.ConfidenceMethod_CONFIDENCE_METHOD_MAX_PROB || kind != candorv1.ScoreKind_SCORE_KIND_LOG_ODDS {
			return nil, fmt.Errorf("a threshold of kind log_odds needs a score of kind log_odds and confidence max_prob; write %s", kindFor(m))
		}
		if at.LogOdds < 0 {
			return nil, fmt.Errorf("log_odds is %v; it is the least absolute log-odds, at least 0", at.LogOdds)
		}
		return finite(Sigmoid(at.LogOdds))
	case *candorv1.Threshold_Margin:
		if m != candorv1.ConfidenceMethod_CONFIDENCE_METHOD_MARGIN {
			return nil, wrong("margin", kindFor(m))
		}
		return finite(at.Margin)
	case *candorv1.Threshold_NormalizedEntropy:
		if m != candorv1.ConfidenceMethod_CONFIDENCE_METHOD_ENTROPY {
			return nil, wrong("normalized_entropy", kindFor(m))
		}
		return finite(1 - at.NormalizedEntropy)
	case *candorv1.Threshold_IntervalWidth:
		if m != candorv1.ConfidenceMethod_CONFIDENCE_METHOD_INTERVAL_WIDTH {
			return nil, wrong("interval_width", kindFor(m))
		}
		if at.IntervalWidth >= scale {
			return nil, fmt.Errorf("interval_width is %v, not below interval_scale %v: it would accept every row", at.IntervalWidth, scale)
		}
		return finite(intervalConfidence(at.IntervalWidth, scale))
	}
	return nil, fmt.Errorf("no kind is given; write %s", kindFor(m))
}

func finite(v float64) (*float64, error) {
	if math.IsNaN(v) || v < 0 || v > 1 {
		return nil, fmt.Errorf("the threshold is %v on the confidence scale, outside of [0,1]", v)
	}
	return &v, nil
}

// kindFor names the threshold kind that a confidence method is compared with.
func kindFor(m candorv1.ConfidenceMethod) string {
	switch m {
	case candorv1.ConfidenceMethod_CONFIDENCE_METHOD_MARGIN:
		return "margin"
	case candorv1.ConfidenceMethod_CONFIDENCE_METHOD_ENTROPY:
		return "normalized_entropy"
	case candorv1.ConfidenceMethod_CONFIDENCE_METHOD_INTERVAL_WIDTH:
		return "interval_width"
	}
	return "probability"
}

func methodName(m candorv1.ConfidenceMethod) string {
	switch m {
	case candorv1.ConfidenceMethod_CONFIDENCE_METHOD_MARGIN:
		return "margin"
	case candorv1.ConfidenceMethod_CONFIDENCE_METHOD_ENTROPY:
		return "entropy"
	case candorv1.ConfidenceMethod_CONFIDENCE_METHOD_INTERVAL_WIDTH:
		return "interval_width"
	}
	return "max_prob"
}
