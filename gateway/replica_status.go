package gateway

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/candor-gateway/candor/backend"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// replicaStatuses are a backend's replicas as operators see them.
func replicaStatuses(all []backend.ReplicaStatus) []*candorv1.ReplicaStatus {
	var out []*candorv1.ReplicaStatus
	for _, r := range all {
		s := &candorv1.ReplicaStatus{
			Address: r.Address, State: r.State, InFlight: r.InFlight, Calls: r.Calls, Failures: r.Failures, Ejections: r.Ejections, Why: r.Why,
		}
		if !r.EjectedUntil.IsZero() {
			s.EjectedUntil = timestamppb.New(r.EjectedUntil)
		}
		s.UsualTime = lengthOrNil(r.Usual)
		out = append(out, s)
	}
	return out
}

// watchReplicas shows the replicas of the backends in force when metrics are read. Their number, and so that of the labels, is bounded by
// the configuration, or by what a name may have.
func (m *metrics) watchReplicas(g *Gateway) {
	one := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, []string{"backend", "replica"}, nil)
	}
	m.collects(&replicaCollector{
		g:         g,
		replicas:  prometheus.NewDesc("candor_replicas", "Replicas of a backend, by state.", []string{"backend", "state"}, nil),
		panicking: prometheus.NewDesc("candor_replica_panic", "1 while so many replicas are ejected that ejection is ignored.", []string{"backend"}, nil),
		inFlight:  one("candor_replica_in_flight", "Calls in flight at a replica."),
		calls:     one("candor_replica_calls_total", "Calls to a replica that were answered or count against it."),
		failures:  one("candor_replica_failures_total", "Calls that count against a replica."),
		ejections: one("candor_replica_ejections_total", "Ejections of a replica."),
		seconds:   one("candor_replica_answer_seconds", "How long a replica's answers take, smoothed; 0: there was none."),
	})
}

// replicaCollector reads the backends' replicas when it is scraped. A backend with one address has none.
type replicaCollector struct {
	g                                                                  *Gateway
	replicas, panicking, inFlight, calls, failures, ejections, seconds *prometheus.Desc
}

// Describe sends what Collect may send.
func (c *replicaCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.replicas, c.panicking, c.inFlight, c.calls, c.failures, c.ejections, c.seconds} {
		ch <- d
	}
}

// Collect leaves out replicas whose address has vanished from all but their number: one that comes back may be there twice.
func (c *replicaCollector) Collect(ch chan<- prometheus.Metric) {
	for name, b := range c.g.plan().backends {
		c.collect(ch, name, b.Status())
	}
}

func (c *replicaCollector) collect(ch chan<- prometheus.Metric, name string, status backend.Status) {
	if len(status.Replicas) == 0 {
		return
	}
	states := map[string]int{}
	for n, name := range candorv1.ReplicaState_name {
		if n != 0 {
			states[stateLabel(name)] = 0
		}
	}
	for _, r := range status.Replicas {
		states[stateLabel(r.State.String())]++
		if r.State == candorv1.ReplicaState_REPLICA_STATE_DRAINING {
			continue
		}
		ch <- prometheus.MustNewConstMetric(c.inFlight, prometheus.GaugeValue, float64(r.InFlight), name, r.Address)
		ch <- prometheus.MustNewConstMetric(c.calls, prometheus.CounterValue, float64(r.Calls), name, r.Address)
		ch <- prometheus.MustNewConstMetric(c.failures, prometheus.CounterValue, float64(r.Failures), name, r.Address)
		ch <- prometheus.MustNewConstMetric(c.ejections, prometheus.CounterValue, float64(r.Ejections), name, r.Address)
		ch <- prometheus.MustNewConstMetric(c.seconds, prometheus.GaugeValue, r.Usual.Seconds(), name, r.Address)
	}
	for state, n := range states {
		ch <- prometheus.MustNewConstMetric(c.replicas, prometheus.GaugeValue, float64(n), name, state)
	}
	panicking := 0.0
	if status.Panicking {
		panicking = 1
	}
	ch <- prometheus.MustNewConstMetric(c.panicking, prometheus.GaugeValue, panicking, name)
}

func stateLabel(name string) string {
	return strings.ToLower(strings.TrimPrefix(name, "REPLICA_STATE_"))
}
