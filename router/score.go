package router

import (
	"fmt"
	"math"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

const (
	// DefaultSumTolerance is how far the sum of a probability vector may be from 1 when the card says nothing: FP16 scores over
	// a thousand labels stay within it.
	DefaultSumTolerance = 1e-3
	// DefaultCoverage is that of an interval made of a variance when the card says nothing.
	DefaultCoverage = 0.9
)

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
	// Variance of a regression value, in its unit squared; nil: the model gave none. It is not used beside Lower and Upper.
	Variance *float64
	// Coverage of the interval that is made of Variance, in (0,1); 0: DefaultCoverage.
	Coverage float64
	// Min and Max are the range in which a regression value makes sense; nil: unbounded.
	Min, Max *float64
	// Abstained: the model says that it has no usable answer for this row. Its numbers are not looked at.
	Abstained bool
	Scale     Scale
	// Calibrator of the class probabilities; nil: none.
	Calibrator Calibrator
}

// Score makes the Evidence of one row. A number that can't be what the card says (NaN, infinite, a probability of 1.7, a
// vector that doesn't sum to 1, a negative distance) makes faulty Evidence with REASON_CONTRACT_FAILURE, never a repaired number.
// A row without an answer by the model's own account is faulty with REASON_ABSTAINED.
//
// A calibrator is applied to the class probabilities before the confidence is made. Margins and distances have none of their own:
// for them it gets numbers that only rank. Of a margin m for the second of two labels that is σ(m), so that a calibrator that works
// on log-odds (Platt 1999) gets m itself; of one margin per label their softmax, of one distance per label the softmax of the
// negated distances; of one distance d exp(-d) for the second label, a match. Without a calibrator these kinds have no
// probabilities. The methods distance and boundary read the scores themselves, and leave the calibrator aside.
//
// A calibrator whose result is no distribution leaves the row without a confidence.
func Score(s Scores) Evidence {
	var ev Evidence
	ScoreInto(&ev, &s)
	return ev
}

// ScoreInto is Score, for Evidence that has its place.
func ScoreInto(ev *Evidence, s *Scores) {
	switch {
	case s.Abstained:
		*ev = Failed(s.Stage, candorv1.Reason_REASON_ABSTAINED, "the model abstained")
		return
	case s.Kind == candorv1.ScoreKind_SCORE_KIND_UNSPECIFIED:
		*ev = Evidence{Stage: s.Stage, Top: -1, Method: s.Method}
		return
	case s.Kind == candorv1.ScoreKind_SCORE_KIND_REGRESSION:
		*ev = scoreRegression(s)
		return
	}
	problem := misfit(s)
	if problem == "" && (s.Kind == candorv1.ScoreKind_SCORE_KIND_DISTANCE || s.Kind == candorv1.ScoreKind_SCORE_KIND_MARGIN) {
		*ev = scoreRanked(s)
		return
	}
	var probs []float64
	if problem == "" {
		probs, problem = probabilities(s)
	}
	if problem != "" {
		*ev = Failed(s.Stage, candorv1.Reason_REASON_CONTRACT_FAILURE, problem)
		return
	}
	ev.calibrated(s, probs)
	if s.Method == methodEnergy && s.Kind == candorv1.ScoreKind_SCORE_KIND_LOGIT && len(s.Values) > 1 {
		ev.Confidence = ptr(EnergyConfidence(Energy(s.Values), s.Scale.EnergyCenter))
		if s.Calibrator != nil {
			ev.RawConfidence = ev.Confidence
		}
	}
}

// calibrated makes it Evidence of class probabilities, which it keeps, by way of the calibrator where there is one. ok is false when
// its result is no distribution: the Evidence is then that of probs, without a confidence.
func (e *Evidence) calibrated(s *Scores, probs []float64) (ok bool) {
	e.ofProbabilities(s.Stage, probs, s.Labels, s.Method)
	ok = true
	if s.Calibrator != nil {
		raw, top := e.Confidence, e.Top
		var better []float64
		if better, ok = Calibrate(s.Calibrator, probs); ok {
			e.ofProbabilities(s.Stage, better, s.Labels, s.Method)
			if e.Top != top {
				e.answers(top)
			}
		} else {
			e.Confidence = nil
		}
		e.RawConfidence, e.Calibrator = raw, s.Calibrator.Name()
	}
	e.Kind, e.Scores = s.Kind, s.Values
	return ok
}

// answers keeps the label at top as the answer, although another has the largest calibrated probability: what leaves is what the
// model said, and its confidence is how probable that is. A lead over others, or a clear picture, speaks for another answer then.
func (e *Evidence) answers(top int) {
	e.Top, e.Label = top, e.Labels[top]
	switch {
	case e.Confidence == nil:
	case e.Method == methodMaxProb:
		e.Confidence = ptr(e.Probs[top])
	default:
		e.Confidence = ptr(0)
	}
}

// FromProbabilities makes Evidence of class probabilities that sum to 1, in the order of labels. It keeps both slices. A method
// that reads something else than probabilities leaves it without a confidence.
func FromProbabilities(stage string, probs []float64, labels []string, method candorv1.ConfidenceMethod) Evidence {
	var ev Evidence
	ev.ofProbabilities(stage, probs, labels, method)
	return ev
}

// ofProbabilities makes it what FromProbabilities makes.
func (e *Evidence) ofProbabilities(stage string, probs []float64, labels []string, method candorv1.ConfidenceMethod) {
	top, second := topTwo(probs)
	h := NormalizedEntropy(probs)
	*e = Evidence{
		Stage: stage, Kind: candorv1.ScoreKind_SCORE_KIND_PROBABILITY, Scores: probs, Probs: probs, Labels: labels, Top: top, Label: labels[top],
		Method: method, Uncertainty: h, UncertaintyKind: candorv1.UncertaintyKind_UNCERTAINTY_KIND_ENTROPY,
	}
	switch method {
	case methodMaxProb:
		e.Confidence = &probs[top]
	case methodMargin:
		e.Confidence = ptr(probs[top] - second)
	case methodEntropy:
		e.Confidence = ptr(1 - h)
	}
}

// misfit says what classification scores can't be, whatever their kind; empty: nothing.
func misfit(s *Scores) string {
	want := len(s.Labels)
	if len(s.Values) == 0 || want < 2 || len(s.Values) != want && !(len(s.Values) == 1 && want == 2) {
		return fmt.Sprintf("%d scores for %d labels", len(s.Values), want)
	}
	for i, v := range s.Values {
		if math.IsNaN(v) {
			return fmt.Sprintf("score %d is NaN", i)
		}
		// ln 0 is a lawful log-probability.
		if math.IsInf(v, 0) && !(s.Kind == candorv1.ScoreKind_SCORE_KIND_LOG_PROB && math.IsInf(v, -1)) {
			return fmt.Sprintf("score %d is infinite", i)
		}
	}
	return ""
}

// probabilities converts scores that have passed misfit; problem is not empty when they can't be what the card says.
func probabilities(s *Scores) (probs []float64, problem string) {
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
		return ofTwo(Sigmoid(s.Values[0])), ""
	case candorv1.ScoreKind_SCORE_KIND_LOGIT:
		if len(s.Values) == 1 {
			return ofTwo(Sigmoid(s.Values[0])), ""
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
		return ofTwo(math.Min(values[0], 1)), ""
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

// ofTwo are the probabilities of two labels by that of the second.
func ofTwo(p float64) []float64 { return []float64{1 - p, p} }

func ptr(v float64) *float64 { return &v }
