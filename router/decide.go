package router

import candorv1 "github.com/candor-gateway/candor/gen/candor/v1"

// Decision is the machine's result for one row. The numbers that were compared stand in it.
type Decision struct {
	Route   candorv1.Route
	Reasons []candorv1.Reason
	// Confidence, in [0,1], of the Evidence decided on, and the Threshold of that pass, on the same scale; nil where there is
	// none. Both being there, they were compared.
	Confidence, Threshold *float64
	// RawConfidence is what Confidence would be without the calibrator, whose name@version stands beside it; nil: there is none.
	RawConfidence *float64
	Calibrator    string
	// Method made Confidence.
	Method candorv1.ConfidenceMethod
	// Ask is the tier that is to be asked next: the Route is FALLBACK, and not final. NoTier: the Decision is final.
	Ask int
	// Condition is the name of the one that raised Route to what it is; empty: none did.
	Condition string
	// asked is how many tiers have been asked.
	asked int
}

// NoTier is what Ask says of a Decision that needs no further answer.
const NoTier = -1

// Decide routes a row on the primary's Evidence.
//
// ACCEPT wants usable evidence, a confidence, a threshold, and confidence >= threshold. Everything else goes to the least
// cautious route that exists: FALLBACK, to be asked of tier 0, then DEFER, then REJECT.
func Decide(p Policy, e Evidence) Decision {
	d := compared(&e, &p.Primary)
	reasons, ok := p.Primary.covers(&e)
	switch {
	case ok:
		d.Route, d.Reasons = candorv1.Route_ROUTE_ACCEPT, reasons
	case len(p.Tiers) > 0:
		d.Route, d.Reasons, d.Ask = candorv1.Route_ROUTE_FALLBACK, reasons, 0
	default:
		d.Route, d.Reasons = unanswered(&p, reasons)
	}
	return d
}

// DecideTier routes a row on the Evidence of the tier that before said to ask. The row is released as FALLBACK, goes on to the
// next tier, is deferred or rejected; the reasons of all passes are kept in order.
func DecideTier(p Policy, before Decision, e Evidence) Decision {
	license := &p.Tiers[before.Ask]
	d := compared(&e, license)
	d.Condition, d.asked = before.Condition, before.Ask+1
	reasons, ok := license.covers(&e)
	if ok {
		// "Confident" would read as if the primary had been.
		d.Route, d.Reasons = candorv1.Route_ROUTE_FALLBACK, merge(before.Reasons, e.Notes)
		return d
	}
	reasons = merge(before.Reasons, reasons)
	if next := before.Ask + 1; next < len(p.Tiers) {
		d.Route, d.Reasons, d.Ask = candorv1.Route_ROUTE_FALLBACK, reasons, next
		return d
	}
	d.Route, d.Reasons = unanswered(&p, reasons)
	return d
}

// Covers says whether an answer may be released on its own.
func (l License) Covers(e Evidence) bool {
	_, ok := l.covers(&e)
	return ok
}

// compared is a Decision without a route.
func compared(e *Evidence, l *License) Decision {
	return Decision{
		Confidence: e.Confidence, Threshold: l.Threshold, RawConfidence: e.RawConfidence, Calibrator: e.Calibrator, Method: l.Method, Ask: NoTier,
	}
}

// covers says whether an answer may be released on its own, and why or why not.
func (l *License) covers(e *Evidence) ([]candorv1.Reason, bool) {
	switch {
	case len(e.Faults) > 0:
		return merge(e.Faults, e.Notes), false
	case e.Unconditional:
		return e.Notes, true
	case e.Confidence == nil:
		return merge([]candorv1.Reason{candorv1.Reason_REASON_NO_CONFIDENCE_SIGNAL}, e.Notes), false
	case l.Threshold == nil:
		missing := l.Missing
		if missing == candorv1.Reason_REASON_UNSPECIFIED {
			missing = candorv1.Reason_REASON_NO_CONFIDENCE_SIGNAL
		}
		return merge([]candorv1.Reason{missing}, e.Notes), false
	// Written so that a NaN, should one ever get here, is not accepted.
	case !(*e.Confidence >= *l.Threshold):
		return merge([]candorv1.Reason{candorv1.Reason_REASON_LOW_CONFIDENCE}, e.Notes), false
	case len(e.Notes) == 0:
		return confident, true
	}
	return merge(confident, e.Notes), true
}

// confident is why most rows are accepted; nobody changes it, as nobody changes any Decision's reasons.
var confident = []candorv1.Reason{candorv1.Reason_REASON_CONFIDENT}

// unanswered is the route of a row that no machine may answer.
func unanswered(p *Policy, reasons []candorv1.Reason) (candorv1.Route, []candorv1.Reason) {
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
