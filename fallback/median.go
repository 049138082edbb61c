package fallback

import (
	"slices"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/router"
)

// median is the median of the members' values, of an even number the middle of the two in the middle. Its interval is the medians
// of the lower and of the upper bounds, where every member that answered has one; since each value lies in its own interval, the
// median lies in that one.
//
// Uncertainty is the spread, largest minus smallest value. A missing member widens spread and interval by its share of the width
// that counts as knowing nothing (the policy's interval_scale; without one, the widest that was seen).
func (e *Ensemble) median(answers []answer) router.Evidence {
	var values, lowers, uppers []float64
	widest := 0.0
	for _, a := range answers {
		values = append(values, *a.Value)
		if a.Lower != nil && a.Upper != nil {
			lowers, uppers = append(lowers, *a.Lower), append(uppers, *a.Upper)
			widest = max(widest, *a.Upper-*a.Lower)
		}
	}
	v := middle(values)
	spread := values[len(values)-1] - values[0]
	if e.IntervalScale > 0 {
		widest = e.IntervalScale
	}
	widen := max(widest, spread) * float64(len(e.Members)-len(answers)) / float64(len(e.Members))
	ev := router.Evidence{
		Stage: e.Name, Kind: candorv1.ScoreKind_SCORE_KIND_REGRESSION, Scores: []float64{v}, Value: &v, Top: -1, Method: e.Method,
		Uncertainty: spread + widen, UncertaintyKind: candorv1.UncertaintyKind_UNCERTAINTY_KIND_SPREAD,
	}
	if len(lowers) == len(values) {
		lower, upper := middle(lowers)-widen/2, middle(uppers)+widen/2
		ev.Lower, ev.Upper = &lower, &upper
	}
	if e.IntervalScale <= 0 {
		return ev
	}
	switch e.Method {
	case candorv1.ConfidenceMethod_CONFIDENCE_METHOD_SPREAD:
		ev.Confidence = inUnit(1 - ev.Uncertainty/e.IntervalScale)
	case candorv1.ConfidenceMethod_CONFIDENCE_METHOD_INTERVAL_WIDTH:
		if ev.Lower != nil {
			ev.Confidence = inUnit(1 - (*ev.Upper-*ev.Lower)/e.IntervalScale)
		}
	}
	return ev
}

// middle sorts values, at least one, and answers their median.
func middle(values []float64) float64 {
	slices.Sort(values)
	n := len(values)
	// Halves first: the sum of two large values could overflow.
	return values[(n-1)/2]/2 + values[n/2]/2
}
