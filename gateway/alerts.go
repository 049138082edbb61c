package gateway

import (
	"context"
	"encoding/json"
	"log/slog"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/limits"
	"github.com/candor-gateway/candor/webhook"
)

// onTrip is told of every trip once it is durable. The log and the metric are told here; the webhook by the sender, which
// the stored alert makes sure of over a restart.
func (g *Gateway) onTrip(t limits.Trip) {
	g.metrics.limitTrips.WithLabelValues(t.Limit).Inc()
	g.log.Error("action limit tripped", slog.String("limit", t.Limit), slog.String("action", t.Action),
		slog.String("model", t.Model), slog.String("consumer", t.Consumer), slog.Int64("count", t.Count),
		slog.Int64("max_count", t.MaxCount), slog.Duration("window", t.Window), slog.Bool("dry_run", t.DryRun),
		slog.String("prediction_id", t.PredictionID), slog.String("alert_id", t.ID))
	select {
	case g.tripped <- struct{}{}:
	default:
		// The sender is awake or about to be.
	}
}

// onLimitStoreError is told of answers that a limit could not ask its store about.
func (g *Gateway) onLimitStoreError(limit string, err error) {
	g.metrics.limitStoreErrors.WithLabelValues(limit).Inc()
	g.log.Warn("a limit's store did not answer; its answers are withheld", slog.String("limit", limit), slog.Any("error", err))
}

// sendAlerts delivers the alerts that are stored and not yet delivered, oldest first. One that fails is tried again at the next
// turn, under the same id.
func (g *Gateway) sendAlerts(ctx context.Context) {
	alerts, err := g.limitStore.Alerts(ctx)
	if err != nil {
		if ctx.Err() == nil {
			g.log.WarnContext(ctx, "alerts could not be read; trying again", slog.Any("error", err))
		}
		return
	}
	for _, t := range alerts {
		if ctx.Err() != nil {
			return
		}
		// A delivery that has begun is finished, and marked, even when the gateway stops meanwhile: cut off in between it would
		// be made a second time.
		ctx := context.WithoutCancel(ctx)
		if l := g.plan().cfg.GetLimits()[t.Limit]; l.GetWebhook() != "" {
			if err := g.postAlert(ctx, l, t); err != nil {
				g.metrics.alertFailures.Inc()
				g.log.WarnContext(ctx, "an alert could not be delivered; trying again", slog.String("limit", t.Limit), slog.String("alert_id", t.ID), slog.Any("error", err))
				continue
			}
		}
		if err := g.limitStore.AlertDelivered(ctx, t.ID); err != nil {
			g.log.WarnContext(ctx, "a delivered alert could not be marked; its receiver may see its id again", slog.String("alert_id", t.ID), slog.Any("error", err))
		}
	}
}

// alertTimeout bounds one delivery; a receiver that hangs must not hold back the others for long.
const alertTimeout = 5 * time.Second

// postAlert makes one attempt. Nothing signs an alert: it tells no more than the log does.
func (g *Gateway) postAlert(ctx context.Context, l *candorv1.LimitConfig, t limits.Trip) error {
	body, err := json.Marshal(map[string]any{
		"type": "limit.tripped", "id": t.ID, "timestamp": t.At.UTC().Format(time.RFC3339Nano),
		"data": map[string]any{
			"limit": "limits/" + t.Limit, "action": t.Action, "model": t.Model, "consumer": t.Consumer,
			"prediction_id": t.PredictionID, "count": t.Count, "max_count": t.MaxCount,
			"window_seconds": t.Window.Seconds(), "dry_run": t.DryRun,
		},
	})
	if err != nil {
		return err
	}
	target := webhook.Target{URL: l.GetWebhook(), AllowPrivate: l.GetAllowPrivate(), Timeout: alertTimeout}
	return g.sender.Send(ctx, target, webhook.Message{ID: t.ID, Body: body}).Err
}
