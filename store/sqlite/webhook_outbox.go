package sqlite

import (
	"context"
	"fmt"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/webhook"
)

// byDispatcher is who disables an endpoint when no person does.
const byDispatcher = "gateway"

// AppendDeliveries stores a page of the feed as deliveries and moves the cursor; see webhook.Store.
func (s *Store) AppendDeliveries(ctx context.Context, p webhook.Page) error {
	const doing = "sqlite: store webhook deliveries"
	return s.write(ctx, doing, func(t *tx) error {
		var cursor int64
		if err := t.queryRow(`SELECT cursor FROM webhooks WHERE name = ?`, []any{p.Endpoint}, &cursor); err != nil {
			return unknownWebhook(err)
		}
		if uint64(cursor) != p.After {
			return webhook.ErrMoved
		}
		now := micros(p.Now)
		for _, d := range p.Deliveries {
			state, ended := int64(d.State), int64(0)
			if state != deliveryPending {
				ended = now
			}
			body := d.Body
			if body == nil {
				body = []byte{}
			}
			if _, err := t.exec(`
				INSERT INTO webhook_deliveries (id, webhook, position, prediction_id, body, state, created_us, due_us, ended_us, last_error)
				VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
				d.ID, p.Endpoint, int64(d.Position), d.Key, body, state, now, now, ended, d.LastError); err != nil {
				return fmt.Errorf("store delivery %s: %w", d.ID, err)
			}
		}
		_, err := t.exec(`UPDATE webhooks SET cursor = ? WHERE name = ?`, int64(p.To), p.Endpoint)
		return err
	})
}

// dueDeliveries finds deliveries of ?1 that may be sent at ?2, ?3 at most: of each prediction only the first that is pending.
const dueDeliveries = `SELECT ` + deliveryColumns + `, body FROM webhook_deliveries d INDEXED BY webhook_deliveries_due
	WHERE webhook = ?1 AND state = 1 AND due_us <= ?2 AND NOT EXISTS (
		SELECT 1 FROM webhook_deliveries e INDEXED BY webhook_deliveries_order
		WHERE e.webhook = ?1 AND e.prediction_id = d.prediction_id AND e.state = 1 AND e.position < d.position)
	ORDER BY due_us, position LIMIT ?3`

// nextDue is when the first pending delivery of ?1 is due that isn't leased until ?2.
const nextDue = `SELECT coalesce(min(due_us), 0) FROM webhook_deliveries INDEXED BY webhook_deliveries_due
	WHERE webhook = ?1 AND state = 1 AND due_us > ?2`

// LeaseDeliveries leases what is due; see webhook.Store.
func (s *Store) LeaseDeliveries(ctx context.Context, l webhook.Lease) (webhook.Leased, error) {
	const doing = "sqlite: lease webhook deliveries"
	if l.Limit < 1 {
		return webhook.Leased{}, fmt.Errorf("%s: limit is %d: give at least 1", doing, l.Limit)
	}
	// Mostly there is nothing, and then nothing should wait for the writer.
	out, err := leased(s.reader(ctx), l)
	if err == nil && len(out.Deliveries) > 0 {
		err = s.write(ctx, doing, func(t *tx) (err error) {
			if out, err = leased(t.query, l); err != nil {
				return err
			}
			for i := range out.Deliveries {
				d := &out.Deliveries[i]
				d.Epoch++
				d.Due = l.Until
				if _, err := t.exec(`UPDATE webhook_deliveries SET epoch = ?, due_us = ? WHERE id = ?`, int64(d.Epoch), micros(l.Until), d.ID); err != nil {
					return err
				}
			}
			return nil
		})
		return out, err
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", doing, err)
	}
	return out, err
}

// leased reads what may be leased, and changes nothing.
func leased(query queryFunc, l webhook.Lease) (out webhook.Leased, err error) {
	known, enabled := false, false
	err = query(`SELECT disabled_reason = '' FROM webhooks WHERE name = ?`, []any{l.Endpoint}, func(row scanner) error {
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
	err = query(dueDeliveries, []any{l.Endpoint, micros(l.Now), l.Limit}, func(row scanner) error {
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
	err = s.write(ctx, "sqlite: store what came of a webhook delivery", func(t *tx) error {
		disabled = false
		var state, attempts, first, epoch int64
		err := t.queryRow(`SELECT state, attempts, first_us, epoch FROM webhook_deliveries WHERE id = ? AND webhook = ?`,
			[]any{r.ID, r.Endpoint}, &state, &attempts, &first, &epoch)
		if err != nil {
			return unknownWebhook(err)
		}
		now := micros(r.Now)
		if first == 0 {
			first = now
		}
		if r.Error == "" {
			if _, err := t.exec(`UPDATE webhooks SET last_success_us = ? WHERE name = ?`, now, r.Endpoint); err != nil || state == deliveryDelivered {
				return err
			}
			_, err := t.exec(`UPDATE webhook_deliveries SET state = ?, attempts = ?, first_us = ?, ended_us = ?, last_error = '', last_status = ? WHERE id = ?`,
				deliveryDelivered, attempts+1, first, now, r.Status, r.ID)
			return err
		}
		if state != deliveryPending || uint64(epoch) != r.Epoch {
			return nil
		}
		disabled, err = t.failDelivery(r, attempts+1, first)
		return err
	})
	return disabled && err == nil, err
}

// failDelivery stores a failure, and what it means for the endpoint.
func (t *tx) failDelivery(r webhook.Result, attempts, first int64) (disabled bool, err error) {
	now := micros(r.Now)
	if _, err := t.exec(`UPDATE webhooks SET last_failure_us = ?, last_error = ? WHERE name = ?`, now, r.Error, r.Endpoint); err != nil {
		return false, err
	}
	why, state, next, ended := r.Disable, deliveryPending, micros(r.Next), int64(0)
	if r.Disable != "" {
		next = now
	} else if r.Next.IsZero() {
		state, next, ended = deliveryFailed, now, now
		var success int64
		if err := t.queryRow(`SELECT last_success_us FROM webhooks WHERE name = ?`, []any{r.Endpoint}, &success); err != nil {
			return false, err
		}
		if success < first {
			why = fmt.Sprintf("a delivery failed %d times, and no other succeeded meanwhile: %s", attempts, r.Error)
		}
	}
	if _, err := t.exec(`UPDATE webhook_deliveries SET state = ?, attempts = ?, first_us = ?, due_us = ?, ended_us = ?, last_error = ?, last_status = ? WHERE id = ?`,
		state, attempts, first, next, ended, r.Error, r.Status, r.ID); err != nil || why == "" {
		return false, err
	}
	n, err := t.exec(`UPDATE webhooks SET disabled_reason = ?, disabled_us = ? WHERE name = ? AND disabled_reason = ''`, why, now, r.Endpoint)
	if err != nil || n == 0 {
		return false, err
	}
	_, err = t.appendRecord(&candorv1.Record{TimeUs: now, Entry: &candorv1.Record_Admin{Admin: &candorv1.AdminRecord{
		Verb: "webhook.disable", By: byDispatcher, Subject: "webhooks/" + r.Endpoint, Reason: why,
	}}})
	return err == nil, err
}
