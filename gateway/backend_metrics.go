package gateway

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/candor-gateway/candor/backend"
)

// watchBackend shows a backend as it is when it is looked at: a gauge fed by changes alone would show an open breaker for as long as
// nobody calls.
func (m *metrics) watchBackend(b *backend.Backend) {
	m.reg.MustRegister(&backendCollector{backend: b, figures: backendFigures(b.Name())})
}

// backendCollector reads a backend's status once when it is scraped, so that calls pay for no metric of it.
type backendCollector struct {
	backend *backend.Backend
	figures []backendFigure
}

// backendFigure is one metric of a backend.
type backendFigure struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	of   func(backend.Status) float64
}

func backendFigures(name string) []backendFigure {
	figure := func(kind prometheus.ValueType, metric, help string, labels prometheus.Labels, of func(backend.Status) float64) backendFigure {
		all := prometheus.Labels{"backend": name}
		for k, v := range labels {
			all[k] = v
		}
		return backendFigure{prometheus.NewDesc(metric, help, nil, all), kind, of}
	}
	const retries, retriesHelp = "candor_backend_retries_total", "Attempts that repeated another: made, or refused because the retry budget was spent."
	return []backendFigure{
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
}

func (c *backendCollector) Collect(ch chan<- prometheus.Metric) {
	status := c.backend.Status()
	for _, f := range c.figures {
		ch <- prometheus.MustNewConstMetric(f.desc, f.kind, f.of(status))
	}
}
