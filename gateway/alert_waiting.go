package gateway

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/limits"
)

// undelivered is a message that a receiver should have had.
type undelivered struct {
	receiver string
	resolved bool
	// since is when its time came.
	since time.Time
}

// undeliveredOf answers the messages of an alert that wait at now, by the rules of errands.
func undeliveredOf(a limits.Alert, receivers []receiver, now time.Time) (out []undelivered) {
	for _, r := range receivers {
		from := a.Trip.At.Add(r.after)
		over := !a.Ack.At.IsZero() && a.Ack.At.Before(from) || !a.Latched && a.Reset.At.Before(from)
		tripped, told := messageOf(a, r.name, false)
		switch {
		case !told && (now.Before(from) || r.after > 0 && over):
		case tripped.Delivered.IsZero():
			out = append(out, undelivered{r.name, false, from})
		case !a.Latched:
			if reset, _ := messageOf(a, r.name, true); reset.Delivered.IsZero() {
				out = append(out, undelivered{r.name, true, endOf(a)})
			}
		}
	}
	return out
}

// alertsOf are the messages about a limit's trip, and of its trips before those that haven't been delivered. trip is empty where none holds.
func (g *Gateway) alertsOf(ctx context.Context, limit, trip string) ([]*candorv1.LimitAlert, error) {
	open, err := g.limitStore.OpenAlerts(ctx)
	if err != nil {
		return nil, err
	}
	pl, now := g.plan(), g.ledger.Now()
	var out []*candorv1.LimitAlert
	for _, a := range open {
		if a.Trip.Limit != limit {
			continue
		}
		waiting := undeliveredOf(a, g.receiversOf(pl, limit), now)
		if a.Trip.ID == trip {
			for _, m := range a.Messages {
				if !slices.ContainsFunc(waiting, func(w undelivered) bool { return w.receiver == m.Receiver && w.resolved == m.Resolved }) {
					out = append(out, alertProto(m, now))
				}
			}
		}
		for _, w := range waiting {
			m, _ := messageOf(a, w.receiver, w.resolved)
			m.Receiver, m.Resolved = w.receiver, w.resolved
			p := alertProto(m, now)
			p.WaitTime = stampOrNil(w.since)
			out = append(out, p)
		}
	}
	return out, nil
}

func alertProto(m limits.AlertMessage, now time.Time) *candorv1.LimitAlert {
	out := &candorv1.LimitAlert{
		Receiver: m.Receiver, Resolved: m.Resolved, Attempts: uint32(m.Attempts), DeliverTime: stampOrNil(m.Delivered), Error: m.Error,
	}
	if m.Due.After(now) {
		out.NextAttemptTime = stampOrNil(m.Due)
	}
	return out
}

// ofAlerts shows the receivers of a plan.
func (m *metrics) ofAlerts(pl *plan) {
	for _, all := range pl.receivers {
		for _, r := range all {
			m.alertFailures.WithLabelValues(r.name)
		}
	}
}

// watchAlerts shows what waits, counted when it is looked at: other gateways deliver from the same store.
func (m *metrics) watchAlerts(g *Gateway) {
	m.collects(&alertCollector{
		g:       g,
		waiting: prometheus.NewDesc("candor_alerts_waiting", "Messages about trips and resets that a receiver should have had and hasn't, of all gateways that share the store.", []string{"receiver"}, nil),
		oldest:  prometheus.NewDesc("candor_alert_oldest_seconds", "For how long the oldest of them waits; 0: none does.", []string{"receiver"}, nil),
	})
}

// alertCollector reads the store when it is scraped; while that doesn't answer it goes by what it read last, which grows older. Labels are
// the receivers of the configuration.
type alertCollector struct {
	g               *Gateway
	waiting, oldest *prometheus.Desc

	mu   sync.Mutex
	open []limits.Alert
}

func (c *alertCollector) Describe(ch chan<- *prometheus.Desc) { ch <- c.waiting; ch <- c.oldest }

func (c *alertCollector) Collect(ch chan<- prometheus.Metric) {
	type figures struct {
		waiting int
		oldest  time.Time
	}
	pl, now := c.g.plan(), c.g.ledger.Now()
	of := map[string]*figures{}
	for _, all := range pl.receivers {
		for _, r := range all {
			of[r.name] = &figures{oldest: now}
		}
	}
	if len(of) > 0 {
		for _, a := range c.read() {
			for _, w := range undeliveredOf(a, c.g.receiversOf(pl, a.Trip.Limit), now) {
				f := of[w.receiver]
				f.waiting++
				if w.since.Before(f.oldest) {
					f.oldest = w.since
				}
			}
		}
	}
	for name, f := range of {
		ch <- prometheus.MustNewConstMetric(c.waiting, prometheus.GaugeValue, float64(f.waiting), name)
		ch <- prometheus.MustNewConstMetric(c.oldest, prometheus.GaugeValue, now.Sub(f.oldest).Seconds(), name)
	}
}

func (c *alertCollector) read() []limits.Alert {
	ctx, cancel := context.WithTimeout(context.Background(), pendingTimeout)
	defer cancel()
	open, err := c.g.limitStore.OpenAlerts(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		c.open = open
	}
	return c.open
}
