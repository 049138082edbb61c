package router

import (
	"fmt"
	"math"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// scoreRegression makes the Evidence of one value with the interval that the model gave, or that its variance makes.
func scoreRegression(s *Scores) Evidence {
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
	var lo, hi float64
	switch {
	case s.Lower != nil && s.Upper != nil:
		lo, hi = *s.Lower, *s.Upper
		ev.Uncertainty, ev.UncertaintyKind = hi-lo, candorv1.UncertaintyKind_UNCERTAINTY_KIND_INTERVAL_WIDTH
	case s.Variance != nil:
		// Written so that NaN is refused too. A variance of 0 is a model's right to be sure.
		if !(*s.Variance >= 0) || math.IsInf(*s.Variance, 0) {
			return bad("the variance is %v; it is finite and at least 0", *s.Variance)
		}
		deviation := math.Sqrt(*s.Variance)
		half := deviations(s.Coverage) * deviation
		lo, hi = v-half, v+half
		ev.Uncertainty, ev.UncertaintyKind = deviation, candorv1.UncertaintyKind_UNCERTAINTY_KIND_STANDARD_DEVIATION
	default:
		return ev
	}
	switch width := hi - lo; {
	case math.IsNaN(lo) || math.IsNaN(hi) || math.IsInf(lo, 0) || math.IsInf(hi, 0):
		return bad("the interval [%v, %v] is not finite", lo, hi)
	case lo > hi:
		return bad("the interval's bounds cross: lower %.6g is above upper %.6g", lo, hi)
	case v < lo || v > hi:
		return bad("the value %.6g is outside of its own interval [%.6g, %.6g]", v, lo, hi)
	case math.IsInf(width, 0):
		return bad("the interval [%.6g, %.6g] is wider than any number", lo, hi)
	case s.Method == methodInterval && s.Scale.Interval > 0:
		ev.Confidence = ptr(WidthConfidence(width, s.Scale.Interval))
	}
	ev.Lower, ev.Upper = ptr(lo), ptr(hi)
	return ev
}

// deviations is how many standard deviations on either side of the mean hold this share of a normal distribution.
func deviations(coverage float64) float64 {
	if !(coverage > 0 && coverage < 1) {
		coverage = DefaultCoverage
	}
	return math.Sqrt2 * math.Erfinv(coverage)
}
