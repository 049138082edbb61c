package gateway

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/candor-gateway/candor/limits"
)

func (m *metrics) watchLimits(g *limits.Gate, now func() time.Time) {
	of := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, []string{"limit"}, nil)
	}
	m.collects(&limitCollector{
		keys:        of("candor_limit_keys", "Keys that have a limit of their own now."),
		keysTripped: of("candor_limit_keys_tripped", "Keys whose limit is latched."),
		overflowed:  of("candor_limit_keys_overflowed_total", "Answers whose key shared one limit with others, because the limit had as many keys as it may have."),
		voided: of("candor_limit_sightings_voided_total",
			"Questions of this gateway that made void what gateways knew of the limit's time, because clocks don't agree; of a limit with a key, of all keys."),
		gate: g, now: now,
		used:    of("candor_limit_used", "Released within the window that ends now: answers, or, of a sum, units."),
		bound:   of("candor_limit_bound", "What may be released in a window now: answers, or, of a sum, units; of a limit with a key, for each key."),
		tripped: of("candor_limit_tripped", "1 while the limit is latched; of a limit with a key, while one of its keys is."),
		apart: prometheus.NewDesc("candor_limit_wall_clocks_apart_seconds",
			"How far the wall clock of another gateway is known to be from this one's at most; 0 where none is known.", nil, nil),
	})
}

// limitCollector reads the gate when it is scraped. Keys are no labels: clients choose them.
type limitCollector struct {
	gate                 *limits.Gate
	now                  func() time.Time
	used, bound, tripped *prometheus.Desc
	voided               *prometheus.Desc
	// Of limits with a key alone.
	keys, keysTripped, overflowed *prometheus.Desc
	// apart is of all.
	apart *prometheus.Desc
}

func (c *limitCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.used, c.bound, c.tripped, c.keys, c.keysTripped, c.overflowed, c.apart, c.voided} {
		ch <- d
	}
}

func (c *limitCollector) Collect(ch chan<- prometheus.Metric) {
	ch <- prometheus.MustNewConstMetric(c.apart, prometheus.GaugeValue, c.gate.WallsApart().Seconds())
	for _, s := range c.gate.States(c.now()) {
		name := s.Definition.Name
		if s.Key != "" {
			continue
		}
		gauge := func(d *prometheus.Desc, v float64) {
			ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, name)
		}
		tripped := 0.0
		if s.Tripped || s.Keys != nil && s.Keys.Tripped > 0 {
			tripped = 1
		}
		gauge(c.used, float64(s.Used))
		gauge(c.tripped, tripped)
		if s.Configured {
			ch <- prometheus.MustNewConstMetric(c.voided, prometheus.CounterValue, float64(s.Voided), name)
			gauge(c.bound, float64(s.Bound))
		}
		if s.Keys != nil {
			gauge(c.keys, float64(s.Keys.Live))
			gauge(c.keysTripped, float64(s.Keys.Tripped))
			ch <- prometheus.MustNewConstMetric(c.overflowed, prometheus.CounterValue, float64(s.Keys.Overflowed), name)
		}
	}
}
