package sqlite

import (
	"context"
	"fmt"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/webhook"
)

// deliveryColumns in the order of scanDelivery.
const deliveryColumns = `id, webhook, position, prediction_id, state, attempts, first_us, epoch, created_us, due_us, ended_us, last_error, last_status`

// scanDelivery reads deliveryColumns, and what the query has beyond them.
func scanDelivery(row scanner, more ...any) (webhook.Delivery, error) {
	var d webhook.Delivery
	var position, epoch, first, created, due, ended int64
	err := row.Scan(append([]any{&d.ID, &d.Endpoint, &position, &d.Key, &d.State, &d.Attempts, &first, &epoch, &created, &due, &ended,
		&d.LastError, &d.LastStatus}, more...)...)
	d.Position, d.Epoch, d.First, d.Created, d.Due = uint64(position), uint64(epoch), instant(first), instant(created), instant(due)
	if d.State == candorv1.WebhookDeliveryState_WEBHOOK_DELIVERY_STATE_DELIVERED {
		d.Delivered = instant(ended)
	}
	return d, err
}

// Deliveries answers a page of an endpoint's deliveries; see webhook.Store. The token is webhook.PageToken of the last one.
func (s *Store) Deliveries(ctx context.Context, f webhook.Filter) (out []webhook.Delivery, next string, err error) {
	const doing = "sqlite: list webhook deliveries"
	if f.Limit < 1 {
		return nil, "", fmt.Errorf("%s: limit is %d: give at least 1", doing, f.Limit)
	}
	if _, err := s.Webhook(ctx, f.Endpoint, time.Time{}); err != nil {
		return nil, "", err
	}
	query, args := `SELECT `+deliveryColumns+` FROM webhook_deliveries WHERE webhook = ?`, []any{f.Endpoint}
	if f.State != candorv1.WebhookDeliveryState_WEBHOOK_DELIVERY_STATE_UNSPECIFIED {
		query, args = query+` AND state = ?`, append(args, int64(f.State))
	}
	if f.After != "" {
		position, id, err := webhook.ParsePageToken(f.After)
		if err != nil {
			return nil, "", fmt.Errorf("%s: %w", doing, err)
		}
		query, args = query+` AND (position, id) < (?, ?)`, append(args, position, id)
	}
	err = s.reader(ctx)(query+` ORDER BY position DESC, id DESC LIMIT ?`, append(args, f.Limit+1), func(row scanner) error {
		d, err := scanDelivery(row)
		out = append(out, d)
		return err
	})
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", doing, err)
	}
	if len(out) > f.Limit {
		out = out[:f.Limit]
		last := out[f.Limit-1]
		next = webhook.PageToken(last)
	}
	return out, next, nil
}

// ReplayDeliveries sends again; see webhook.Store.
func (s *Store) ReplayDeliveries(ctx context.Context, r webhook.Replay) (n int64, err error) {
	err = s.write(ctx, "sqlite: replay webhook deliveries", func(t *tx) (err error) {
		again := `UPDATE webhook_deliveries SET state = 1, attempts = 0, first_us = 0, epoch = epoch + 1, due_us = ?1, ended_us = 0
			WHERE webhook = ?2 AND length(body) > 0 AND `
		args := []any{micros(r.Now), r.Endpoint}
		var what string
		switch {
		case r.FromStart:
			if err := t.changeWebhook(r.Change, "webhook.replay", "from the feed's start"); err != nil {
				return err
			}
			_, err = t.exec(`UPDATE webhooks SET cursor = 0 WHERE name = ?`, r.Endpoint)
			n = 0
			return err
		case r.ID != "":
			again, args, what = again+`id = ?3`, append(args, r.ID), "delivery "+r.ID
		default:
			again, args, what = again+`created_us >= ?3`, append(args, micros(r.Since)), "since "+r.Since.UTC().Format(time.RFC3339)
			if r.FailedOnly {
				again, what = again+` AND (state = 3 OR state = 1 AND attempts > 0)`, what+", those that failed"
			}
		}
		if err := t.changeWebhook(r.Change, "webhook.replay", what); err != nil {
			return err
		}
		n, err = t.exec(again, args...)
		if err == nil && n == 0 && r.ID != "" {
			return webhook.ErrNotFound
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

// endedDeliveries that are removed: those of ?1 or before, ?2 at most.
const endedDeliveries = `DELETE FROM webhook_deliveries WHERE id IN (
	SELECT id FROM webhook_deliveries INDEXED BY webhook_deliveries_ended WHERE state <> 1 AND ended_us <= ? LIMIT ?)`

// SweepDeliveries removes what has ended; see webhook.Store. It works in small transactions and stops between two of them when
// ctx ends.
func (s *Store) SweepDeliveries(ctx context.Context, until time.Time) (removed int64, err error) {
	const doing = "sqlite: remove webhook deliveries"
	err = s.write(ctx, doing, func(t *tx) error {
		_, err := t.exec(`DELETE FROM webhook_secrets WHERE expires_us > 0 AND expires_us <= ?`, micros(until))
		return err
	})
	for n := int64(sweepBatch); err == nil && n == sweepBatch; removed += n {
		err = s.write(ctx, doing, func(t *tx) (err error) {
			n, err = t.exec(endedDeliveries, micros(until), sweepBatch)
			return err
		})
		if err != nil {
			n = 0
		}
	}
	return removed, err
}
