package gateway

import (
	"google.golang.org/grpc/codes"

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

// license is that of the stage which had the last word on the row; nil: its threshold was typed by hand.
func (r *row) license() *license {
	if r.view == nil || r.tier >= len(r.view.licenses) {
		return nil
	}
	return r.view.licenses[r.tier]
}

// refuseRows refuses a call with more rows than a unit of evidence may have.
func (m *model) refuseRows(rows int) error {
	if m.promise == nil || rows <= int(m.promise.cfg.GetMaxRows()) {
		return nil
	}
	most := int(m.promise.cfg.GetMaxRows())
	return errf(codes.InvalidArgument, candorv1.ErrorReason_ERROR_REASON_TOO_MANY_ROWS,
		"the call has %d rows; model %q promises an error rate on calls of at most %d, because a call is one unit of evidence: send "+
			"fewer, or ask for a larger models.%s.policy.accept.promise.max_rows", rows, m.name, most, m.name).
		with("model", m.name).with("rows", count(rows)).with("max_rows", count(most))
}
