package postgres

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
	var state int32
	err := row.Scan(append([]any{&d.ID, &d.Endpoint, &position, &d.Key, &state, &d.Attempts, &first, &epoch, &created, &due, &ended,
		&d.LastError, &d.LastStatus}, more...)...)
	d.State = candorv1.WebhookDeliveryState(state)
	d.Position, d.Epoch, d.First, d.Created, d.Due = uint64(position), uint64(epoch), instant(first), instant(created), instant(due)
	if d.State == candorv1.WebhookDeliveryState_WEBHOOK_DELIVERY_STATE_DELIVERED {
		d.Delivered = instant(ended)
	}
	return d, err
}

// Deliveries answers a page of an endpoint's deliveries; see webhook.Store. The token is webhook.PageToken of the last one.
func (s *Store) Deliveries(ctx context.Context, f webhook.Filter) (out []webhook.Delivery, next string, err error) {
	const doing = "postgres: list webhook deliveries"
	if f.Limit < 1 {
		return nil, "", fmt.Errorf("%s: limit is %d: give at least 1", doing, f.Limit)
	}
	if _, err := s.WebhookCursor(ctx, f.Endpoint); err != nil {
		return nil, "", err
	}
	var position *int64
	var id string
	if f.After != "" {
		n, rest, err := webhook.ParsePageToken(f.After)
		if err != nil {
			return nil, "", fmt.Errorf("%s: %w", doing, err)
		}
		position, id = &n, rest
	}
	err = s.reader(ctx)(`SELECT `+deliveryColumns+` FROM webhook_deliveries WHERE webhook = $1 AND ($2::integer = 0 OR state = $2)
		AND ($3::bigint IS NULL OR (position, id) < ($3, $4::text)) ORDER BY position DESC, id DESC LIMIT $5`,
		[]any{f.Endpoint, int32(f.State), position, id, f.Limit + 1}, func(row scanner) error {
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
	err = s.write(ctx, "postgres: replay webhook deliveries", needs{}, func(b *batch) error {
		n = 0
		if _, err := lockWebhook(b, r.Endpoint); err != nil {
			return err
		}
		if r.FromStart {
			b.later(`UPDATE webhooks SET cursor = 0 WHERE name = $1`, r.Endpoint)
			return b.webhookChanged(r.Change, "webhook.replay", "from the feed's start")
		}
		const again = `UPDATE webhook_deliveries SET state = 1, attempts = 0, first_us = 0, epoch = epoch + 1, due_us = $1, ended_us = 0
			WHERE webhook = $2 AND length(body) > 0 AND `
		where, args, what := `created_us >= $3`, []any{micros(r.Now), r.Endpoint, micros(r.Since)}, "since "+r.Since.UTC().Format(time.RFC3339)
		switch {
		case r.ID != "":
			where, args[2], what = `id = $3`, r.ID, "delivery "+r.ID
		case r.FailedOnly:
			where, what = where+` AND (state = 3 OR state = 1 AND attempts > 0)`, what+", those that failed"
		}
		var err error
		if n, err = b.count(again+where+` RETURNING true`, args...); err != nil {
			return err
		}
		if n == 0 && r.ID != "" {
			return webhook.ErrNotFound
		}
		return b.webhookChanged(r.Change, "webhook.replay", what)
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

// endedDeliveries that are removed: those of $1 or before, $2 at most.
const endedDeliveries = `DELETE FROM webhook_deliveries WHERE id IN (
	SELECT id FROM webhook_deliveries WHERE state <> 1 AND ended_us <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED)`

// SweepDeliveries removes what has ended; see webhook.Store. It works in small transactions and stops between two of them when
// ctx ends.
func (s *Store) SweepDeliveries(ctx context.Context, until time.Time) (removed int64, err error) {
	const doing = "postgres: remove webhook deliveries"
	err = s.directly(ctx, doing, func(d *direct) error {
		_, err := d.exec(`DELETE FROM webhook_secrets WHERE expires_us > 0 AND expires_us <= $1`, micros(until))
		return err
	})
	if err != nil {
		return 0, err
	}
	return s.sweepAll(ctx, doing, endedDeliveries, micros(until))
}
