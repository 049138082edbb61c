package web

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// countTimeout bounds what a page waits for counts of decisions; it is shown without them where they take longer.
const countTimeout = 5 * time.Second

// reasonRow is how often a reason was given.
type reasonRow struct {
	Name         string
	Count        int64
	Before       int64
	Share        float64
	PredictionID string
}

type modelPage struct {
	Tabs      []opsTab
	Name      string
	Routes    routeShares
	Reasons   []reasonRow
	Rows      int64
	Monitors  []monitorRow
	Compared  []histogram
	Uncounted bool
}

func (s *Server) model(w http.ResponseWriter, r *http.Request, v *visit) error {
	name := r.PathValue("name")
	ctx, cancel := s.call(r, v)
	defer cancel()
	monitors, err := s.ops.explain.ListMonitors(ctx, &candorv1.ListMonitorsRequest{Model: name})
	if err != nil {
		return err
	}
	p := modelPage{Tabs: tabsOf(""), Name: name, Monitors: monitorRows(monitors.GetMonitors())}
	for _, m := range monitors.GetMonitors() {
		if m.GetKind() == candorv1.MonitorKind_MONITOR_KIND_PSI && len(m.GetReferenceBins()) > 0 {
			p.Compared = append(p.Compared, histogramOf(m, len(p.Compared)))
		}
	}
	counts, err := s.routesByHour(ctx, v.Now, name)
	p.Uncounted = err != nil
	p.Routes = sharesOf(counts[name], v)
	p.Routes.ID = "routes"
	if !p.Uncounted {
		p.Reasons, p.Rows, err = s.reasons(ctx, v.Now, name)
		p.Uncounted = err != nil
	}
	return s.render(w, r, v, view{Template: "ops-model", Title: "Model " + plain(name), Section: opsSection, Data: p})
}

// reasons of a model's decisions in the last day, the most frequent first, and how many rows they are of. A row can have several.
func (s *Server) reasons(ctx context.Context, now time.Time, model string) ([]reasonRow, int64, error) {
	ctx, cancel := context.WithTimeout(ctx, countTimeout)
	defer cancel()
	resp, err := s.ops.explain.SummarizeDecisions(ctx, daySummary(now, model))
	if err != nil {
		return nil, 0, err
	}
	var out []reasonRow
	for _, g := range resp.GetGroups() {
		if g.GetCount() == 0 && g.GetCountBefore() == 0 || len(g.GetKeys()) == 0 {
			continue
		}
		row := reasonRow{Name: reasonText(g.GetKeys()[0]), Count: g.GetCount(), Before: g.GetCountBefore(), PredictionID: g.GetExamplePredictionId()}
		if resp.GetTotal() > 0 {
			row.Share = float64(row.Count) / float64(resp.GetTotal())
		}
		out = append(out, row)
	}
	slices.SortStableFunc(out, func(a, b reasonRow) int { return cmp.Compare(b.Count, a.Count) })
	return out, resp.GetTotal(), nil
}
