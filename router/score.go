package router

import (
	"fmt"
	"math"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// DefaultSumTolerance is how far the sum of a probability vector may be from 1 when the card says nothing: FP16 scores over
// a thousand labels stay within it.
const DefaultSumTolerance = 1e-3

// Scores is one row's raw score numbers with what the model's card says they are.
type Scores struct {
	Stage  string
	Kind   candorv1.ScoreKind
	Values []float64
	// Labels in the order of Values; for one number, [negative, positive].
	Labels []string
	Method candorv1.ConfidenceMethod
	// SumTolerance; 0: DefaultSumTolerance.
	SumTolerance float64
	// Lower and Upper bound a regression value; nil: the model gave none.
	Lower, Upper *float64
	// Min and Max are the range in which a regression value makes sense; nil: unbounded.
	Min, Max *float64
	// IntervalScale is the interval width that counts as no confidence, in the value's unit; 0: none.
	IntervalScale float64
}

// Score makes the Evidence of one row. A number that can't be what the card says (NaN, infinite, a probability of 1.7, a
// vector that doesn't sum to 1) makes faulty Evidence with REASON_CONTRACT_FAILURE, never a repaired number.
func Score(s Scores) Evidence {
	if s.Kind == candorv1.ScoreKind_SCORE_KIND_UNSPECIFIED {
		return Evidence{Stage: s.Stage, Top: -1}
	}
	if s.Kind == candorv1.ScoreKind_SCORE_KIND_REGRESSION {
		return scoreRegression(s)
	}
	probs, problem := probabilities(s)
	if problem != "" {
		return Failed(s.Stage, candorv1.Reason_REASON_CONTRACT_FAILURE, problem)
	}
	ev := FromProbabilities(s.Stage, probs, s.Labels, s.Method)
	ev.Kind = s.Kind
	ev.Scores = s.Values
	return ev
}

// FromProbabilities makes Evidence of class probabilities that sum to 1, in the order of labels. It keeps both slices.
func FromProbabilities(stage string, probs []float64, labels []string, method candorv1.ConfidenceMethod) Evidence {
	ev := Evidence{
		Stage: stage, Kind: candorv1.ScoreKind_SCORE_KIND_PROBABILITY, Scores: probs, Probs: probs, Labels: labels,
		Method: method,
	}
	top, second := topTwo(probs)
	ev.Top = top
	ev.Label = labels[top]
	h := NormalizedEntropy(probs)
	ev.Uncertainty, ev.UncertaintyKind = h, candorv1.UncertaintyKind_UNCERTAINTY_KIND_ENTROPY
	switch method {
	case candorv1.ConfidenceMethod_CONFIDENCE_METHOD_MAX_PROB:
		ev.Confidence = ptr(probs[top])
	case candorv1.ConfidenceMethod_CONFIDENCE_METHOD_MARGIN:
		ev.Confidence = ptr(probs[top] - second)
	case candorv1.ConfidenceMethod_CONFIDENCE_METHOD_ENTROPY:
		ev.Confidence = ptr(1 - h)
	}
	return ev
}

// probabilities converts classification scores; problem is not empty when they can't be what the card says.
func probabilities(s Scores) (probs []float64, problem string) {
	want := len(s.Labels)
	if len(s.Values) != want && !(len(s.Values) == 1 && want == 2) {
		return nil, fmt.Sprintf("%d scores for %d labels", len(s.Values), want)
	}
	for i, v := range s.Values {
		if math.IsNaN(v) {
			return nil, fmt.Sprintf("score %d is NaN", i)
		}
		// ln 0 is a lawful log-probability.
		if math.IsInf(v, 0) && !(s.Kind == candorv1.ScoreKind_SCORE_KIND_LOG_PROB && math.IsInf(v, -1)) {
			return nil, fmt.Sprintf("score %d is infinite", i)
		}
	}
	tol := s.SumTolerance
	if tol == 0 {
		tol = DefaultSumTolerance
	}
	switch s.Kind {
	case candorv1.ScoreKind_SCORE_KIND_PROBABILITY:
		return fromProbability(s.Values, tol)
	case candorv1.ScoreKind_SCORE_KIND_LOG_ODDS:
		if len(s.Values) != 1 {
			return nil, fmt.Sprintf("%d log-odds; log_odds is one number for the second of two labels", len(s.Values))
		}
		p := Sigmoid(s.Values[0])
		return []float64{1 - p, p}, ""
	case candorv1.ScoreKind_SCORE_KIND_LOGIT:
		if len(s.Values) == 1 {
			p := Sigmoid(s.Values[0])
			return []float64{1 - p, p}, ""
		}
		return Softmax(s.Values), ""
	case candorv1.ScoreKind_SCORE_KIND_LOG_PROB:
		exp := make([]float64, len(s.Values))
		for i, v := range s.Values {
			if v > tol {
				return nil, fmt.Sprintf("log-probability %d is %.6g, above 0", i, v)
			}
			exp[i] = math.Min(math.Exp(v), 1)
		}
		return fromProbability(exp, tol)
	}
	return nil, fmt.Sprintf("score kind %v is not a classification score", s.Kind)
}

// fromProbability checks probabilities and makes one number into two. Sums within the tolerance are divided out, so that
// what follows may rely on 1.
func fromProbability(values []float64, tol float64) ([]float64, string) {
	sum := 0.0
	for i, v := range values {
		if v < 0 || v > 1+tol {
			return nil, fmt.Sprintf("probability %d is %.6g, outside of [0,1]", i, v)
		}
		sum += v
	}
	if len(values) == 1 {
		p := math.Min(values[0], 1)
		return []float64{1 - p, p}, ""
	}
	if math.Abs(sum-1) > tol {
		return nil, fmt.Sprintf("probabilities sum to %.6g, not to 1 within %.3g", sum, tol)
	}
	probs := make([]float64, len(values))
	for i, v := range values {
		probs[i] = v / sum
	}
	return probs, ""
}

func scoreRegression(s Scores) Evidence {
	bad := func(format string, args ...any) Evidence {
		return Failed(s.Stage, candorv1.Reason_REASON_CONTRACT_FAILURE, fmt.Sprintf(format, args...))
	}
	if len(s.Values) != 1 {
		return bad("%d values for one regression row", len(s.Values))
	}
	v := s.Values[0]
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return bad("the value is %v", v)
	case s.Min != nil && v < *s.Min:
		return bad("the value %.6g is below the card's minimum %.6g", v, *s.Min)
	case s.Max != nil && v > *s.Max:
		return bad("the value %.6g is above the card's maximum %.6g", v, *s.Max)
	}
	ev := Evidence{Stage: s.Stage, Kind: s.Kind, Scores: s.Values, Value: ptr(v), Top: -1, Method: s.Method}
	if s.Lower == nil || s.Upper == nil {
		return ev
	}
	lo, hi := *s.Lower, *s.Upper
	if math.IsNaN(lo) || math.IsNaN(hi) || math.IsInf(lo, 0) || math.IsInf(hi, 0) {
		return bad("the interval [%v, %v] is not finite", lo, hi)
	}
	if lo > hi || v < lo || v > hi {
		return bad("the value %.6g is outside of its own interval [%.6g, %.6g]", v, lo, hi)
	}
	ev.Lower, ev.Upper = ptr(lo), ptr(hi)
	ev.Uncertainty, ev.UncertaintyKind = hi-lo, candorv1.UncertaintyKind_UNCERTAINTY_KIND_INTERVAL_WIDTH
	if s.Method == candorv1.ConfidenceMethod_CONFIDENCE_METHOD_INTERVAL_WIDTH && s.IntervalScale > 0 {
		ev.Confidence = ptr(intervalConfidence(hi-lo, s.IntervalScale))
	}
	return ev
}

// intervalConfidence maps a width in [0,∞) to a confidence in [0,1].
func intervalConfidence(width, scale float64) float64 {
	return math.Max(0, 1-width/scale)
}

func ptr(v float64) *float64 { return &v }
