package postgres

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/candor-gateway/candor/audit"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// maxGroupBy is how many keys a summary may group by.
const maxGroupBy = 4

// Summarize counts the rows of predictions made within the query's span and within the one before it. Groups come largest
// first. Queued records are committed first and counted.
func (s *Store) Summarize(ctx context.Context, q audit.Query) (audit.Summary, error) {
	const doing = "postgres: count decisions"
	span := q.Until.Sub(q.Since)
	switch {
	case span <= 0:
		return audit.Summary{}, fmt.Errorf("%s: until is not after since: give a span of time", doing)
	case len(q.By) > maxGroupBy:
		return audit.Summary{}, fmt.Errorf("%s: by has %d keys: give at most %d", doing, len(q.By), maxGroupBy)
	}
	for _, by := range q.By {
		if _, known := candorv1.GroupBy_name[int32(by)]; !known || by == candorv1.GroupBy_GROUP_BY_UNSPECIFIED {
			return audit.Summary{}, fmt.Errorf("%s: by: can't group by %v", doing, by)
		}
	}
	if err := s.flush(ctx); err != nil {
		return audit.Summary{}, fmt.Errorf("%s: %w", doing, err)
	}
	c := counter{by: q.By, groups: map[string]*audit.Group{}}
	// Each kind's decisions are a range in order of time: nothing is sorted, and kinds that don't match cost nothing.
	err := s.reader(ctx)(`
		SELECT model, consumer, action, route, version, stage, reasons,
			coalesce((SELECT sum(row_count) FROM decisions d WHERE d.kind = k.id AND d.time_us >= $2 AND d.time_us < $3), 0)::bigint,
			coalesce((SELECT sum(row_count) FROM decisions d WHERE d.kind = k.id AND d.time_us >= $1 AND d.time_us < $2), 0)::bigint,
			(SELECT prediction_id FROM decisions d WHERE d.kind = k.id AND d.time_us >= $2 AND d.time_us < $3
				ORDER BY d.time_us DESC LIMIT 1)
		FROM decision_kinds k
		WHERE ($4::text = '' OR model = $4) AND ($5::text = '' OR consumer = $5) AND ($6::text = '' OR action = $6) AND ($7::integer = 0 OR route = $7)`,
		[]any{
			q.Since.Add(-span).UnixMicro(), q.Since.UnixMicro(), q.Until.UnixMicro(), q.Model, q.Consumer, q.Action, int32(q.Route),
		}, c.add)
	if err != nil {
		return audit.Summary{}, fmt.Errorf("%s: %w", doing, err)
	}
	return c.summary(), nil
}

// counter sums kinds up into groups.
type counter struct {
	by            []candorv1.GroupBy
	groups        map[string]*audit.Group
	total, before int64
}

func (c *counter) add(row scanner) error {
	var k kindKey
	var route, count, before int64
	var example nullUUID
	if err := row.Scan(&k.model, &k.consumer, &k.action, &route, &k.version, &k.stage, &k.reasons, &count, &before, &example); err != nil {
		return err
	}
	if count == 0 && before == 0 {
		return nil
	}
	k.route = candorv1.Route(route)
	c.total += count
	c.before += before
	for _, keys := range c.keysOf(k) {
		name := strings.Join(keys, "\x00")
		g := c.groups[name]
		if g == nil {
			g = &audit.Group{Keys: keys}
			c.groups[name] = g
		}
		g.Count += count
		g.CountBefore += before
		if example.Valid && g.Example == "" {
			g.Example = uuid.UUID(example.Bytes).String()
		}
	}
	return nil
}

// keysOf answers the groups that a kind belongs to: one, or one for each of its reasons.
func (c *counter) keysOf(k kindKey) [][]string {
	sets := [][]string{nil}
	for _, by := range c.by {
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

func keyValues(by candorv1.GroupBy, k kindKey) []string {
	switch by {
	case candorv1.GroupBy_GROUP_BY_REASON:
		reasons := reasonsOf(k.reasons)
		if len(reasons) == 0 {
			reasons = []candorv1.Reason{candorv1.Reason_REASON_UNSPECIFIED}
		}
		out := make([]string, len(reasons))
		for i, r := range reasons {
			out[i] = strings.TrimPrefix(r.String(), "REASON_")
		}
		return out
	case candorv1.GroupBy_GROUP_BY_VERSION:
		return []string{k.version}
	case candorv1.GroupBy_GROUP_BY_MODEL:
		return []string{k.model}
	case candorv1.GroupBy_GROUP_BY_CONSUMER:
		return []string{k.consumer}
	case candorv1.GroupBy_GROUP_BY_ROUTE:
		return []string{strings.TrimPrefix(k.route.String(), "ROUTE_")}
	case candorv1.GroupBy_GROUP_BY_ACTION:
		return []string{k.action}
	default:
		return []string{k.stage}
	}
}

func (c *counter) summary() audit.Summary {
	out := audit.Summary{Total: c.total, TotalBefore: c.before}
	for _, g := range c.groups {
		out.Groups = append(out.Groups, *g)
	}
	slices.SortFunc(out.Groups, func(a, b audit.Group) int {
		return cmp.Or(-cmp.Compare(a.Count, b.Count), -cmp.Compare(a.CountBefore, b.CountBefore), slices.Compare(a.Keys, b.Keys))
	})
	return out
}
