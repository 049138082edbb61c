package router

import (
	"fmt"
	"math"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// Policy is a configured policy made ready to decide. The zero Policy accepts nothing and rejects everything: a policy's
// zero value is the least capable. It is read-only after Compile and safe for concurrent use.
type Policy struct {
	Mode   candorv1.Mode
	Method candorv1.ConfidenceMethod
	// Threshold is on the confidence scale, [0,1]; nil: nothing is accepted.
	Threshold *float64
	// FallbackThreshold licenses the fallback's answers; nil: none is accepted.
	FallbackThreshold *float64
	// HasFallback and HasReview say which routes exist.
	HasFallback, HasReview bool
	// IntervalScale is handed to Score.
	IntervalScale float64
}

// Compile makes a Policy for a model whose primary has this score kind (unspecified: its card declares no score). Errors name
// the field, relative to the policy.
func Compile(p *candorv1.Policy, kind candorv1.ScoreKind) (Policy, error) {
	out := Policy{
		Mode: p.GetMode(), Method: p.GetConfidence(), HasFallback: p.GetFallback() != nil, HasReview: p.GetReview() != nil,
		IntervalScale: p.GetIntervalScale(),
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
	var err error
	if t := p.GetAccept().GetThreshold(); t != nil {
		if out.Threshold, err = onConfidenceScale(t, out.Method, kind, out.IntervalScale); err != nil {
			return Policy{}, fmt.Errorf("accept.threshold: %w", err)
		}
	}
	out.FallbackThreshold = out.Threshold
	if t := p.GetFallback().GetThreshold(); t != nil {
		if out.FallbackThreshold, err = onConfidenceScale(t, out.Method, kind, out.IntervalScale); err != nil {
			return Policy{}, fmt.Errorf("fallback.threshold: %w", err)
		}
	}
	return out, nil
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
