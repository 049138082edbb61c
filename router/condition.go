package router

import candorv1 "github.com/candor-gateway/candor/gen/candor/v1"

// Condition is a rule of a policy that may make a row's route more cautious, never less.
type Condition struct {
	Name string
	// Route that the row has at least where the condition holds: FALLBACK, DEFER or REJECT. Any other counts as REJECT.
	Route candorv1.Route
	// OfCall says that Holds doesn't look at the Evidence. Such a condition with the route FALLBACK is about the primary: an answer
	// of any tier is what it asks for. One that looks is about every stage whose answer it is shown.
	OfCall bool
	// Holds looks at the Evidence of the stage that was just decided on, and at what the caller of Apply knows of the call. It must
	// be a function of these alone. An error counts as holding.
	Holds func(e *Evidence, call any) (bool, error)
}

// Apply raises a Decision, fresh from Decide or DecideTier with this Evidence, by the policy's conditions. call is handed to them.
//
// A condition that can't be computed counts as one that holds, except on Evidence with Faults: there is no answer to be careful
// with then, and the next stage's is held against the conditions again.
func Apply(p Policy, d Decision, e *Evidence, call any) Decision {
	for i := range p.Conditions {
		c := &p.Conditions[i]
		if !c.raises(d) {
			continue
		}
		if holds, err := c.Holds(e, call); holds || err != nil && len(e.Faults) == 0 {
			d = c.raise(p, d)
		}
	}
	return d
}

// raises says that the condition, should it hold, would make the Decision more cautious.
func (c *Condition) raises(d Decision) bool {
	if c.Route == candorv1.Route_ROUTE_FALLBACK {
		released := d.Route == candorv1.Route_ROUTE_FALLBACK && d.Ask == NoTier
		return d.Route == candorv1.Route_ROUTE_ACCEPT || released && !c.OfCall
	}
	return caution(c.to()) > caution(d.Route)
}

// to is the route that the condition asks for.
func (c *Condition) to() candorv1.Route {
	switch c.Route {
	case candorv1.Route_ROUTE_FALLBACK, candorv1.Route_ROUTE_DEFER:
		return c.Route
	}
	return candorv1.Route_ROUTE_REJECT
}

func (c *Condition) raise(p Policy, d Decision) Decision {
	d.Condition = c.Name
	d.Reasons = merge(d.Reasons, []candorv1.Reason{candorv1.Reason_REASON_CONDITION})
	d.Ask = NoTier
	switch {
	case c.to() == candorv1.Route_ROUTE_REJECT:
		d.Route = candorv1.Route_ROUTE_REJECT
	case c.to() == candorv1.Route_ROUTE_FALLBACK && d.asked < len(p.Tiers):
		d.Route, d.Ask = candorv1.Route_ROUTE_FALLBACK, d.asked
	default:
		d.Route, d.Reasons = unanswered(&p, d.Reasons)
	}
	return d
}
