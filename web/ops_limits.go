package web

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// limitRow is a limit as the page shows it.
type limitRow struct {
	*candorv1.Limit
	Short string
	// Path of its pages behind /ops/limits/; Tag tells requests about it from those about others.
	Path, Tag string
	// Counts: it bounds something, Bounds what, in words. Of a ratio Share is the part that holds, and UsedShare what has been released.
	Counts           bool
	Bounds           string
	Share, UsedShare string
	Keys             []keyRow
	Window           time.Duration
	// Class of its bar, by how near it is to its bound.
	Class       string
	Trip, Reset time.Time
	// Probation and Room are zero when there is none, or it has room.
	Probation, Room time.Time
	// Asked is a reset that waits for a second person; Mine: who looks at the page asked for it.
	Asked       *candorv1.LimitResetRequest
	Mine        bool
	AskedExpire time.Time
	// Reason that was entered for a reset that failed.
	Reason string
}

// limitRowOf is a limit as one person sees it.
func limitRowOf(l *candorv1.Limit, person string) limitRow {
	asked := l.GetPendingReset()
	return limitRow{
		Limit: l, Short: idOf(l.GetName()), Path: limitPath(l.GetName()), Tag: limitTag(idOf(l.GetName())), Counts: counts(l), Bounds: boundWords(l), Share: percentage(l.GetMaxShare()), UsedShare: usedShare(l), Keys: keyRowsOf(l), Window: l.GetWindow().AsDuration(), Class: limitClass(l), Trip: timeOf(l.GetTripTime()), Reset: timeOf(l.GetLastResetTime()),
		Probation: timeOf(l.GetProbationEndTime()), Room: timeOf(l.GetRoomTime()), Asked: asked, Mine: asked != nil && asked.GetAskedBy() == person,
		AskedExpire: timeOf(asked.GetExpireTime()),
	}
}

// timeOf is the zero time where there is no stamp.
func timeOf(t *timestamppb.Timestamp) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.AsTime()
}

type limitsPage struct {
	Tabs   []opsTab
	Limits []limitRow
	// May reset: the person is an operator.
	May     bool
	Tripped int
	// Done is the limit that was just reset.
	Done string
	// Did says what was done to it.
	Did       string
	RequestID string
	// Stop is what was entered for a stop that failed.
	Stop    stopEntered
	Problem *problem
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
		Tabs: tabsOf("/ops/limits"), May: v.Person.Has(candorv1.Role_ROLE_OPERATOR), RequestID: newRequestID(),
		Done: r.URL.Query().Get("done"), Did: didTo[r.URL.Query().Get("did")],
	}
	status := http.StatusOK
	if failed != nil {
		one := s.problemOf(r, failed)
		p.Problem, status = &one, one.Status
		// A retry is the same reset.
		p.RequestID = strings.TrimSuffix(requestID(r), "-"+limitTag(refused))
		if refused == stopForm {
			p.Stop = stopEnteredOf(r)
		}
	}
	for _, l := range all {
		row := limitRowOf(l, v.Person.Name)
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
	return useClass(l.GetTripped() || l.GetKeys().GetTripped() > 0, l.GetUsed(), l.GetBound())
}

// useClass is the class of a bar, by how near it is to its bound.
func useClass(tripped bool, used, bound int64) string {
	const near = 0.8
	switch {
	case tripped:
		return "bad"
	case float64(used) >= near*float64(bound):
		return "warn"
	}
	return "fill"
}

// resetLimit releases a latch. The service asks for the role and records who did it and why; the page asks for a second thought.
func (s *Server) resetLimit(w http.ResponseWriter, r *http.Request, v *visit) error {
	name := limitName(r)
	if r.PostFormValue("sure") != "on" {
		return s.showLimits(w, r, v, name, badForm("The reset is not confirmed", "Tick that answers may go out again, then reset."))
	}
	ctx, cancel := s.call(r, v)
	defer cancel()
	resp, err := s.ops.limits.ResetLimit(ctx, &candorv1.ResetLimitRequest{
		Name: "limits/" + name, Reason: strings.TrimSpace(r.PostFormValue("reason")), RequestId: requestID(r),
	})
	if err != nil {
		return s.showLimits(w, r, v, name, err)
	}
	did := "reset"
	if resp.GetLimit().GetPendingReset() != nil {
		did = "asked"
	}
	toLimits(w, r, name, did)
	return nil
}

// didTo says what was done to a limit, by the word in the address.
var didTo = map[string]string{
	"reset": "is reset. Who did it and why is recorded.", "asked": "waits for another operator, who confirms the reset.",
	"ack": "is looked after by you: nobody else is told.", "stop": "is stopped, at every gateway within a second.",
}

func toLimits(w http.ResponseWriter, r *http.Request, name, did string) {
	http.Redirect(w, r, "/ops/limits?"+url.Values{"done": {name}, "did": {did}}.Encode(), http.StatusSeeOther)
}
