package audit

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// maxGroupBy is how many keys a summary may group by.
const maxGroupBy = 4

// Counter sums kinds of decisions up into the groups of a query. Not safe for concurrent use.
type Counter struct {
	q      Query
	groups map[string]*Group
	sum    Summary
}

// NewCounter checks the query. Errors name its field and the remedy.
func NewCounter(q Query) (*Counter, error) {
	switch {
	case q.Until.Sub(q.Since) <= 0:
		return nil, fmt.Errorf("until is not after since: give a span of time")
	case len(q.By) > maxGroupBy:
		return nil, fmt.Errorf("by has %d keys: give at most %d", len(q.By), maxGroupBy)
	}
	for _, by := range q.By {
		if _, known := candorv1.GroupBy_name[int32(by)]; !known || by == candorv1.GroupBy_GROUP_BY_UNSPECIFIED {
			return nil, fmt.Errorf("by: can't group by %v", by)
		}
	}
	return &Counter{q: q, groups: map[string]*Group{}}, nil
}

// Before is when the span of equal length before the query's begins.
func (c *Counter) Before() time.Time { return c.q.Since.Add(-c.q.Until.Sub(c.q.Since)) }

// Add counts rows of a kind: count in the query's span, before in the one before it. example is a prediction in the span; empty:
// none.
func (c *Counter) Add(k Kind, count, before int64, example string) {
	if count == 0 && before == 0 {
		return
	}
	c.sum.Total += count
	c.sum.TotalBefore += before
	for _, keys := range c.keysOf(k) {
		name := strings.Join(keys, "\x00")
		g := c.groups[name]
		if g == nil {
			g = &Group{Keys: keys}
			c.groups[name] = g
		}
		g.Count += count
		g.CountBefore += before
		if g.Example == "" {
			g.Example = example
		}
	}
}

// keysOf answers the groups that a kind belongs to: one, or one for each of its reasons.
func (c *Counter) keysOf(k Kind) [][]string {
	sets := [][]string{nil}
	for _, by := range c.q.By {
		values := keyValues(by, k)
		grown := make([][]string, 0, len(sets)*len(values))
		for _, set := range sets {
			for _, v := range values {
				grown = append(grown, append(slices.Clone(set), v))
			}
		}
		sets = grown
	}
	return sets
}

func keyValues(by candorv1.GroupBy, k Kind) []string {
	switch by {
	case candorv1.GroupBy_GROUP_BY_REASON:
		reasons := ReasonsOf(k.Reasons)
		if len(reasons) == 0 {
			reasons = []candorv1.Reason{candorv1.Reason_REASON_UNSPECIFIED}
		}
		out := make([]string, len(reasons))
		for i, r := range reasons {
			out[i] = strings.TrimPrefix(r.String(), "REASON_")
		}
		return out
	case candorv1.GroupBy_GROUP_BY_VERSION:
		return []string{k.Version}
	case candorv1.GroupBy_GROUP_BY_MODEL:
		return []string{k.Model}
	case candorv1.GroupBy_GROUP_BY_CONSUMER:
		return []string{k.Consumer}
	case candorv1.GroupBy_GROUP_BY_ROUTE:
		return []string{strings.TrimPrefix(k.Route.String(), "ROUTE_")}
	case candorv1.GroupBy_GROUP_BY_ACTION:
		return []string{k.Action}
	default:
		return []string{k.Stage}
	}
}

// Summary answers what was counted; groups come largest first.
func (c *Counter) Summary() Summary {
	out := c.sum
	for _, g := range c.groups {
		out.Groups = append(out.Groups, *g)
	}
	slices.SortFunc(out.Groups, func(a, b Group) int {
		return cmp.Or(-cmp.Compare(a.Count, b.Count), -cmp.Compare(a.CountBefore, b.CountBefore), slices.Compare(a.Keys, b.Keys))
	})
	return out
}
