package gateway

import (
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/router"
)

// viewRows finds for every row what the certificates of its segment license. All rows of a call, and all of its stages, are decided
// under the same views. A field that the promise doesn't cover has none.
func (g *Gateway) viewRows(c *call) {
	p := c.model.promise
	if p == nil {
		return
	}
	segment := c.model.segments.of(g, c)
	named := segment
	if named == "" && len(c.model.segments) > 0 {
		named = rest
	}
	var one [1]*view
	ofField := one[:]
	if c.model.several() {
		ofField = make([]*view, len(c.model.fields))
	}
	views := *p.views.Load()
	for k := range views {
		if v := &views[k]; v.segment == named {
			ofField[v.field] = v
		}
	}
	for i := range c.rows {
		r := &c.rows[i]
		r.segment, r.view = segment, ofField[r.field]
	}
	if c.model.alone != nil {
		return
	}
	// The model without its fallback.
	for i := range c.rows {
		if c.rows[i].view == nil {
			continue
		}
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
	if c.model.several() {
		return &c.fieldOf(r).policy
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
