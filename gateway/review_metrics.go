package gateway

import (
	"context"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/candor-gateway/candor/review"
)

// reviewMetrics count what people do, and show the queues as they were last looked at.
type reviewMetrics struct {
	claims, verdicts, expired, flips *prometheus.CounterVec
	shed, badAmounts                 *prometheus.CounterVec
	depth, oldest                    *prometheus.GaugeVec
}

func newReviewMetrics() *reviewMetrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels)
	}
	return &reviewMetrics{
		claims:     counter("candor_review_claims_total", "Review items that were claimed.", "queue"),
		verdicts:   counter("candor_review_verdicts_total", "Verdicts that were given, final or not.", "queue"),
		expired:    counter("candor_review_expired_total", "Review items whose deadline passed: the service level was missed.", "queue"),
		flips:      counter("candor_review_flips_total", "Verdicts that were changed when the model's answer was shown, to it or away from it.", "model", "direction"),
		shed:       counter("candor_review_shed_total", "Deferred rows that took the fallback because they could not be judged before their deadline, or were outside of the day's budget.", "queue"),
		badAmounts: counter("candor_review_bad_amounts_total", "Amounts of rows that were no number, negative or too large, and so were bounded.", "model"),
		depth:      gauge("candor_review_queue_items", "Review items that wait, by whether somebody holds them.", "queue", "state"),
		oldest:     gauge("candor_review_queue_oldest_seconds", "Age of the oldest pending item; 0: there is none.", "queue"),
	}
}

func (m *reviewMetrics) collectors() []prometheus.Collector {
	return []prometheus.Collector{m.claims, m.verdicts, m.expired, m.flips, m.shed, m.badAmounts, m.depth, m.oldest}
}

// countFlips counts the changed verdicts of an item that has become final.
func (m *reviewMetrics) countFlips(item *review.Item) {
	for _, v := range item.Verdicts {
		switch toModel, away := review.FlipOf(item, v); {
		case toModel:
			m.flips.WithLabelValues(item.Model, "to_model").Inc()
		case away:
			m.flips.WithLabelValues(item.Model, "away").Inc()
		}
	}
}

// measureQueues looks at the queues for their gauges. One that has become empty shows 0.
func (g *Gateway) measureQueues(ctx context.Context) {
	now := g.ledger.Now()
	states, err := g.reviews.Queues(ctx, now, now)
	if err != nil {
		if ctx.Err() == nil {
			g.log.WarnContext(ctx, "the queues could not be measured; their gauges are old", slog.Any("error", err))
		}
		return
	}
	for name := range g.plan().cfg.GetQueues() {
		g.metrics.showQueue(name, 0, 0, 0)
	}
	for i := range states {
		st := &states[i]
		age := 0.0
		if oldest := oldestOf(st); !oldest.IsZero() {
			age = now.Sub(oldest).Seconds()
		}
		g.metrics.showQueue(st.Queue, st.Pending, st.Claimed, age)
	}
}

func (m *reviewMetrics) showQueue(queue string, pending, claimed int64, age float64) {
	m.depth.WithLabelValues(queue, "pending").Set(float64(pending))
	m.depth.WithLabelValues(queue, "claimed").Set(float64(claimed))
	m.oldest.WithLabelValues(queue).Set(age)
}
