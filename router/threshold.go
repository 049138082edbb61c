package router

import (
	"fmt"
	"math"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// ThresholdMethod is the confidence method that a kind of threshold is about; unspecified: there is no kind. A log_odds is about
// max_prob, and a probability may be about meta too.
func ThresholdMethod(t *candorv1.Threshold) candorv1.ConfidenceMethod {
	switch t.GetAt().(type) {
	case *candorv1.Threshold_Probability, *candorv1.Threshold_LogOdds:
		return methodMaxProb
	case *candorv1.Threshold_Margin:
		return methodMargin
	case *candorv1.Threshold_NormalizedEntropy:
		return methodEntropy
	case *candorv1.Threshold_IntervalWidth:
		return methodInterval
	case *candorv1.Threshold_Energy:
		return methodEnergy
	case *candorv1.Threshold_Distance:
		return methodDistance
	case *candorv1.Threshold_VoteShare:
		return methodVotes
	case *candorv1.Threshold_Disagreement:
		return methodDisagreement
	case *candorv1.Threshold_Spread:
		return methodSpread
	case *candorv1.Threshold_Boundary:
		return methodBoundary
	}
	return candorv1.ConfidenceMethod_CONFIDENCE_METHOD_UNSPECIFIED
}

// kindOf names a threshold's kind as the configuration writes it.
func kindOf(t *candorv1.Threshold) string {
	if _, ok := t.GetAt().(*candorv1.Threshold_LogOdds); ok {
		return "log_odds"
	}
	return ThresholdKind(ThresholdMethod(t))
}

// onConfidenceScale converts a threshold with a kind to the confidence scale, on which larger is surer. It goes through the same
// functions as the confidence itself, so that a row at the threshold passes.
func onConfidenceScale(t *candorv1.Threshold, m candorv1.ConfidenceMethod, s Source, scale Scale) (*float64, error) {
	have := ThresholdMethod(t)
	if have == candorv1.ConfidenceMethod_CONFIDENCE_METHOD_UNSPECIFIED {
		return nil, fmt.Errorf("no kind is given; write %s", ThresholdKind(m))
	}
	if at, ok := t.GetAt().(*candorv1.Threshold_LogOdds); ok {
		switch {
		case m != methodMaxProb || s.Kind != candorv1.ScoreKind_SCORE_KIND_LOG_ODDS:
			return nil, fmt.Errorf("a threshold of kind log_odds needs a score of kind log_odds and confidence max_prob; write %s", ThresholdKind(m))
		case at.LogOdds < 0:
			return nil, fmt.Errorf("log_odds is %v; it is the least absolute log-odds, at least 0", at.LogOdds)
		}
		return onScale(Sigmoid(at.LogOdds))
	}
	if ThresholdKind(m) != ThresholdKind(have) {
		return nil, fmt.Errorf("a threshold of kind %s can't be compared with a confidence of kind %s; write %s", kindOf(t), MethodName(m), ThresholdKind(m))
	}
	switch at := t.GetAt().(type) {
	case *candorv1.Threshold_Probability:
		return onScale(at.Probability)
	case *candorv1.Threshold_Margin:
		return onScale(at.Margin)
	case *candorv1.Threshold_NormalizedEntropy:
		return onScale(1 - at.NormalizedEntropy)
	case *candorv1.Threshold_VoteShare:
		return onScale(at.VoteShare)
	case *candorv1.Threshold_IntervalWidth:
		return most("interval_width", at.IntervalWidth, "interval_scale", scale.Interval, WidthConfidence(at.IntervalWidth, scale.Interval))
	case *candorv1.Threshold_Spread:
		return most("spread", at.Spread, "interval_scale", scale.Interval, WidthConfidence(at.Spread, scale.Interval))
	case *candorv1.Threshold_Disagreement:
		if s.Labels < 2 {
			return nil, fmt.Errorf("disagreement needs two labels at least, and the primary's card declares %d; write another kind", s.Labels)
		}
		return most("disagreement", at.Disagreement, "ln K", math.Log(float64(s.Labels)), DisagreementConfidence(at.Disagreement, s.Labels))
	case *candorv1.Threshold_Distance:
		conf := DistanceConfidence(at.Distance, scale.Distance)
		if conf == 0 {
			return nil, fmt.Errorf("distance is %v, where exp(-distance/distance_scale) is 0: it would accept every row", at.Distance)
		}
		return onScale(conf)
	case *candorv1.Threshold_Energy:
		conf := EnergyConfidence(at.Energy, scale.EnergyCenter)
		if conf == 0 {
			return nil, fmt.Errorf("energy is %v, so far below energy_center that every row would be accepted", at.Energy)
		}
		return onScale(conf)
	case *candorv1.Threshold_Boundary:
		if at.Boundary < 0 {
			return nil, fmt.Errorf("boundary is %v; it is the least absolute margin, at least 0", at.Boundary)
		}
		return onScale(BoundaryConfidence(at.Boundary))
	}
	return nil, fmt.Errorf("no kind is given; write %s", ThresholdKind(m))
}

// most refuses the largest value that is allowed, when every row has less.
func most(kind string, value float64, bound string, limit, confidence float64) (*float64, error) {
	if value >= limit {
		return nil, fmt.Errorf("%s is %v, not below %s %.6g: it would accept every row", kind, value, bound, limit)
	}
	return onScale(confidence)
}

func onScale(v float64) (*float64, error) {
	if math.IsNaN(v) || v < 0 || v > 1 {
		return nil, fmt.Errorf("the threshold is %v on the confidence scale, outside of [0,1]", v)
	}
	return &v, nil
}
