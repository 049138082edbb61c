package router

import (
	"fmt"
	"math"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// scoreRanked makes Evidence of scores that order labels and are no probabilities: distances and margins. They have passed misfit.
//
// One distance per label: the nearest label is the answer, and how far it is makes the confidence. One distance alone is that of a
// match, the second of the two labels: the answer is always the match, since the number has no point of its own at which it would
// turn into "no match"; from how far on it isn't taken is the threshold's business. A confident "no match" wants a calibrator.
//
// One margin: its sign decides, 0 being the first label. One margin per label: the largest decides, and the boundary is where the
// second largest would draw level, so that the margin is the difference of the two (Crammer & Singer 2001).
func scoreRanked(s *Scores) Evidence {
	distance := s.Kind == candorv1.ScoreKind_SCORE_KIND_DISTANCE
	if distance {
		for i, d := range s.Values {
			if d < 0 {
				return Failed(s.Stage, candorv1.Reason_REASON_CONTRACT_FAILURE, fmt.Sprintf("distance %d is %.6g, below 0", i, d))
			}
		}
	}
	if s.Calibrator != nil && s.Method != methodDistance && s.Method != methodBoundary {
		var ev Evidence
		if ev.calibrated(s, ranks(s)) {
			return ev
		}
	}
	ev := Evidence{Stage: s.Stage, Kind: s.Kind, Scores: s.Values, Labels: s.Labels, Method: s.Method}
	var nearest, margin float64
	switch {
	case distance && len(s.Values) == 1:
		ev.Top, nearest = 1, s.Values[0]
	case distance:
		for i, d := range s.Values {
			if d < s.Values[ev.Top] {
				ev.Top = i
			}
		}
		nearest = s.Values[ev.Top]
	case len(s.Values) == 1:
		margin = math.Abs(s.Values[0])
		if s.Values[0] > 0 {
			ev.Top = 1
		}
	default:
		ev.Top, margin = lead(s.Values)
	}
	ev.Label = s.Labels[ev.Top]
	switch {
	case distance && s.Method == methodDistance && s.Scale.Distance > 0:
		ev.Confidence = ptr(DistanceConfidence(nearest, s.Scale.Distance))
	case !distance && s.Method == methodBoundary:
		ev.Confidence = ptr(BoundaryConfidence(margin))
	}
	return ev
}

// ranks are the numbers that stand for probabilities towards a calibrator; Score says why these.
func ranks(s *Scores) []float64 {
	distance := s.Kind == candorv1.ScoreKind_SCORE_KIND_DISTANCE
	switch {
	case distance && len(s.Values) == 1:
		return ofTwo(math.Exp(-s.Values[0]))
	case distance:
		near := make([]float64, len(s.Values))
		for i, d := range s.Values {
			near[i] = -d
		}
		return Softmax(near)
	case len(s.Values) == 1:
		return ofTwo(Sigmoid(s.Values[0]))
	}
	return Softmax(s.Values)
}

// lead answers the index of the largest of finite values (the first of equals), two at least, and by how much it leads.
func lead(values []float64) (top int, by float64) {
	for i, v := range values {
		if v > values[top] {
			top = i
		}
	}
	second := math.Inf(-1)
	for i, v := range values {
		if i != top && v > second {
			second = v
		}
	}
	return top, values[top] - second
}
