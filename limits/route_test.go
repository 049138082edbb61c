package limits

import (
	"testing"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

var routesByCaution = []candorv1.Route{
	candorv1.Route_ROUTE_UNSPECIFIED, candorv1.Route_ROUTE_ACCEPT, candorv1.Route_ROUTE_FALLBACK,
	candorv1.Route_ROUTE_DEFER, candorv1.Route_ROUTE_REJECT,
}

func TestRouteOfWithheldAnswer(t *testing.T) {
	const (
		review  = candorv1.OnTrip_ON_TRIP_REVIEW
		reject  = candorv1.OnTrip_ON_TRIP_REJECT
		deferTo = candorv1.Route_ROUTE_DEFER
		nowhere = candorv1.Route_ROUTE_REJECT
	)
	for _, c := range []struct {
		onTrip    candorv1.OnTrip
		current   candorv1.Route
		hasReview bool
		want      candorv1.Route
	}{
		{candorv1.OnTrip_ON_TRIP_UNSPECIFIED, candorv1.Route_ROUTE_ACCEPT, true, deferTo},
		{review, candorv1.Route_ROUTE_ACCEPT, true, deferTo},
		{review, candorv1.Route_ROUTE_FALLBACK, true, deferTo},
		{review, candorv1.Route_ROUTE_ACCEPT, false, nowhere},
		{review, candorv1.Route_ROUTE_DEFER, true, deferTo},
		{review, candorv1.Route_ROUTE_REJECT, true, nowhere},
		{reject, candorv1.Route_ROUTE_ACCEPT, true, nowhere},
		{candorv1.OnTrip(99), candorv1.Route_ROUTE_ACCEPT, true, nowhere},
	} {
		if got := Route(c.onTrip, c.current, c.hasReview); got != c.want {
			t.Errorf("Route(%v, %v, review %v) = %v, want %v", c.onTrip, c.current, c.hasReview, got, c.want)
		}
	}
}

// TestRouteIsMonotone: a limit never makes a route less cautious, nor turns the order of two routes round, whatever the
// numbers.
func TestRouteIsMonotone(t *testing.T) {
	for onTrip := candorv1.OnTrip(-2); onTrip < 6; onTrip++ {
		for _, hasReview := range []bool{false, true} {
			least := candorv1.Route_ROUTE_UNSPECIFIED
			for _, current := range routesByCaution {
				got := Route(onTrip, current, hasReview)
				if got < current {
					t.Errorf("Route(%v, %v, review %v) = %v: less cautious", onTrip, current, hasReview, got)
				}
				if got < candorv1.Route_ROUTE_DEFER {
					t.Errorf("Route(%v, %v, review %v) = %v: releases what was withheld", onTrip, current, hasReview, got)
				}
				if got < least {
					t.Errorf("Route(%v, %v, review %v) = %v, but a less cautious route went to %v", onTrip, current, hasReview, got, least)
				}
				least = got
			}
			for _, unknown := range []candorv1.Route{-7, 5, 1 << 20} {
				if got := Route(onTrip, unknown, hasReview); got != candorv1.Route_ROUTE_REJECT {
					t.Errorf("Route(%v, unknown %d, review %v) = %v, want REJECT", onTrip, unknown, hasReview, got)
				}
			}
		}
	}
}
