package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/candor-gateway/candor/limits"
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
		if url := g.cfg.GetLimits()[t.Limit].GetWebhook(); url != "" {
			if err := postAlert(ctx, url, t); err != nil {
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

// alertClient follows no redirect: an alert goes where the configuration says and nowhere else.
var alertClient = &http.Client{
	Timeout:       alertTimeout,
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

func postAlert(ctx context.Context, url string, t limits.Trip) error {
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
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("webhook-id", t.ID)
	resp, err := alertClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	// Read what little there is, so that the connection can be used again.
	_, _ = io.CopyN(io.Discard, resp.Body, 4<<10)
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("the receiver answered %s", resp.Status)
	}
	return nil
}
