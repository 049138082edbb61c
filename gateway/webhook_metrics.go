package gateway

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/webhook"
)

func newWebhookDeliveries() *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "candor_webhook_deliveries_total", Help: "Attempts to deliver a final answer, by what came of them: delivered, retried, failed.",
	}, []string{"webhook", "outcome"})
}

// delivered is a webhook.Options' Observe.
func (m *metrics) delivered(endpoint string, o webhook.Outcome) {
	m.webhookDeliveries.WithLabelValues(endpoint, string(o)).Inc()
}

// pendingTimeout bounds what a scrape waits for the store.
const pendingTimeout = time.Second

// ofWebhooks shows the endpoints of a configuration.
func (m *metrics) ofWebhooks(cfg *candorv1.Config) {
	for name := range cfg.GetWebhooks() {
		for _, o := range []webhook.Outcome{webhook.Delivered, webhook.Retried, webhook.Failed} {
			m.webhookDeliveries.WithLabelValues(name, string(o))
		}
	}
}

// watchWebhooks shows what waits, counted when it is looked at: other gateways deliver from the same store.
func (m *metrics) watchWebhooks(g *Gateway) {
	m.collects(&webhookCollector{g: g, pending: prometheus.NewDesc("candor_webhook_pending", "Deliveries that wait.", []string{"webhook"}, nil)})
}

// webhookCollector reads the store when it is scraped. Where it doesn't answer, the series are absent.
type webhookCollector struct {
	g       *Gateway
	pending *prometheus.Desc
}

func (c *webhookCollector) Describe(ch chan<- *prometheus.Desc) { ch <- c.pending }

func (c *webhookCollector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), pendingTimeout)
	defer cancel()
	for name := range c.g.plan().cfg.GetWebhooks() {
		if e, err := c.g.webhooks.Webhook(ctx, name, c.g.ledger.Now()); err == nil {
			ch <- prometheus.MustNewConstMetric(c.pending, prometheus.GaugeValue, float64(e.Pending), name)
		}
	}
}
