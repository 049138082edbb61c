package webhook

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/defect"
)

// courier sends to one endpoint.
type courier struct {
	d      *Dispatcher
	name   string
	target Target
	log    *slog.Logger
	guard  defect.Guard
	// wake is poked from outside, freed when a slot is.
	wake, freed chan struct{}
	underWay    sync.WaitGroup

	mu sync.Mutex
	// busy slots; the first is the endpoint's own.
	busy int
	// troubled: the last turn failed, and the log knows.
	troubled bool
}

// run works until ctx ends; requests go on until sending does.
func (c *courier) run(ctx, sending context.Context) {
	defer c.underWay.Wait()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		// Taken before reading, so that what is stored in between isn't missed.
		changed := c.d.Feed.Changed()
		next := c.d.poll
		c.guard.Whole("webhook: a turn", func() { next = c.turn(ctx, sending) })
		timer.Reset(next)
		select {
		case <-ctx.Done():
		case <-changed:
		case <-c.wake:
		case <-c.freed:
		case <-timer.C:
		}
	}
}

// turn reads on in the feed, sends what is due, and answers when to look again at the latest.
func (c *courier) turn(ctx, sending context.Context) time.Duration {
	err := c.advance(ctx)
	next := c.d.poll
	if err == nil {
		next, err = c.dispatch(ctx, sending)
	}
	if err != nil && ctx.Err() == nil && !c.troubled {
		c.log.WarnContext(ctx, "webhook: the store did not answer; trying again", slog.Any("error", err))
	}
	c.troubled = err != nil
	return next
}

// advance makes deliveries of what the feed has behind the cursor.
func (c *courier) advance(ctx context.Context) error {
	cursor, err := c.d.Store.WebhookCursor(ctx, c.name)
	if err != nil {
		return err
	}
	for ctx.Err() == nil {
		events, to, err := c.d.Feed.Events(ctx, c.name, cursor, feedPage)
		if err != nil || to == cursor {
			return err
		}
		page := Page{Endpoint: c.name, After: cursor, To: to, Now: c.d.Feed.Now()}
		for _, ev := range events {
			d := Delivery{ID: ID(c.name, ev), Key: ev.Key, Position: ev.Position, Body: ev.Body, State: candorv1.WebhookDeliveryState_WEBHOOK_DELIVERY_STATE_PENDING}
			if ev.Fault != "" {
				d.State, d.LastError = candorv1.WebhookDeliveryState_WEBHOOK_DELIVERY_STATE_FAILED, ev.Fault
				c.log.ErrorContext(ctx, "webhook: a final answer can't be put into a message", slog.String("prediction_id", ev.Key), slog.String("fault", ev.Fault))
			}
			page.Deliveries = append(page.Deliveries, d)
		}
		err = c.d.Store.AppendDeliveries(ctx, page)
		if errors.Is(err, ErrMoved) {
			// Whoever moved it has done this page, or wants another.
			poke(c.wake)
			return nil
		}
		if err != nil {
			return err
		}
		cursor = to
	}
	return nil
}

// dispatch leases what there are slots for and starts sending it.
func (c *courier) dispatch(ctx, sending context.Context) (next time.Duration, err error) {
	slots := c.take()
	if slots == 0 {
		return c.d.poll, nil
	}
	defer func() {
		for range slots {
			c.give()
		}
	}()
	now := c.d.Feed.Now()
	leased, err := c.d.Store.LeaseDeliveries(ctx, Lease{Endpoint: c.name, Now: now, Until: now.Add(c.target.Timeout + leaseMargin), Limit: slots})
	if err != nil {
		return c.d.poll, err
	}
	for _, d := range leased.Deliveries {
		slots-- // it is the delivery's now
		c.underWay.Go(func() {
			defer poke(c.freed)
			defer c.give()
			// What is left undone is left to its lease.
			c.guard.Whole("webhook: a delivery", func() { c.send(sending, d, leased.Secrets) })
		})
	}
	next = c.d.poll
	if wait := leased.Next.Sub(now); !leased.Next.IsZero() && wait > 0 {
		next = min(next, wait)
	}
	return next, nil
}

// take answers how many slots the endpoint gets now.
func (c *courier) take() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.busy
	for c.busy < slotsPerEndpoint {
		if c.busy > 0 {
			select {
			case c.d.shared <- struct{}{}:
			default:
				return c.busy - before
			}
		}
		c.busy++
	}
	return c.busy - before
}

// give frees a slot: the endpoint's own last.
func (c *courier) give() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.busy--; c.busy > 0 {
		<-c.d.shared
	}
}

// send makes an attempt and stores what came of it.
func (c *courier) send(ctx context.Context, d Delivery, secrets []Secret) {
	reply := Reply{Err: errDefect}
	c.guard.Whole("webhook: an attempt", func() { reply = c.d.Sender.Send(ctx, c.target, Message{ID: d.ID, Body: d.Body, Secrets: secrets}) })
	if ctx.Err() != nil && reply.Status == 0 {
		// Cut off by the stop: nobody knows whether it arrived, so it is left to its lease.
		return
	}
	now := c.d.Feed.Now()
	r := Result{ID: d.ID, Endpoint: c.name, Epoch: d.Epoch, Now: now, Status: reply.Status}
	outcome := Delivered
	if reply.Err != nil {
		r.Error = reply.Err.Error()
		outcome = Failed
		switch wait, again := delay(d.Attempts+1, reply.RetryAfter); {
		case reply.Gone():
			r.Disable, outcome = "the receiver answered 410 Gone", Retried
			r.Next = now
		case again:
			r.Next, outcome = now.Add(wait), Retried
		}
	}
	storing, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTime)
	defer cancel()
	disabled, err := c.d.Store.FinishDelivery(storing, r)
	if err != nil {
		c.log.WarnContext(ctx, "webhook: what came of a delivery could not be stored; it may be sent again under its id",
			slog.String("delivery", d.ID), slog.Any("error", err))
		return
	}
	c.d.Observe(c.name, outcome)
	attrs := []any{slog.String("delivery", d.ID), slog.String("prediction_id", d.Key), slog.Int("attempt", d.Attempts+1), slog.Any("error", reply.Err)}
	switch {
	case disabled:
		c.log.ErrorContext(ctx, "webhook: disabled; nothing is sent until candor webhooks enable", attrs...)
	case outcome == Failed:
		c.log.ErrorContext(ctx, "webhook: a delivery has failed for good; candor webhooks replay sends it again", attrs...)
	case outcome == Retried:
		c.log.WarnContext(ctx, "webhook: a delivery has failed; trying again", append(attrs, slog.Time("next_attempt", r.Next))...)
	}
}
