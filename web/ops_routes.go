package web

import (
	"context"
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

const (
	// hoursShown is the span of the pictures of routes: hours of the clock, the last of them not over yet.
	hoursShown = 24
	// routeKinds are those of Route.
	routeKinds = 4
)

// hours counts rows by hour, oldest first, and route.
type hours [hoursShown][routeKinds]int64

// routeNames are routes as keys of a summary have them and as the classes of the style sheet do, in the order of the bars from
// below: what a caller gets without a human first.
var routeNames = [routeKinds]struct{ key, class, text string }{
	{"ACCEPT", "accept", "accept"}, {"FALLBACK", "fallback", "fallback"}, {"DEFER", "defer", "defer"}, {"REJECT", "reject", "reject"},
}

// firstHour of those that a picture made now shows.
func firstHour(now time.Time) time.Time {
	return now.Truncate(time.Hour).Add(-(hoursShown - 1) * time.Hour)
}

// routesByHour counts the rows of the last day by model, hour and route; of every model where model is empty. A summary has its
// span and the one before it, so one call answers two hours.
func (s *Server) routesByHour(ctx context.Context, now time.Time, model string) (map[string]*hours, error) {
	ctx, cancel := context.WithTimeout(ctx, countTimeout)
	defer cancel()
	out := map[string]*hours{}
	first := firstHour(now)
	for hour := 1; hour < hoursShown; hour += 2 {
		since := first.Add(time.Duration(hour) * time.Hour)
		resp, err := s.ops.explain.SummarizeDecisions(ctx, &candorv1.SummarizeDecisionsRequest{
			Since: timestamppb.New(since), Until: timestamppb.New(since.Add(time.Hour)), Model: model,
			By: []candorv1.GroupBy{candorv1.GroupBy_GROUP_BY_MODEL, candorv1.GroupBy_GROUP_BY_ROUTE},
		})
		if err != nil {
			return nil, fmt.Errorf("web: count the decisions of %v: %w", since, err)
		}
		for _, g := range resp.GetGroups() {
			keys := g.GetKeys()
			if len(keys) != 2 {
				continue
			}
			for i, route := range routeNames {
				if route.key != keys[1] {
					continue
				}
				if out[keys[0]] == nil {
					out[keys[0]] = &hours{}
				}
				out[keys[0]][hour-1][i] += g.GetCountBefore()
				out[keys[0]][hour][i] += g.GetCount()
			}
		}
	}
	return out, nil
}

// daySummary asks for the reasons of the last day.
func daySummary(now time.Time, model string) *candorv1.SummarizeDecisionsRequest {
	return &candorv1.SummarizeDecisionsRequest{
		Since: timestamppb.New(firstHour(now)), Until: timestamppb.New(firstHour(now).Add(hoursShown * time.Hour)), Model: model,
		By: []candorv1.GroupBy{candorv1.GroupBy_GROUP_BY_REASON},
	}
}

// reasonText is a reason's key in words.
func reasonText(key string) string {
	if key == "UNSPECIFIED" || key == "" {
		return "none given"
	}
	return strings.ToLower(strings.ReplaceAll(key, "_", " "))
}

// routeShares is the picture of where rows went, hour by hour.
type routeShares struct {
	// ID is the page's own, for what describes the picture.
	ID     string
	Boxes  []box
	Ticks  []label
	Hours  []hourRow
	Legend []legendEntry
	Total  int64
	Width  int
}

type hourRow struct {
	Time   time.Time
	Clock  string
	Counts [routeKinds]int64
	Total  int64
}

type legendEntry struct {
	Class, Text string
	Count       int64
}

// The picture's own units; the page scales it.
const (
	hourWidth    = 24
	hourGap      = 2
	sharesHeight = 96
)

// sharesOf draws counts; nil: nothing was decided. The height of a bar's parts are shares of its hour, and an hour without rows
// has no bar.
func sharesOf(counts *hours, v *visit) routeShares {
	p := routeShares{Width: hoursShown * hourWidth}
	if counts == nil {
		counts = &hours{}
	}
	sums := [routeKinds]int64{}
	for i, hour := range counts {
		at := firstHour(v.Now).Add(time.Duration(i) * time.Hour).In(v.Zone)
		row := hourRow{Time: at, Clock: at.Format("15:04"), Counts: hour}
		for k, n := range hour {
			row.Total += n
			sums[k] += n
		}
		p.Hours = append(p.Hours, row)
		p.Total += row.Total
		const every = 4
		if i%every == 0 {
			p.Ticks = append(p.Ticks, label{X: float64(i * hourWidth), Y: sharesHeight + 16, Text: row.Clock})
		}
		bottom := float64(sharesHeight)
		for k, n := range hour {
			if n == 0 {
				continue
			}
			height := sharesHeight * float64(n) / float64(row.Total)
			bottom -= height
			p.Boxes = append(p.Boxes, box{
				X: float64(i * hourWidth), Y: max(bottom, 0), W: hourWidth - hourGap, H: height, Class: routeNames[k].class,
				Title: fmt.Sprintf("%s: %s %d of %d", row.Clock, routeNames[k].text, n, row.Total),
			})
		}
	}
	for k, n := range sums {
		p.Legend = append(p.Legend, legendEntry{routeNames[k].class, routeNames[k].text, n})
	}
	return p
}
