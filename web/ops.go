package web

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"time"

	"google.golang.org/grpc"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// opsRoles are those who may look at how the gateway does.
var opsRoles = []candorv1.Role{
	candorv1.Role_ROLE_OPERATOR, candorv1.Role_ROLE_AUDITOR, candorv1.Role_ROLE_SENIOR, candorv1.Role_ROLE_ADMIN,
}

// opsSection is the navigation's entry of the pages of operation.
const opsSection = "/ops"

// operations are the services that the pages of operation ask.
type operations struct {
	explain      candorv1.ExplainServiceClient
	certificates candorv1.CertificateServiceClient
	limits       candorv1.LimitServiceClient
}

func operationsOf(conn grpc.ClientConnInterface) operations {
	return operations{candorv1.NewExplainServiceClient(conn), candorv1.NewCertificateServiceClient(conn), candorv1.NewLimitServiceClient(conn)}
}

func (s *Server) handleOps(pages *http.ServeMux) {
	for path, h := range map[string]handler{
		"GET /ops": s.models, "GET " + backendsPath: s.backends, "GET /ops/models/{name}": s.model, "GET /ops/certificates": s.certificates, "GET /ops/limits": s.limits,
		"GET /ops/people-at-work": s.peopleAtWork, "POST /ops/limits/{name}/reset": s.resetLimit,
		"GET /ops/limits/{name}": s.limitHistory, "POST /ops/limits/{name}/confirm": s.confirmReset, "POST /ops/limits/{name}/ack": s.ackLimit,
		"GET /ops/limits/{name}/keys/{key}": s.limitHistory, "POST /ops/limits/{name}/keys/{key}/reset": s.resetLimit,
		"POST /ops/limits/{name}/keys/{key}/confirm": s.confirmReset, "POST /ops/limits/{name}/keys/{key}/ack": s.ackLimit,
		"POST /ops/stop": s.stopAction,
	} {
		pages.Handle(path, s.page(forOps(h)))
	}
}

// forOps lets those with one of opsRoles through. The services decide, too, with rules of their own: a reviewer may ask them for
// some of this, and has no use for the pages.
func forOps(h handler) handler {
	return func(w http.ResponseWriter, r *http.Request, v *visit) error {
		if !slices.ContainsFunc(opsRoles, v.Person.Has) {
			return &fault{
				Status: http.StatusForbidden, Title: "You may not see these pages",
				Remedy: "Ask whoever administers people for the role operator, auditor or senior.",
			}
		}
		return h(w, r, v)
	}
}

// opsTab is a link between the pages of operation.
type opsTab struct {
	Href, Text string
	Current    bool
}

func tabsOf(current string) []opsTab {
	tabs := []opsTab{
		{Href: opsSection, Text: "Models"}, {Href: backendsPath, Text: "Backends"}, {Href: "/ops/certificates", Text: "Certificates"}, {Href: "/ops/limits", Text: "Limits"},
		{Href: "/ops/people-at-work", Text: "People at work"},
	}
	for i := range tabs {
		tabs[i].Current = tabs[i].Href == current
	}
	return tabs
}

// backendRow is a model server as the table shows it.
type backendRow struct {
	*candorv1.BackendStatus
	// Age since the version was trained.
	Age time.Duration
	Old bool
}

// oldAge is where a model is marked as old. Nothing hangs on the mark: what is watched says whether age has done harm.
const oldAge = 180 * 24 * time.Hour

// monitorRow is something that is watched and only warned of.
type monitorRow struct {
	*candorv1.MonitorStatus
	Warns, Unknown bool
}

// modelRow is a model: where its rows went, and how many of its monitors warn.
type modelRow struct {
	Name    string
	Routes  routeShares
	Watched int
	Warning int
}

type modelsPage struct {
	Tabs     []opsTab
	Backends []backendRow
	Monitors []monitorRow
	Models   []modelRow
	// Uncounted: the decisions of the last day could not be counted in time.
	Uncounted bool
}

// models is the first page of operation. With the parameter now it leaves out what takes counting: the live part doesn't show it.
func (s *Server) models(w http.ResponseWriter, r *http.Request, v *visit) error {
	ctx, cancel := s.call(r, v)
	defer cancel()
	backends, err := s.ops.explain.ListBackends(ctx, &candorv1.ListBackendsRequest{})
	if err != nil {
		return err
	}
	monitors, err := s.ops.explain.ListMonitors(ctx, &candorv1.ListMonitorsRequest{})
	if err != nil {
		return err
	}
	p := modelsPage{Tabs: tabsOf(opsSection), Monitors: monitorRows(monitors.GetMonitors())}
	for _, b := range backends.GetBackends() {
		row := backendRow{BackendStatus: b, Age: v.Now.Sub(b.GetCreateTime().AsTime())}
		row.Old = row.Age > oldAge
		p.Backends = append(p.Backends, row)
	}
	if r.URL.Query().Has("now") {
		return s.render(w, r, v, view{Template: "ops", Title: "Models", Section: opsSection, Data: p})
	}
	counts, err := s.routesByHour(ctx, v.Now, "")
	p.Uncounted = err != nil
	p.Models = modelRows(counts, p.Monitors, v)
	return s.render(w, r, v, view{Template: "ops", Title: "Models", Section: opsSection, Data: p})
}

// monitorRows has those that warn first, and otherwise the order in which they came.
func monitorRows(all []*candorv1.MonitorStatus) []monitorRow {
	var out []monitorRow
	for _, m := range all {
		out = append(out, monitorRow{
			MonitorStatus: m, Warns: m.GetState() == candorv1.MonitorState_MONITOR_STATE_WARNING,
			Unknown: m.GetState() == candorv1.MonitorState_MONITOR_STATE_INSUFFICIENT_DATA,
		})
	}
	rank := func(m monitorRow) int {
		switch {
		case m.Warns:
			return 0
		case m.Unknown:
			return 2
		}
		return 1
	}
	slices.SortStableFunc(out, func(a, b monitorRow) int { return cmp.Compare(rank(a), rank(b)) })
	return out
}

// modelRows has the models that decided something or are watched, by name.
func modelRows(counts map[string]*hours, monitors []monitorRow, v *visit) []modelRow {
	rows := map[string]*modelRow{}
	of := func(name string) *modelRow {
		if rows[name] == nil {
			rows[name] = &modelRow{Name: name}
		}
		return rows[name]
	}
	for name := range counts {
		of(name)
	}
	for _, m := range monitors {
		row := of(m.GetModel())
		row.Watched++
		if m.Warns {
			row.Warning++
		}
	}
	var out []modelRow
	for name, row := range rows {
		row.Routes = sharesOf(counts[name], v)
		out = append(out, *row)
	}
	slices.SortFunc(out, func(a, b modelRow) int { return cmp.Compare(a.Name, b.Name) })
	for i := range out {
		out[i].Routes.ID = "routes-" + strconv.Itoa(i)
	}
	return out
}
