package router

import candorv1 "github.com/candor-gateway/candor/gen/candor/v1"

// Decision is the machine's result for one row. The numbers that were compared stand in it.
type Decision struct {
	Route   candorv1.Route
	Reasons []candorv1.Reason
	// Confidence, in [0,1], of the Evidence decided on, and the Threshold of that pass, on the same scale; nil where there is
	// none. Both being there, they were compared.
	Confidence, Threshold *float64
}

// Decide routes a row on the primary's Evidence.
//
// ACCEPT wants usable evidence, a confidence, a threshold, and confidence >= threshold. Everything else goes to the least
// cautious route that exists: FALLBACK, then DEFER, then REJECT.
func Decide(p Policy, e Evidence) Decision {
	d := Decision{Confidence: e.Confidence, Threshold: p.Threshold}
	reasons, ok := licensed(e, p.Threshold)
	switch {
	case ok:
		d.Route, d.Reasons = candorv1.Route_ROUTE_ACCEPT, reasons
	case p.HasFallback:
		d.Route, d.Reasons = candorv1.Route_ROUTE_FALLBACK, reasons
	default:
		d.Route, d.Reasons = unanswered(p, reasons)
	}
	return d
}

// DecideFallback routes a row on the Evidence of the fallback. first is what Decide said. The second pass can't fall back:
// the row is released as FALLBACK, deferred or rejected, and the reasons of both passes are kept in order.
func DecideFallback(p Policy, first Decision, e Evidence) Decision {
	d := Decision{Confidence: e.Confidence, Threshold: p.FallbackThreshold}
	reasons, ok := licensed(e, p.FallbackThreshold)
	if ok {
		// "Confident" would read as if the primary had been.
		reasons = e.Notes
		d.Route = candorv1.Route_ROUTE_FALLBACK
		d.Reasons = merge(first.Reasons, reasons)
		return d
	}
	d.Route, d.Reasons = unanswered(p, merge(first.Reasons, reasons))
	return d
}

// licensed says whether an answer may be released on its own, and why or why not.
func licensed(e Evidence, threshold *float64) ([]candorv1.Reason, bool) {
	switch {
	case len(e.Faults) > 0:
		return merge(e.Faults, e.Notes), false
	case e.Unconditional:
		return e.Notes, true
	case e.Confidence == nil || threshold == nil:
		return merge([]candorv1.Reason{candorv1.Reason_REASON_NO_CONFIDENCE_SIGNAL}, e.Notes), false
	// Written so that a NaN, should one ever get here, is not accepted.
	case !(*e.Confidence >= *threshold):
		return merge([]candorv1.Reason{candorv1.Reason_REASON_LOW_CONFIDENCE}, e.Notes), false
	case len(e.Notes) == 0:
		return confident, true
	}
	return merge(confident, e.Notes), true
}

// confident is why most rows are accepted; nobody changes it, as nobody changes any Decision's reasons.
var confident = []candorv1.Reason{candorv1.Reason_REASON_CONFIDENT}

// unanswered is the route of a row that no machine may answer.
func unanswered(p Policy, reasons []candorv1.Reason) (candorv1.Route, []candorv1.Reason) {
	if p.HasReview {
		return candorv1.Route_ROUTE_DEFER, reasons
	}
	return candorv1.Route_ROUTE_REJECT, merge(reasons, []candorv1.Reason{candorv1.Reason_REASON_NO_REVIEW})
}

// Caution answers the more cautious of two routes; ROUTE_UNSPECIFIED counts as the most cautious, since nobody decided it.
func Caution(a, b candorv1.Route) candorv1.Route {
	if caution(a) >= caution(b) {
		return a
	}
	return b
}

func caution(r candorv1.Route) int {
	if r == candorv1.Route_ROUTE_UNSPECIFIED {
		return int(candorv1.Route_ROUTE_REJECT) + 1
	}
	return int(r)
}

// merge appends what of b is not yet in a, in a new slice.
func merge(a, b []candorv1.Reason) []candorv1.Reason {
	out := make([]candorv1.Reason, 0, len(a)+len(b))
	for _, list := range [2][]candorv1.Reason{a, b} {
	next:
		for _, r := range list {
			for _, have := range out {
				if have == r {
					continue next
				}
			}
			out = append(out, r)
		}
	}
	return out
}
