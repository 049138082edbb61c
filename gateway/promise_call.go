package gateway

import (
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/router"
)

// viewRows finds for every row what the certificates of its segment license. All rows of a call, and all of its stages, are decided
// under the same views.
func (g *Gateway) viewRows(c *call) {
	p := c.model.promise
	if p == nil {
		return
	}
	views := *p.views.Load()
	for i := range c.rows {
		c.rows[i].view = &views[0]
	}
	if len(views) > 1 {
		s := c.model.segments.of(g, c)
		for i := range c.rows {
			c.rows[i].segment = s
		}
		if s == "" {
			s = rest
		}
		for k := range views {
			if views[k].segment == s {
				for i := range c.rows {
					c.rows[i].view = &views[k]
				}
			}
		}
	}
	if c.model.alone != nil {
		return
	}
	// The model without its fallback.
	for i := range c.rows {
		v := *c.rows[i].view
		v.policy.Tiers = nil
		c.rows[i].view = &v
	}
}

// policy is the one that the row is decided by.
func (c *call) policy(r *row) *router.Policy {
	if r.view != nil {
		return &r.view.policy
	}
	return &c.model.policy
}

// mode is that of the call's rows: all are decided under views of one segment.
func (c *call) mode() candorv1.Mode {
	if len(c.rows) == 0 {
		return c.model.policy.Mode
	}
	return c.policy(&c.rows[0]).Mode
}

// sampling is the probability with which the row is chosen to be judged as evidence; 0: nothing is promised.
func (r *row) sampling() *float64 {
	p := r.q * r.share
	return &p
}

// license is that of the stage which had the last word on the row; nil: its threshold was typed by hand.
func (r *row) license() *license {
	if r.view == nil || r.tier >= len(r.view.licenses) {
		return nil
	}
	return r.view.licenses[r.tier]
}
