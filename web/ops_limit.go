package web

import (
	"net/http"
	"strings"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// stopForm stands for the form of stops where limits have their names.
const stopForm = "stop"

// stopEntered is what a person has entered to stop something.
type stopEntered struct{ Kind, Name, Reason string }

func stopEnteredOf(r *http.Request) stopEntered {
	return stopEntered{
		Kind: r.PostFormValue("kind"), Name: strings.TrimSpace(r.PostFormValue("name")), Reason: strings.TrimSpace(r.PostFormValue("reason")),
	}
}

// stopAction withholds an action or a model.
func (s *Server) stopAction(w http.ResponseWriter, r *http.Request, v *visit) error {
	e := stopEnteredOf(r)
	if r.PostFormValue("sure") != "on" {
		return s.showLimits(w, r, v, stopForm, badForm("The stop is not confirmed", "Tick that all of its answers are withheld, then stop it."))
	}
	in := &candorv1.StopActionRequest{Reason: e.Reason, RequestId: requestID(r)}
	switch e.Kind {
	case "model":
		in.Model = e.Name
	default:
		in.Action = e.Name
	}
	ctx, cancel := s.call(r, v)
	defer cancel()
	resp, err := s.ops.limits.StopAction(ctx, in)
	if err != nil {
		return s.showLimits(w, r, v, stopForm, err)
	}
	toLimits(w, r, idOf(resp.GetLimit().GetName()), "stop")
	return nil
}

// confirmReset is the second person's part. The form names the reset that the page showed.
func (s *Server) confirmReset(w http.ResponseWriter, r *http.Request, v *visit) error {
	name := limitName(r)
	if r.PostFormValue("sure") != "on" {
		return s.showLimits(w, r, v, name, badForm("The reset is not confirmed", "Tick that answers may go out again, then confirm."))
	}
	ctx, cancel := s.call(r, v)
	defer cancel()
	_, err := s.ops.limits.ConfirmLimitReset(ctx, &candorv1.ConfirmLimitResetRequest{
		Name: "limits/" + name, ResetRequestId: r.PostFormValue("asked"), RequestId: requestID(r),
	})
	if err != nil {
		return s.showLimits(w, r, v, name, err)
	}
	toLimits(w, r, name, "reset")
	return nil
}

// ackLimit says that the person looks after a trip.
func (s *Server) ackLimit(w http.ResponseWriter, r *http.Request, v *visit) error {
	name := limitName(r)
	ctx, cancel := s.call(r, v)
	defer cancel()
	_, err := s.ops.limits.AcknowledgeLimit(ctx, &candorv1.AcknowledgeLimitRequest{
		Name: "limits/" + name, Note: strings.TrimSpace(r.PostFormValue("note")), RequestId: requestID(r),
	})
	if err != nil {
		return s.showLimits(w, r, v, name, err)
	}
	toLimits(w, r, name, "ack")
	return nil
}

// eventRow is an entry of a limit's history.
type eventRow struct {
	*candorv1.LimitHistory
	At time.Time
	// ProbationEnd is zero when none began.
	ProbationEnd time.Time
	What         string
	// Numbers of a trip; empty: it is none.
	Numbers string
}

// eventWords of what happens to limits.
var eventWords = map[candorv1.LimitEvent]string{
	candorv1.LimitEvent_LIMIT_EVENT_TRIPPED: "tripped", candorv1.LimitEvent_LIMIT_EVENT_DRY_RUN: "would have tripped", candorv1.LimitEvent_LIMIT_EVENT_RESET: "reset",
	candorv1.LimitEvent_LIMIT_EVENT_RESET_ASKED: "reset asked for", candorv1.LimitEvent_LIMIT_EVENT_STOPPED: "stopped", candorv1.LimitEvent_LIMIT_EVENT_ACKNOWLEDGED: "looked after",
}

// alertRow is a message about the trip that holds.
type alertRow struct {
	*candorv1.LimitAlert
	At time.Time
	// Since is when it began to wait, and Next when it is tried again; zero: it doesn't, it isn't.
	Since, Next time.Time
}

type limitPage struct {
	Tabs   []opsTab
	Limit  limitRow
	Alerts []alertRow
	Events []eventRow
	// Next is the token of older entries; empty: these are all.
	Next string
}

// limitHistory is the page of one limit.
func (s *Server) limitHistory(w http.ResponseWriter, r *http.Request, v *visit) error {
	const pageSize = 50
	ctx, cancel := s.call(r, v)
	defer cancel()
	name := "limits/" + limitName(r)
	got, err := s.ops.limits.GetLimit(ctx, &candorv1.GetLimitRequest{Name: name})
	if err != nil {
		return err
	}
	history, err := s.ops.limits.ListLimitEvents(ctx, &candorv1.ListLimitEventsRequest{Name: name, PageSize: pageSize, PageToken: r.URL.Query().Get("after")})
	if err != nil {
		return err
	}
	p := limitPage{Tabs: tabsOf("/ops/limits"), Limit: limitRowOf(got.GetLimit(), v.Person.Name), Next: history.GetNextPageToken()}
	for _, a := range got.GetLimit().GetAlerts() {
		p.Alerts = append(p.Alerts, alertRow{a, timeOf(a.GetDeliverTime()), timeOf(a.GetWaitTime()), timeOf(a.GetNextAttemptTime())})
	}
	for _, e := range history.GetEvents() {
		p.Events = append(p.Events, eventRow{e, timeOf(e.GetTime()), timeOf(e.GetProbationEndTime()), eventWords[e.GetEvent()], tripWords(e)})
	}
	return s.render(w, r, v, view{Template: "ops-limit", Title: p.Limit.Short, Section: opsSection, Data: p})
}
