package postgres

import (
	"context"
	"fmt"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/people"
	"github.com/candor-gateway/candor/review"
	"github.com/candor-gateway/candor/webhook"
)

// The states of a delivery as they are stored.
const (
	deliveryPending   = int32(candorv1.WebhookDeliveryState_WEBHOOK_DELIVERY_STATE_PENDING)
	deliveryDelivered = int32(candorv1.WebhookDeliveryState_WEBHOOK_DELIVERY_STATE_DELIVERED)
	deliveryFailed    = int32(candorv1.WebhookDeliveryState_WEBHOOK_DELIVERY_STATE_FAILED)
)

// AppendDeliveries stores a page of the feed as deliveries and moves the cursor; see webhook.Store.
func (s *Store) AppendDeliveries(ctx context.Context, p webhook.Page) error {
	return s.directly(ctx, "postgres: store webhook deliveries", func(d *direct) error {
		var cursor int64
		if err := d.queryRow(`SELECT cursor FROM webhooks WHERE name = $1 FOR UPDATE`, []any{p.Endpoint}, &cursor); err != nil {
			return unknownWebhook(err)
		}
		if uint64(cursor) != p.After {
			return webhook.ErrMoved
		}
		now := micros(p.Now)
		for _, it := range p.Deliveries {
			state, ended := int32(it.State), int64(0)
			if state != deliveryPending {
				ended = now
			}
			d.later(`
				INSERT INTO webhook_deliveries (id, webhook, position, prediction_id, body, state, created_us, due_us, ended_us, last_error)
				VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (id) DO NOTHING`,
				it.ID, p.Endpoint, int64(it.Position), it.Key, append([]byte{}, it.Body...), state, now, now, ended, text(it.LastError))
		}
		d.later(`UPDATE webhooks SET cursor = $1 WHERE name = $2`, int64(p.To), p.Endpoint)
		return nil
	})
}

const (
	// dueDeliveries finds deliveries of $1 that may be sent at $2, $3 at most: of each prediction only the first that is pending.
	// Those that another gateway leases right now are left to it.
	dueDeliveries = `SELECT ` + deliveryColumns + `, body FROM webhook_deliveries d
		WHERE webhook = $1 AND state = 1 AND due_us <= $2 AND NOT EXISTS (
			SELECT FROM webhook_deliveries e
			WHERE e.webhook = $1 AND e.prediction_id = d.prediction_id AND e.state = 1 AND e.position < d.position)
		ORDER BY due_us, position LIMIT $3`
	lockedDeliveries = dueDeliveries + ` FOR UPDATE OF d SKIP LOCKED`

	// nextDue is when the first pending delivery of $1 is due that isn't leased until $2.
	nextDue = `SELECT coalesce(min(due_us), 0) FROM webhook_deliveries WHERE webhook = $1 AND state = 1 AND due_us > $2`
)

// LeaseDeliveries leases what is due; see webhook.Store.
func (s *Store) LeaseDeliveries(ctx context.Context, l webhook.Lease) (webhook.Leased, error) {
	const doing = "postgres: lease webhook deliveries"
	if l.Limit < 1 {
		return webhook.Leased{}, fmt.Errorf("%s: limit is %d: give at least 1", doing, l.Limit)
	}
	// Mostly there is nothing, and then nothing should be written.
	out, err := leased(s.reader(ctx), l, dueDeliveries)
	if err != nil {
		return out, fmt.Errorf("%s: %w", doing, err)
	}
	if len(out.Deliveries) == 0 {
		return out, nil
	}
	err = s.directly(ctx, doing, func(d *direct) (err error) {
		if out, err = leased(d.query, l, lockedDeliveries); err != nil {
			return err
		}
		ids := make([]string, len(out.Deliveries))
		for i := range out.Deliveries {
			it := &out.Deliveries[i]
			it.Epoch++
			it.Due, ids[i] = l.Until, it.ID
		}
		d.later(`UPDATE webhook_deliveries SET epoch = epoch + 1, due_us = $1 WHERE id = ANY($2)`, micros(l.Until), ids)
		return nil
	})
	return out, err
}

// leased reads what may be leased, by due, and changes nothing.
func leased(query queryFunc, l webhook.Lease, due string) (out webhook.Leased, err error) {
	known, enabled := false, false
	err = query(`SELECT disabled_reason = '' FROM webhooks WHERE name = $1`, []any{l.Endpoint}, func(row scanner) error {
		known = true
		return row.Scan(&enabled)
	})
	if err == nil && !known {
		err = webhook.ErrNotFound
	}
	if err != nil || !enabled {
		return out, err
	}
	if out.Secrets, err = readSecrets(query, l.Endpoint, l.Now); err != nil || len(out.Secrets) == 0 {
		return out, err
	}
	err = query(due, []any{l.Endpoint, micros(l.Now), l.Limit}, func(row scanner) error {
		var body []byte
		d, err := scanDelivery(row, &body)
		d.Body = body
		out.Deliveries = append(out.Deliveries, d)
		return err
	})
	if err != nil {
		return out, err
	}
	err = query(nextDue, []any{l.Endpoint, micros(l.Now)}, func(row scanner) error {
		var next int64
		err := row.Scan(&next)
		out.Next = instant(next)
		return err
	})
	return out, err
}

// FinishDelivery stores what came of a lease; see webhook.Store.
func (s *Store) FinishDelivery(ctx context.Context, r webhook.Result) (disabled bool, err error) {
	err = s.write(ctx, "postgres: store what came of a webhook delivery", needs{}, func(b *batch) error {
		disabled = false
		if _, err := lockWebhook(b, r.Endpoint); err != nil {
			return err
		}
		var state int32
		var attempts, first, epoch int64
		err := b.queryRow(`SELECT state, attempts, first_us, epoch FROM webhook_deliveries WHERE id = $1 AND webhook = $2 FOR UPDATE`,
			[]any{r.ID, r.Endpoint}, &state, &attempts, &first, &epoch)
		if err != nil {
			return unknownWebhook(err)
		}
		now := micros(r.Now)
		if first == 0 {
			first = now
		}
		if r.Error == "" {
			b.later(`UPDATE webhooks SET last_success_us = $1 WHERE name = $2`, now, r.Endpoint)
			if state != deliveryDelivered {
				b.later(`UPDATE webhook_deliveries SET state = $1, attempts = $2, first_us = $3, ended_us = $4, last_error = '', last_status = $5
					WHERE id = $6`, deliveryDelivered, attempts+1, first, now, r.Status, r.ID)
			}
			return nil
		}
		if state != deliveryPending || uint64(epoch) != r.Epoch {
			return nil
		}
		disabled, err = b.failDelivery(r, attempts+1, first)
		return err
	})
	return disabled && err == nil, err
}

// failDelivery stores a failure, and what it means for the endpoint, which is locked.
func (b *batch) failDelivery(r webhook.Result, attempts, first int64) (disabled bool, err error) {
	now, said := micros(r.Now), text(r.Error)
	b.later(`UPDATE webhooks SET last_failure_us = $1, last_error = $2 WHERE name = $3`, now, said, r.Endpoint)
	why, state, next, ended := text(r.Disable), deliveryPending, micros(r.Next), int64(0)
	if r.Disable != "" {
		next = now
	} else if r.Next.IsZero() {
		state, next, ended = deliveryFailed, now, now
		var success int64
		if err := b.queryRow(`SELECT last_success_us FROM webhooks WHERE name = $1`, []any{r.Endpoint}, &success); err != nil {
			return false, err
		}
		if success < first {
			why = fmt.Sprintf("a delivery failed %d times, and no other succeeded meanwhile: %s", attempts, said)
		}
	}
	b.later(`UPDATE webhook_deliveries SET state = $1, attempts = $2, first_us = $3, due_us = $4, ended_us = $5, last_error = $6, last_status = $7
		WHERE id = $8`, state, attempts, first, next, ended, said, r.Status, r.ID)
	if why == "" {
		return false, nil
	}
	n, err := b.count(`UPDATE webhooks SET disabled_reason = $1, disabled_us = $2 WHERE name = $3 AND disabled_reason = '' RETURNING true`,
		why, now, r.Endpoint)
	if err != nil || n == 0 {
		return false, err
	}
	return true, b.adminAt(r.Now, "webhook.disable", "webhooks/"+r.Endpoint, people.By{Name: review.AuthorGateway, Reason: why})
}
