package gateway

import (
	"slices"

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
	large := c.requestRows > int(p.cfg.GetMaxRows())
	views := *p.views.Load()
	for k := range views {
		v := &views[k]
		if v.segment != named {
			continue
		}
		if large {
			w := v.unlicensed()
			v = &w
		}
		ofField[v.field] = v
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

// unlicensed is the view of a call that has more rows than the promise's units have. Certificates are not about it: to count its rows as
// what they are, every bet would have to be made as small as the largest call wants it, and to count fewer of them would let wrong
// answers hide in large calls. So they license nothing for it, and it is no evidence of them.
func (v view) unlicensed() view {
	v.policy.Tiers = slices.Clone(v.policy.Tiers)
	v.licenses = slices.Clone(v.licenses)
	for k, l := range v.licenses {
		if l == nil {
			continue
		}
		aside := *l
		aside.aside = true
		v.licenses[k] = &aside
		of := &v.policy.Primary
		if k > 0 {
			if k > len(v.policy.Tiers) {
				continue
			}
			of = &v.policy.Tiers[k-1]
		}
		if of.Threshold != nil {
			of.Threshold, of.Missing = nil, candorv1.Reason_REASON_UNCERTIFIED
		}
	}
	return v
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
	p := r.q
	return &p
}

// license is that of the stage which had the last word on the row; nil: its threshold was typed by hand.
func (r *row) license() *license {
	if r.view == nil || r.tier >= len(r.view.licenses) {
		return nil
	}
	return r.view.licenses[r.tier]
}
