package web

import (
	"net/http"
	"strconv"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

const backendsPath = "/ops/backends"

// eventsShown of each backend; the command line lists more.
const eventsShown = 8

// backendCard is a backend with what is done about its faults.
type backendCard struct {
	*candorv1.BackendStatus
	// ID is the page's own, for what describes the card.
	ID string
	// Class of its limit's bar, by how near it is to being full.
	Class  string
	Events []backendEventRow
	// Older events than those that are shown.
	Older       int64
	Usual       string
	Hedging     string
	BreakerTime time.Time
	FailureTime time.Time
	Replicas    []replicaRow
}

// replicaRow is a replica as the table shows it.
type replicaRow struct {
	*candorv1.ReplicaStatus
	Usual string
	// Class and Word of its state.
	Class, Word string
	// Until is zero unless it is ejected.
	Until time.Time
}

// backendEventRow is something that happened.
type backendEventRow struct {
	*candorv1.BackendEvent
	Class string
	At    time.Time
}

type backendsPage struct {
	Tabs     []opsTab
	Backends []backendCard
	// Configuration is nil for those who may not see it.
	Configuration *configurationCard
}

// configurationCard is which configuration is in force, and what came of the last reload.
type configurationCard struct {
	*candorv1.GetConfigurationResponse
	Loaded, Reloaded, Refused time.Time
}

// backends shows each backend, and the configuration that it is of.
func (s *Server) backends(w http.ResponseWriter, r *http.Request, v *visit) error {
	ctx, cancel := s.call(r, v)
	defer cancel()
	resp, err := s.ops.explain.ListBackends(ctx, &candorv1.ListBackendsRequest{})
	if err != nil {
		return err
	}
	p := backendsPage{Tabs: tabsOf(backendsPath)}
	for i, b := range resp.GetBackends() {
		p.Backends = append(p.Backends, backendCardOf(b, i))
	}
	if v.Person.Has(candorv1.Role_ROLE_OPERATOR) || v.Person.Has(candorv1.Role_ROLE_AUDITOR) {
		c, err := s.ops.explain.GetConfiguration(ctx, &candorv1.GetConfigurationRequest{})
		if err != nil {
			return err
		}
		p.Configuration = &configurationCard{
			GetConfigurationResponse: c, Loaded: timeOf(c.GetLoadTime()), Reloaded: timeOf(c.GetReloadTime()), Refused: timeOf(c.GetRefuseTime()),
		}
	}
	return s.render(w, r, v, view{Template: "ops-backends", Title: "Backends", Section: opsSection, Data: p})
}

func backendCardOf(b *candorv1.BackendStatus, i int) backendCard {
	c := backendCard{
		BackendStatus: b, ID: "backend-" + strconv.Itoa(i), Class: "fill", Usual: briefly(b.GetUsualTime().AsDuration()), Hedging: hedgingOf(b),
		BreakerTime: timeOf(b.GetBreakerTime()), FailureTime: timeOf(b.GetLastFailureTime()),
	}
	if b.GetInFlight() >= b.GetLimit() {
		c.Class = "warn"
	}
	for _, e := range b.GetEvents()[:min(eventsShown, len(b.GetEvents()))] {
		c.Events = append(c.Events, backendEventRow{BackendEvent: e, Class: eventClass(e.GetKind()), At: timeOf(e.GetTime())})
	}
	c.Older = int64(len(b.GetEvents()) - len(c.Events))
	for _, r := range b.GetReplicas() {
		row := replicaRow{ReplicaStatus: r, Usual: briefly(r.GetUsualTime().AsDuration()), Word: short(r.GetState()), Until: timeOf(r.GetEjectedUntil())}
		switch r.GetState() {
		case candorv1.ReplicaState_REPLICA_STATE_SERVING:
			row.Class = "good"
		case candorv1.ReplicaState_REPLICA_STATE_RETURNING:
			row.Class = "badge warn"
		case candorv1.ReplicaState_REPLICA_STATE_EJECTED, candorv1.ReplicaState_REPLICA_STATE_NOT_READY, candorv1.ReplicaState_REPLICA_STATE_UNREACHABLE:
			row.Class = "badge bad"
		default:
			row.Class = "quiet"
		}
		c.Replicas = append(c.Replicas, row)
	}
	return c
}

// hedgingOf says when a second attempt is made beside a slow one.
func hedgingOf(b *candorv1.BackendStatus) string {
	switch {
	case b.HedgePercentile == nil:
		return "off"
	case b.GetHedgeDelay() == nil:
		return "not yet: too few answers are known"
	}
	return "after " + briefly(b.GetHedgeDelay().AsDuration()) + ", in which " + percentage(b.GetHedgePercentile()) + " of the answers come"
}

// eventClass is how an event's name is shown: what takes something out of service stands out.
func eventClass(k candorv1.BackendEventKind) string {
	switch k {
	case candorv1.BackendEventKind_BACKEND_EVENT_KIND_BREAKER_OPENED, candorv1.BackendEventKind_BACKEND_EVENT_KIND_REPLICA_EJECTED,
		candorv1.BackendEventKind_BACKEND_EVENT_KIND_REPLICA_UNREACHABLE, candorv1.BackendEventKind_BACKEND_EVENT_KIND_REPLICA_NOT_READY,
		candorv1.BackendEventKind_BACKEND_EVENT_KIND_PANIC_BEGAN:
		return "bad"
	case candorv1.BackendEventKind_BACKEND_EVENT_KIND_BREAKER_CLOSED, candorv1.BackendEventKind_BACKEND_EVENT_KIND_REPLICA_BACK,
		candorv1.BackendEventKind_BACKEND_EVENT_KIND_REPLICA_READY, candorv1.BackendEventKind_BACKEND_EVENT_KIND_PANIC_ENDED:
		return "good"
	}
	return "quiet"
}

// briefly is a time of a call with three digits; a dash of none.
func briefly(d time.Duration) string {
	if d <= 0 {
		return "–"
	}
	unit, name := time.Millisecond, "ms"
	if d >= time.Second {
		unit, name = time.Second, "s"
	}
	const digits = 3
	return strconv.FormatFloat(float64(d)/float64(unit), 'g', digits, 64) + " " + name
}
