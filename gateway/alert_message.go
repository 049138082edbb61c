package gateway

import (
	"encoding/json"
	"fmt"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/limits"
	"github.com/candor-gateway/candor/webhook"
)

// alertBody is a message by the Standard Webhooks specification.
type alertBody struct {
	Type      string    `json:"type"`
	ID        string    `json:"id"`
	Timestamp string    `json:"timestamp"`
	Data      alertData `json:"data"`
}

type alertData struct {
	Limit         string  `json:"limit"`
	Trip          string  `json:"trip"`
	Action        string  `json:"action"`
	Model         string  `json:"model"`
	Consumer      string  `json:"consumer"`
	PredictionID  string  `json:"prediction_id"`
	Count         int64   `json:"count"`
	MaxCount      int64   `json:"max_count"`
	WindowSeconds float64 `json:"window_seconds"`
	DryRun        bool    `json:"dry_run"`
	// Kind of the limit: count, sum, ratio or stop.
	Kind string `json:"kind"`
	// Unit of count, max_count and amount where they aren't answers; Key of a limit that has one for each.
	Unit string `json:"unit,omitempty"`
	Key  string `json:"key,omitempty"`
	// Amount that didn't fit into a sum; nil: it is none. Denominator of a ratio, that count was a share of; nil: it is none.
	Amount      *int64 `json:"amount,omitempty"`
	Denominator *int64 `json:"denominator,omitempty"`
	// Of a stop, or of the reset.
	By      string `json:"by,omitempty"`
	AskedBy string `json:"asked_by,omitempty"`
	Reason  string `json:"reason,omitempty"`
	// URL of the page where it can be acknowledged and reset.
	URL string `json:"url,omitempty"`
}

// Types of alerts.
const (
	limitTripped = "limit.tripped"
	limitStopped = "limit.stopped"
	limitReset   = "limit.reset"
)

// alertMessage makes what one receiver is sent.
func (g *Gateway) alertMessage(a limits.Alert, e errand) (webhook.Message, error) {
	m := webhook.Message{ID: a.Trip.ID, Secrets: e.receiver.secrets}
	if e.resolved {
		// The specification wants no full stop in an id.
		m.ID += "-reset"
	}
	var err error
	if e.receiver.alertmanager > 0 {
		m.Body, err = json.Marshal([]alertmanagerAlert{g.alertmanagerAlert(a, e.resolved)})
	} else {
		m.Body, err = json.Marshal(g.alertBody(a, e.resolved, m.ID))
	}
	return m, err
}

func (g *Gateway) alertBody(a limits.Alert, resolved bool, id string) alertBody {
	t := a.Trip
	b := alertBody{Type: limitTripped, ID: id, Timestamp: stamp(t.At), Data: alertData{
		Limit: limits.ResourceName(t.Limit), Trip: t.ID, Action: t.Action, Model: t.Model, Consumer: t.Consumer, PredictionID: t.PredictionID,
		Count: t.Count, MaxCount: t.MaxCount, WindowSeconds: t.Window.Seconds(), DryRun: t.DryRun, By: t.By, Reason: t.Reason, URL: g.limitsURL(),
		Kind: kindNames[g.kindOfTrip(t)], Unit: g.unitOfTrip(t), Key: limits.KeyOf(t.Limit),
	}}
	switch g.kindOfTrip(t) {
	case candorv1.LimitKind_LIMIT_KIND_SUM:
		b.Data.Amount = &t.Amount
	case candorv1.LimitKind_LIMIT_KIND_RATIO:
		b.Data.Denominator = &t.Denominator
	}
	switch {
	case resolved:
		b.Type, b.Timestamp = limitReset, stamp(endOf(a))
		b.Data.By, b.Data.AskedBy, b.Data.Reason = a.Reset.By, a.Reset.AskedBy, a.Reset.Reason
	case t.By != "":
		b.Type = limitStopped
	}
	return b
}

// alertmanagerAlert is one of a POST to /api/v2/alerts of Alertmanager.
type alertmanagerAlert struct {
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
	StartsAt     string            `json:"startsAt"`
	EndsAt       string            `json:"endsAt"`
	GeneratorURL string            `json:"generatorURL,omitempty"`
}

// latchedFor is when an Alertmanager would think that a trip has ended by itself, which none does: a reset says so long before.
const latchedFor = 10 * 365 * 24 * time.Hour

// alertmanagerAlert has the trip's id among its labels: labels are what tells alerts apart there, and what ends one trip must not end the
// next.
func (g *Gateway) alertmanagerAlert(a limits.Alert, resolved bool) alertmanagerAlert {
	t := a.Trip
	name := shortLimit(t.Limit)
	out := alertmanagerAlert{
		Labels: map[string]string{"alertname": "CandorLimitTripped", "severity": "critical", "limit": name, "trip": t.ID},
		Annotations: map[string]string{
			"summary":     fmt.Sprintf("Candor withholds %q: the limit %s has tripped", t.Action, name),
			"description": g.tripSentence(t) + " It holds until an operator resets it.",
		},
		StartsAt: stamp(t.At), EndsAt: stamp(t.At.Add(latchedFor)), GeneratorURL: g.limitsURL(),
	}
	switch {
	case t.By != "":
		out.Labels["alertname"] = "CandorStopped"
		out.Annotations["summary"] = fmt.Sprintf("Candor withholds what %s stands for: %s has stopped it", name, t.By)
		out.Annotations["description"] = t.Reason
	case t.DryRun:
		out.Labels["alertname"], out.Labels["severity"] = "CandorLimitDryRun", "info"
		out.Annotations["summary"] = fmt.Sprintf("The limit %s would have tripped", name)
	}
	for label, value := range map[string]string{"action": t.Action, "model": t.Model, "consumer": t.Consumer} {
		if value != "" {
			out.Labels[label] = value
		}
	}
	if t.PredictionID != "" {
		out.Annotations["prediction_id"] = t.PredictionID
	}
	if resolved {
		out.EndsAt = stamp(endOf(a))
	}
	return out
}

// endOf a trip that was reset. Resets of versions before don't say which trip they released: then it is the trip's own time.
func endOf(a limits.Alert) time.Time {
	if a.Reset.At.IsZero() {
		return a.Trip.At
	}
	return a.Reset.At
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// limitsURL is the page of limits; empty: there are no pages, or nobody knows their address.
func (g *Gateway) limitsURL() string {
	if url := g.plan().cfg.GetListen().GetPublicUrl(); url != "" {
		return url + "/ops/limits"
	}
	return ""
}
