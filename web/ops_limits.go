package web

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// limitRow is a limit as the page shows it.
type limitRow struct {
	*candorv1.Limit
	Short  string
	Window time.Duration
	// Class of its bar, by how near it is to its bound.
	Class       string
	Trip, Reset time.Time
	// Reason that was entered for a reset that failed.
	Reason string
}

type limitsPage struct {
	Tabs   []opsTab
	Limits []limitRow
	// May reset: the person is an operator.
	May     bool
	Tripped int
	// Done is the limit that was just reset.
	Done      string
	RequestID string
	Problem   *problem
}

func (s *Server) limits(w http.ResponseWriter, r *http.Request, v *visit) error {
	return s.showLimits(w, r, v, "", nil)
}

// allLimits reads every page of the list: there are as many as the configuration has.
func (s *Server) allLimits(ctx context.Context) ([]*candorv1.Limit, error) {
	var all []*candorv1.Limit
	const pages, pageSize = 10, 1000
	req := &candorv1.ListLimitsRequest{PageSize: pageSize}
	for range pages {
		resp, err := s.ops.limits.ListLimits(ctx, req)
		if err != nil {
			return nil, err
		}
		all = append(all, resp.GetLimits()...)
		if req.PageToken = resp.GetNextPageToken(); req.PageToken == "" {
			break
		}
	}
	return all, nil
}

// showLimits renders the page, with what went wrong with a reset of the limit refused.
func (s *Server) showLimits(w http.ResponseWriter, r *http.Request, v *visit, refused string, failed error) error {
	ctx, cancel := s.call(r, v)
	defer cancel()
	all, err := s.allLimits(ctx)
	if err != nil {
		return err
	}
	p := limitsPage{
		Tabs: tabsOf("/ops/limits"), May: v.Person.Has(candorv1.Role_ROLE_OPERATOR), RequestID: newRequestID(), Done: r.URL.Query().Get("done"),
	}
	status := http.StatusOK
	if failed != nil {
		one := s.problemOf(r, failed)
		p.Problem, status = &one, one.Status
		// A retry is the same reset.
		p.RequestID = strings.TrimSuffix(requestID(r), "-"+refused)
	}
	for _, l := range all {
		row := limitRow{Limit: l, Short: idOf(l.GetName()), Window: l.GetWindow().AsDuration(), Class: limitClass(l)}
		if l.TripTime != nil {
			row.Trip = l.GetTripTime().AsTime()
		}
		if l.LastResetTime != nil {
			row.Reset = l.GetLastResetTime().AsTime()
		}
		if l.GetTripped() {
			p.Tripped++
		}
		if failed != nil && row.Short == refused {
			row.Reason = r.PostFormValue("reason")
		}
		p.Limits = append(p.Limits, row)
	}
	return s.render(w, r, v, view{Template: "ops-limits", Title: "Limits", Section: opsSection, Status: status, Data: p})
}

func limitClass(l *candorv1.Limit) string {
	const near = 0.8
	switch {
	case l.GetTripped():
		return "bad"
	case float64(l.GetUsed()) >= near*float64(l.GetMaxCount()):
		return "warn"
	}
	return "fill"
}

// resetLimit releases a latch. The service asks for the role and records who did it and why; the page asks for a second thought.
func (s *Server) resetLimit(w http.ResponseWriter, r *http.Request, v *visit) error {
	name := r.PathValue("name")
	if r.PostFormValue("sure") != "on" {
		return s.showLimits(w, r, v, name, badForm("The reset is not confirmed", "Tick that answers may go out again, then reset."))
	}
	ctx, cancel := s.call(r, v)
	defer cancel()
	_, err := s.ops.limits.ResetLimit(ctx, &candorv1.ResetLimitRequest{
		Name: "limits/" + name, Reason: strings.TrimSpace(r.PostFormValue("reason")), RequestId: requestID(r),
	})
	if err != nil {
		return s.showLimits(w, r, v, name, err)
	}
	http.Redirect(w, r, "/ops/limits?"+url.Values{"done": {name}}.Encode(), http.StatusSeeOther)
	return nil
}
