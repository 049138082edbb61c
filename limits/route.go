package limits

import candorv1 "github.com/candor-gateway/candor/gen/candor/v1"

// Route answers where a row goes whose answer a limit withheld: to review, or, when the limit says so or the policy has no
// review queue (hasReview), nowhere. It is never less cautious than current, the route that the row had; the order is
// ACCEPT, FALLBACK, DEFER, REJECT. A value that isn't known here counts as the most cautious one.
func Route(o candorv1.OnTrip, current candorv1.Route, hasReview bool) candorv1.Route {
	to := candorv1.Route_ROUTE_REJECT
	switch o {
	case candorv1.OnTrip_ON_TRIP_UNSPECIFIED, candorv1.OnTrip_ON_TRIP_REVIEW:
		if hasReview {
			to = candorv1.Route_ROUTE_DEFER
		}
	}
	if current < candorv1.Route_ROUTE_UNSPECIFIED {
		return candorv1.Route_ROUTE_REJECT
	}
	return min(max(to, current), candorv1.Route_ROUTE_REJECT)
}
