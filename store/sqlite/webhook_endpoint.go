package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/webhook"
)

// The states of a delivery as they are stored.
const (
	deliveryPending   = int64(candorv1.WebhookDeliveryState_WEBHOOK_DELIVERY_STATE_PENDING)
	deliveryDelivered = int64(candorv1.WebhookDeliveryState_WEBHOOK_DELIVERY_STATE_DELIVERED)
	deliveryFailed    = int64(candorv1.WebhookDeliveryState_WEBHOOK_DELIVERY_STATE_FAILED)
)

const secretsOfWebhook = `SELECT key, created_us, expires_us FROM webhook_secrets
	WHERE webhook = ? AND (expires_us = 0 OR expires_us > ?) ORDER BY position DESC`

// OpenWebhook makes an endpoint known, at the end of the feed; see webhook.Store.
func (s *Store) OpenWebhook(ctx context.Context, name string, _ time.Time) error {
	const doing = "sqlite: open a webhook"
	if name == "" {
		return fmt.Errorf("%s: it has no name", doing)
	}
	return s.write(ctx, doing, func(t *tx) error {
		_, err := t.exec(`INSERT INTO webhooks (name, cursor) SELECT ?, coalesce(max(position), 0) FROM finals WHERE true ON CONFLICT DO NOTHING`, name)
		return err
	})
}

// Webhook answers an endpoint; see webhook.Store.
func (s *Store) Webhook(ctx context.Context, name string, now time.Time) (webhook.Endpoint, error) {
	const doing = "sqlite: read a webhook"
	e := webhook.Endpoint{Name: name}
	var disabled, success, failure int64
	err := s.readDB.QueryRowContext(ctx, `
		SELECT disabled_reason, disabled_us, last_success_us, last_failure_us, last_error,
			(SELECT count(*) FROM webhook_deliveries WHERE webhook = w.name AND state = 1),
			(SELECT count(*) FROM webhook_deliveries WHERE webhook = w.name AND state = 3)
		FROM webhooks w WHERE name = ?`, name).
		Scan(&e.DisabledReason, &disabled, &success, &failure, &e.LastError, &e.Pending, &e.Failed)
	if err != nil {
		return webhook.Endpoint{}, fmt.Errorf("%s: %w", doing, unknownWebhook(err))
	}
	e.Disabled, e.LastSuccess, e.LastFailure = instant(disabled), instant(success), instant(failure)
	if e.Secrets, err = readSecrets(s.reader(ctx), name, now); err != nil {
		return webhook.Endpoint{}, fmt.Errorf("%s: %w", doing, err)
	}
	return e, nil
}

// WebhookCursor answers where an endpoint is in the feed; see webhook.Store.
func (s *Store) WebhookCursor(ctx context.Context, name string) (uint64, error) {
	var cursor int64
	if err := s.readDB.QueryRowContext(ctx, `SELECT cursor FROM webhooks WHERE name = ?`, name).Scan(&cursor); err != nil {
		return 0, fmt.Errorf("sqlite: read a webhook's cursor: %w", unknownWebhook(err))
	}
	return uint64(cursor), nil
}

func readSecrets(query queryFunc, name string, now time.Time) ([]webhook.Secret, error) {
	var out []webhook.Secret
	err := query(secretsOfWebhook, []any{name, micros(now)}, func(row scanner) error {
		var secret webhook.Secret
		var created, expires int64
		err := row.Scan(&secret.Key, &created, &expires)
		secret.Created, secret.Expires = instant(created), instant(expires)
		out = append(out, secret)
		return err
	})
	return out, err
}

// unknownWebhook words the absence of a row.
func unknownWebhook(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return webhook.ErrNotFound
	}
	return err
}

// RotateWebhookSecret stores a new secret; see webhook.Store.
func (s *Store) RotateWebhookSecret(ctx context.Context, c webhook.Change, secret webhook.Secret, overlap time.Duration) error {
	return s.write(ctx, "sqlite: rotate a webhook's secret", func(t *tx) error {
		if err := t.changeWebhook(c, "webhook.rotate", ""); err != nil {
			return err
		}
		until := micros(c.Now.Add(overlap))
		if _, err := t.exec(`UPDATE webhook_secrets SET expires_us = ? WHERE webhook = ? AND (expires_us = 0 OR expires_us > ?)`,
			until, c.Endpoint, until); err != nil {
			return err
		}
		_, err := t.exec(`INSERT INTO webhook_secrets (webhook, key, created_us) VALUES (?, ?, ?)`, c.Endpoint, secret.Key, micros(secret.Created))
		return err
	})
}

// EnableWebhook lets an endpoint go on; see webhook.Store.
func (s *Store) EnableWebhook(ctx context.Context, c webhook.Change) error {
	return s.write(ctx, "sqlite: enable a webhook", func(t *tx) error {
		var reason string
		if err := t.queryRow(`SELECT disabled_reason FROM webhooks WHERE name = ?`, []any{c.Endpoint}, &reason); err != nil {
			return unknownWebhook(err)
		}
		if reason == "" {
			return nil
		}
		if err := t.changeWebhook(c, "webhook.enable", "it was disabled: "+reason); err != nil {
			return err
		}
		if _, err := t.exec(`UPDATE webhooks SET disabled_reason = '', disabled_us = 0 WHERE name = ?`, c.Endpoint); err != nil {
			return err
		}
		_, err := t.exec(`UPDATE webhook_deliveries SET attempts = 0, first_us = 0, due_us = ? WHERE webhook = ? AND state = 1`,
			micros(c.Now), c.Endpoint)
		return err
	})
}

// changeWebhook puts what somebody does to an endpoint into the decision log. Errors: webhook.ErrNotFound.
func (t *tx) changeWebhook(c webhook.Change, verb, reason string) error {
	var known int64
	if err := t.queryRow(`SELECT count(*) FROM webhooks WHERE name = ?`, []any{c.Endpoint}, &known); err != nil {
		return err
	}
	if known == 0 {
		return webhook.ErrNotFound
	}
	_, err := t.appendRecord(&candorv1.Record{TimeUs: micros(c.Now), Entry: &candorv1.Record_Admin{Admin: &candorv1.AdminRecord{
		Verb: verb, By: c.By, Subject: "webhooks/" + c.Endpoint, Reason: reason, Remote: c.Remote,
	}}})
	return err
}
