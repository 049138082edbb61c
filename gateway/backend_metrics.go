package gateway

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/candor-gateway/candor/backend"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// watchBackends shows backends as they are when they are looked at: a gauge fed by changes alone would show an open breaker for as long
// as nobody calls.
func (m *metrics) watchBackends(g *Gateway) {
	m.collects(&backendCollector{g: g, figures: backendFigures(), consumers: consumerFigures()})
}

// backendCollector reads the status of each backend in force once when it is scraped, so that calls pay for no metric of it.
type backendCollector struct {
	g         *Gateway
	figures   []backendFigure
	consumers []consumerFigure
}

// consumerFigure is one metric of each backend and consumer. Their number is bounded: by the configuration, and where many configurations
// follow one another, by what a backend remembers.
type consumerFigure struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	of   func(backend.ConsumerLoad) int64
}

func consumerFigures() []consumerFigure {
	figure := func(kind prometheus.ValueType, metric, help string, of func(backend.ConsumerLoad) int64) consumerFigure {
		return consumerFigure{prometheus.NewDesc(metric, help+" Without a name: those of which nothing else is remembered.", []string{"backend", "consumer"}, nil), kind, of}
	}
	return []consumerFigure{
		figure(prometheus.GaugeValue, "candor_backend_consumer_in_flight", "Calls in flight, by consumer.", func(c backend.ConsumerLoad) int64 { return c.InFlight }),
		figure(prometheus.GaugeValue, "candor_backend_consumer_queued", "Calls that wait for a place in flight, by consumer.", func(c backend.ConsumerLoad) int64 { return c.Queued }),
		figure(prometheus.CounterValue, "candor_backend_consumer_waited_total", "Calls that got a place in flight after they had waited for one, by consumer.", func(c backend.ConsumerLoad) int64 { return c.Waited }),
		figure(prometheus.CounterValue, "candor_backend_consumer_shed_total", "Calls that were refused a place in flight, by consumer.", func(c backend.ConsumerLoad) int64 { return c.Shed }),
	}
}

// backendFigure is one metric of each backend.
type backendFigure struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	of   func(backend.Status) float64
}

func backendFigures() []backendFigure {
	figure := func(kind prometheus.ValueType, metric, help string, labels prometheus.Labels, of func(backend.Status) float64) backendFigure {
		return backendFigure{prometheus.NewDesc(metric, help, []string{"backend"}, labels), kind, of}
	}
	const retries, retriesHelp = "candor_backend_retries_total", "Attempts that repeated another: made, or refused because the retry budget was spent."
	const hedges, hedgesHelp = "candor_backend_hedges_total", "Attempts made beside a slow one: they answered first (won), or not."
	shed := func(priority string, of func(backend.Status) int64) backendFigure {
		return figure(prometheus.CounterValue, "candor_backend_shed_total", "Calls that were refused a place in flight, by the consumer's priority.",
			prometheus.Labels{"priority": priority}, func(s backend.Status) float64 { return float64(of(s)) })
	}
	return []backendFigure{
		figure(prometheus.CounterValue, hedges, hedgesHelp, prometheus.Labels{"result": "won"},
			func(s backend.Status) float64 { return float64(s.HedgesWon) }),
		figure(prometheus.CounterValue, hedges, hedgesHelp, prometheus.Labels{"result": "lost"},
			func(s backend.Status) float64 { return float64(s.HedgesLost) }),
		figure(prometheus.CounterValue, "candor_backend_unsure_total", "Answers that counted as failures because the model was suddenly unsure (breaker.collapse).", nil,
			func(s backend.Status) float64 { return float64(s.UnsureFailures) }),
		figure(prometheus.GaugeValue, "candor_backend_in_flight", "Calls in flight.", nil,
			func(s backend.Status) float64 { return float64(s.InFlight) }),
		figure(prometheus.GaugeValue, "candor_backend_limit", "Calls that may be in flight: what the model server can do at once, as measured, or max_in_flight.", nil,
			func(s backend.Status) float64 { return float64(s.Limit) }),
		figure(prometheus.GaugeValue, "candor_backend_max_in_flight", "What the configuration allows at most, max_in_flight.", nil,
			func(s backend.Status) float64 { return float64(s.MaxInFlight) }),
		figure(prometheus.CounterValue, "candor_backend_waited_total", "Calls that got a place in flight after they had waited for one.", nil,
			func(s backend.Status) float64 { return float64(s.Waited) }),
		figure(prometheus.CounterValue, "candor_backend_refused_total", "Calls that an open breaker did not let through.", nil,
			func(s backend.Status) float64 { return float64(s.Refused) }),
		figure(prometheus.GaugeValue, "candor_backend_hedge_delay_seconds", "How long an attempt takes before another is made beside it; 0: none is, or too little is known.", nil,
			func(s backend.Status) float64 { return s.HedgeAfter.Seconds() }),
		figure(prometheus.GaugeValue, "candor_backend_queued", "Calls that wait for a place in flight.", nil,
			func(s backend.Status) float64 { return float64(s.Queued) }),
		shed("low", func(s backend.Status) int64 { return s.ShedLow }),
		shed("normal", func(s backend.Status) int64 { return s.ShedNormal }),
		shed("high", func(s backend.Status) int64 { return s.ShedHigh }),
		figure(prometheus.GaugeValue, "candor_breaker_state", "1 closed, 2 half-open, 3 open.", nil,
			func(s backend.Status) float64 { return float64(s.Breaker) }),
		figure(prometheus.CounterValue, retries, retriesHelp, prometheus.Labels{"result": "made"},
			func(s backend.Status) float64 { return float64(s.Retries) }),
		figure(prometheus.CounterValue, retries, retriesHelp, prometheus.Labels{"result": "refused"},
			func(s backend.Status) float64 { return float64(s.RetriesUnaffordable) }),
		figure(prometheus.GaugeValue, "candor_backend_retry_budget_left", "Further attempts that the budget allows now.", nil,
			func(s backend.Status) float64 { return float64(s.BudgetLeft) }),
	}
}

func (c *backendCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, f := range c.figures {
		ch <- f.desc
	}
	for _, f := range c.consumers {
		ch <- f.desc
	}
}

func (c *backendCollector) Collect(ch chan<- prometheus.Metric) {
	for name, b := range c.g.plan().backends {
		status := b.Status()
		for _, f := range c.figures {
			ch <- prometheus.MustNewConstMetric(f.desc, f.kind, f.of(status), name)
		}
		for _, f := range c.consumers {
			for _, load := range status.Consumers {
				ch <- prometheus.MustNewConstMetric(f.desc, f.kind, float64(f.of(load)), name, load.Consumer)
			}
		}
	}
}

// watchMemory shows how much of listen.max_in_flight_bytes is in use, and who was refused for it.
func (m *metrics) watchMemory(room *memory) {
	m.reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "candor_in_flight_bytes", Help: "Bytes of the requests that are in the gateway now.",
	}, func() float64 { return float64(room.used.Load()) }))
	m.reg.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "candor_receiving_refused_total", Help: "Calls refused while their message was still coming, because the gateway held too many bytes.",
	}, func() float64 { return float64(room.receiving.refused.Load()) }))
	for p, name := range map[candorv1.Priority]string{
		candorv1.Priority_PRIORITY_LOW: "low", candorv1.Priority_PRIORITY_NORMAL: "normal", candorv1.Priority_PRIORITY_HIGH: "high",
	} {
		m.reg.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "candor_in_flight_bytes_refused_total", Help: "Calls refused because the gateway held too many bytes, by the consumer's priority.",
			ConstLabels: prometheus.Labels{"priority": name},
		}, func() float64 {
			n := room.refused[p].Load()
			if p == candorv1.Priority_PRIORITY_NORMAL {
				n += room.refused[candorv1.Priority_PRIORITY_UNSPECIFIED].Load()
			}
			return float64(n)
		}))
	}
}
