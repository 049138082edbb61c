package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/candor-gateway/candor/people"
	"github.com/candor-gateway/candor/webhook"
)

// OpenWebhook makes an endpoint known, at the end of the feed; see webhook.Store.
func (s *Store) OpenWebhook(ctx context.Context, name string, _ time.Time) error {
	const doing = "postgres: open a webhook"
	if name == "" {
		return fmt.Errorf("%s: it has no name", doing)
	}
	return s.directly(ctx, doing, func(d *direct) error {
		_, err := d.exec(`INSERT INTO webhooks (name, cursor) SELECT $1, position FROM feeds WHERE name = 'finals' ON CONFLICT DO NOTHING`, name)
		return err
	})
}

// Webhook answers an endpoint; see webhook.Store.
func (s *Store) Webhook(ctx context.Context, name string, now time.Time) (webhook.Endpoint, error) {
	e := webhook.Endpoint{Name: name}
	err := s.snapshot(ctx, func(read queryFunc) (err error) {
		found := false
		err = read(`
			SELECT disabled_reason, disabled_us, last_success_us, last_failure_us, last_error,
				(SELECT count(*) FROM webhook_deliveries WHERE webhook = w.name AND state = 1),
				(SELECT count(*) FROM webhook_deliveries WHERE webhook = w.name AND state = 3)
			FROM webhooks w WHERE name = $1`, []any{name}, func(row scanner) error {
			found = true
			var disabled, success, failure int64
			err := row.Scan(&e.DisabledReason, &disabled, &success, &failure, &e.LastError, &e.Pending, &e.Failed)
			e.Disabled, e.LastSuccess, e.LastFailure = instant(disabled), instant(success), instant(failure)
			return err
		})
		if err != nil || !found {
			return orElse(err, webhook.ErrNotFound)
		}
		e.Secrets, err = readSecrets(read, name, now)
		return err
	})
	if err != nil {
		return webhook.Endpoint{}, fmt.Errorf("postgres: read a webhook: %w", err)
	}
	return e, nil
}

// WebhookCursor answers where an endpoint is in the feed; see webhook.Store.
func (s *Store) WebhookCursor(ctx context.Context, name string) (uint64, error) {
	var cursor int64
	if err := s.pool.QueryRow(ctx, `SELECT cursor FROM webhooks WHERE name = $1`, name).Scan(&cursor); err != nil {
		return 0, fmt.Errorf("postgres: read a webhook's cursor: %w", unknownWebhook(err))
	}
	return uint64(cursor), nil
}

func readSecrets(query queryFunc, name string, now time.Time) ([]webhook.Secret, error) {
	var out []webhook.Secret
	err := query(`SELECT key, created_us, expires_us FROM webhook_secrets
		WHERE webhook = $1 AND (expires_us = 0 OR expires_us > $2) ORDER BY position DESC`, []any{name, micros(now)}, func(row scanner) error {
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
	if errors.Is(err, pgx.ErrNoRows) {
		return webhook.ErrNotFound
	}
	return err
}

// lockWebhook makes an endpoint ours until the commit, and answers why it is disabled. Whoever locks deliveries as well locks it
// first. Errors: webhook.ErrNotFound.
func lockWebhook(in writing, name string) (disabled string, err error) {
	err = in.queryRow(`SELECT disabled_reason FROM webhooks WHERE name = $1 FOR UPDATE`, []any{name}, &disabled)
	return disabled, unknownWebhook(err)
}

// RotateWebhookSecret stores a new secret; see webhook.Store.
func (s *Store) RotateWebhookSecret(ctx context.Context, c webhook.Change, secret webhook.Secret, overlap time.Duration) error {
	return s.write(ctx, "postgres: rotate a webhook's secret", needs{}, func(b *batch) error {
		if _, err := lockWebhook(b, c.Endpoint); err != nil {
			return err
		}
		b.later(`UPDATE webhook_secrets SET expires_us = $1 WHERE webhook = $2 AND (expires_us = 0 OR expires_us > $1)`,
			micros(c.Now.Add(overlap)), c.Endpoint)
		b.later(`INSERT INTO webhook_secrets (webhook, key, created_us) VALUES ($1, $2, $3)`, c.Endpoint, secret.Key, micros(secret.Created))
		return b.webhookChanged(c, "webhook.rotate", "")
	})
}

// EnableWebhook lets an endpoint go on; see webhook.Store.
func (s *Store) EnableWebhook(ctx context.Context, c webhook.Change) error {
	return s.write(ctx, "postgres: enable a webhook", needs{}, func(b *batch) error {
		reason, err := lockWebhook(b, c.Endpoint)
		if err != nil || reason == "" {
			return err
		}
		b.later(`UPDATE webhooks SET disabled_reason = '', disabled_us = 0 WHERE name = $1`, c.Endpoint)
		b.later(`UPDATE webhook_deliveries SET attempts = 0, first_us = 0, due_us = $1 WHERE webhook = $2 AND state = 1`, micros(c.Now), c.Endpoint)
		return b.webhookChanged(c, "webhook.enable", "it was disabled: "+reason)
	})
}

// webhookChanged puts what somebody does to an endpoint into the decision log.
func (b *batch) webhookChanged(c webhook.Change, verb, reason string) error {
	return b.adminAt(c.Now, verb, "webhooks/"+c.Endpoint, people.By{Name: c.By, Reason: reason, Remote: c.Remote})
}
