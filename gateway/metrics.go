package gateway

import (
	"context"
	"errors"
	"maps"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/candor-gateway/candor/backend"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/defect"
)

// metrics are the gateway's counters. Labels are names from the configuration and enums, never anything that a client sends,
// so that their number is bounded.
type metrics struct {
	reg       *prometheus.Registry
	guard     defect.Guard
	decisions *prometheus.CounterVec
	reasons   *prometheus.CounterVec
	answers   *prometheus.CounterVec
	seconds   *prometheus.HistogramVec
	errors    *prometheus.CounterVec
	// refused: ended before a model was found, or before its request could be read.
	refused     *prometheus.CounterVec
	attempts    *prometheus.CounterVec
	attemptTime *prometheus.HistogramVec
	waitTime    *prometheus.HistogramVec
	transitions *prometheus.CounterVec
	limitTrips  *prometheus.CounterVec
	// limitStoreErrors: withheld because the store did not answer.
	limitStoreErrors *prometheus.CounterVec
	// limitBadInputs: withheld because the request's amount or key could not be one.
	limitBadInputs *prometheus.CounterVec
	finals         *prometheus.CounterVec
	age            *prometheus.GaugeVec
	alertFailures  *prometheus.CounterVec
	// webhookDeliveries are attempts.
	webhookDeliveries *prometheus.CounterVec
	recordFailures,
	resetWaits,
	panics prometheus.Counter
	// connectionsRefused were turned away as soon as they were accepted.
	connectionsRefused *prometheus.CounterVec
	*certificateMetrics
	*reviewMetrics
	// conditionErrors: evaluations that gave no result, and so counted as holding.
	conditionErrors *prometheus.CounterVec
	// queueFull: records that found the group commit's queue full, by what was done then.
	queueFull *prometheus.CounterVec
	// defaulted: calls that stated no deadline.
	defaulted *prometheus.CounterVec

	// What every call to a backend counts, bound to its labels: looking labels up costs more than counting. The map is read-only, and
	// replaced by one that has more names.
	ofBackend atomic.Pointer[map[string]backendMetrics]
}

// PanicCounter is candor_panics_total of a registry, which is made and registered where it isn't there: for those who count their own
// panics beside the gateway's.
func PanicCounter(reg prometheus.Registerer) prometheus.Counter {
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: "candor_panics_total", Help: "Panics in calls, and in the work beside them, that were recovered; the log has their stacks."})
	var there prometheus.AlreadyRegisteredError
	if err := reg.Register(c); errors.As(err, &there) {
		if before, ok := there.ExistingCollector.(prometheus.Counter); ok {
			return before
		}
	}
	return c
}

// collects registers a collector of ours. The registry collects in goroutines of its own, so that a panic would end the process with
// whoever was scraping it.
func (m *metrics) collects(c prometheus.Collector) { m.reg.MustRegister(guardedCollector{c, m.guard}) }

// guardedCollector leaves out what is missing after a panic.
type guardedCollector struct {
	prometheus.Collector
	guard defect.Guard
}

func (c guardedCollector) Collect(ch chan<- prometheus.Metric) {
	c.guard.Whole("reading metrics", func() { c.Collector.Collect(ch) })
}

// buckets in seconds: from what a hop on one machine takes to the longest deadlines that anybody sets.
var buckets = []float64{.001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10}

func newMetrics(reg *prometheus.Registry) *metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	m := &metrics{
		reg:                reg,
		decisions:          counter("candor_decisions_total", "Decisions per row, as decided and as applied (they differ in mode observe).", "model", "route", "applied"),
		reasons:            counter("candor_reasons_total", "Reasons of decisions; a row may have several.", "model", "reason"),
		answers:            counter("candor_answers_total", "Rows answered by each stage. A primary that is hidden behind its fallback shows here.", "model", "stage"),
		seconds:            prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "candor_prediction_seconds", Help: "Time inside the gateway per prediction.", Buckets: buckets}, []string{"model"}),
		errors:             counter("candor_errors_total", "Predictions that ended in an error, by reason.", "model", "reason"),
		refused:            counter("candor_refused_total", "Predictions refused at the door, by reason: no grant, no such model, a request that can't be read.", "reason"),
		attempts:           counter("candor_backend_attempts_total", "Calls to model servers by result: ok, contract, failed, overload, excluded, alive, lost (a hedge, or what it was faster than).", "backend", "result"),
		attemptTime:        prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "candor_backend_attempt_seconds", Help: "Time per call to a model server.", Buckets: buckets}, []string{"backend"}),
		waitTime:           prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "candor_backend_wait_seconds", Help: "Time that attempts waited for their place in flight, of those that did.", Buckets: buckets}, []string{"backend"}),
		transitions:        counter("candor_breaker_transitions_total", "Changes of a breaker's state.", "backend", "to"),
		limitTrips:         counter("candor_limit_trips_total", "Trips of an action limit.", "limit"),
		limitStoreErrors:   counter("candor_limit_store_errors_total", "Answers withheld because a limit's store did not answer.", "limit"),
		limitBadInputs:     counter("candor_limit_bad_inputs_total", "Answers withheld because what a limit sums, or is split by, was missing in the request or could not be one.", "limit"),
		finals:             counter("candor_review_final_total", "Review items that got their final answer, by verdict or at their deadline.", "model", "by"),
		age:                prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "candor_model_created_timestamp_seconds", Help: "When the version that a backend serves was trained."}, []string{"backend", "version"}),
		alertFailures:      counter("candor_alert_failures_total", "Attempts to deliver an alert that failed.", "receiver"),
		recordFailures:     prometheus.NewCounter(prometheus.CounterOpts{Name: "candor_record_failures_total", Help: "Replies that could not leave because their record could not be stored."}),
		queueFull:          counter("candor_record_queue_full_total", "Records of plain accepts that found the queue of the group commit full, by what was done then (audit.on_full): wait, refuse, drop.", "policy"),
		defaulted:          counter("candor_default_deadline_total", "Calls that stated no deadline, and got listen.default_deadline.", "model"),
		conditionErrors:    counter("candor_condition_errors_total", "Conditions of a policy that could not be computed, and so counted as holding.", "model", "condition"),
		certificateMetrics: newCertificateMetrics(), reviewMetrics: newReviewMetrics(), webhookDeliveries: newWebhookDeliveries(),
		resetWaits:         prometheus.NewCounter(prometheus.CounterOpts{Name: "candor_reset_waits_total", Help: "Times that a connection was not read on because its client cancels too fast."}),
		connectionsRefused: counter("candor_connections_refused_total", "Connections turned away because their address had too many open, too many that were beginning, or too many that came to nothing (failed).", "why"),
		panics:             PanicCounter(reg),
	}
	reg.MustRegister(m.decisions, m.reasons, m.answers, m.seconds, m.errors, m.refused, m.attempts, m.attemptTime, m.waitTime, m.transitions, m.limitTrips, m.limitStoreErrors, m.limitBadInputs,
		m.finals, m.age, m.alertFailures, m.webhookDeliveries, m.recordFailures, m.resetWaits, m.connectionsRefused, m.queueFull, m.conditionErrors, m.defaulted, m.evidenceLost, m.looked, m.certificateMetrics)
	reg.MustRegister(m.collectors()...)
	m.ofBackend.Store(&map[string]backendMetrics{})
	return m
}

// of has the names of a configuration. They are shown from now on, and counted on where they were before; before is the configuration in
// force until now, nil: none was.
func (m *metrics) of(cfg, before *candorv1.Config) {
	backends := maps.Clone(*m.ofBackend.Load())
	for name, b := range cfg.GetBackends() {
		backends[name] = backendMetrics{ok: m.attempts.WithLabelValues(name, "ok"), seconds: m.attemptTime.WithLabelValues(name)}
		m.age.WithLabelValues(name, b.GetVersion()).Set(float64(b.GetCard().GetCreatedAt().GetSeconds()))
	}
	m.ofBackend.Store(&backends)
	for name, b := range before.GetBackends() {
		if cfg.GetBackends()[name].GetVersion() != b.GetVersion() {
			m.age.DeleteLabelValues(name, b.GetVersion())
		}
	}
	for name := range cfg.GetLimits() {
		m.limitTrips.WithLabelValues(name)
		m.limitBadInputs.WithLabelValues(name)
	}
	m.ofWebhooks(cfg)
}

// Attempt and BreakerChanged make metrics a backend.Observer.
func (m *metrics) Attempt(_ context.Context, a backend.Attempt) {
	b, ok := (*m.ofBackend.Load())[a.Backend]
	if !ok {
		return // Of a configuration that was refused.
	}
	b.seconds.Observe(a.Duration.Seconds())
	if a.Waited > 0 {
		m.waitTime.WithLabelValues(a.Backend).Observe(a.Waited.Seconds())
	}
	switch {
	case a.Lost:
		m.attempts.WithLabelValues(a.Backend, "lost").Inc()
	case a.Failure != nil:
		m.attempts.WithLabelValues(a.Backend, a.Failure.Class.String()).Inc()
	case a.Verdict.BadRows > 0:
		m.attempts.WithLabelValues(a.Backend, "contract").Inc()
	default:
		b.ok.Inc()
	}
}

func (m *metrics) BreakerChanged(name string, _, to candorv1.BreakerState) {
	m.transitions.WithLabelValues(name, short(to.String())).Inc()
}

// count counts a call that has ended.
func (m *metrics) count(c *call, end time.Time, failed *Error) {
	name, bound := c.model.name, c.model.bound
	bound.seconds.Observe(end.Sub(c.start).Seconds())
	if failed != nil {
		m.errors.WithLabelValues(name, shortReason(failed.Reason)).Inc()
	}
	if c.record == nil {
		return
	}
	for i := range c.rows {
		r := &c.rows[i]
		bound.decisions.inc(int(r.decision.Route)*routes+int(r.applied), func() prometheus.Counter {
			return m.decisions.WithLabelValues(name, routeName(r.decision.Route), routeName(r.applied))
		})
		for _, why := range r.decision.Reasons {
			bound.reasons.inc(int(why), func() prometheus.Counter { return m.reasons.WithLabelValues(name, reasonName(why)) })
		}
		switch by := c.answeredBy(r); {
		case by == "":
		case r.answeredBy == 0:
			bound.primary.inc(0, func() prometheus.Counter { return m.answers.WithLabelValues(name, by) })
		default:
			m.answers.WithLabelValues(name, by).Inc()
		}
	}
}

// countRefused counts a call that was not admitted. Its reason is an enum; the names in it are the caller's, and no label.
func (m *metrics) countRefused(err error) {
	var e *Error
	if errors.As(err, &e) {
		m.refused.WithLabelValues(shortReason(e.Reason)).Inc()
	}
}
