package gateway

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/candor-gateway/candor/limits"
	"github.com/candor-gateway/candor/webhook"
)

const (
	// alertEvery is how late what another gateway left behind is noticed.
	alertEvery = 15 * time.Second
	// alertDrain is how long deliveries under way may go on after the stop; one that takes longer is made again, under its id, once
	// its claim is over.
	alertDrain = 5 * time.Second
)

// runAlerts tells receivers of trips and resets until ctx ends. Each delivery goes on beside the others: a receiver that hangs holds
// up nobody.
func (g *Gateway) runAlerts(ctx context.Context) {
	sending, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var wg sync.WaitGroup
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		next := alertEvery
		g.guarded(ctx, func(ctx context.Context) { next = g.alertTurn(ctx, sending, &wg) })
		timer.Reset(next)
		select {
		case <-ctx.Done():
		case <-g.tripped:
		case <-timer.C:
		}
	}
	drain := time.AfterFunc(alertDrain, stop)
	defer drain.Stop()
	wg.Wait()
}

// alertTurn begins what is due, and answers when to look again at the latest.
func (g *Gateway) alertTurn(ctx, sending context.Context, wg *sync.WaitGroup) time.Duration {
	open, err := g.limitStore.OpenAlerts(ctx)
	if err != nil {
		if ctx.Err() == nil {
			g.log.WarnContext(ctx, "alerts could not be read; trying again", slog.Any("error", err))
		}
		return alertEvery
	}
	pl, now, wait := g.plan(), g.ledger.Now(), alertEvery
	for _, a := range open {
		due, next, done := errands(a, g.receiversOf(pl, a.Trip.Limit), now)
		if done {
			if err := g.limitStore.CloseAlert(ctx, a.Trip.ID); err != nil && ctx.Err() == nil {
				g.log.WarnContext(ctx, "an alert could not be closed; trying again", slog.String("alert_id", a.Trip.ID), slog.Any("error", err))
			}
			continue
		}
		if !next.IsZero() {
			wait = min(wait, max(next.Sub(now), 0))
		}
		for _, e := range due {
			if ctx.Err() != nil {
				return wait
			}
			claim := limits.AlertClaim{
				Trip: a.Trip.ID, Receiver: e.receiver.name, Resolved: e.resolved, Now: now, Until: now.Add(e.receiver.target.Timeout + alertMargin),
			}
			if e.receiver.after > 0 {
				claim.From = a.Trip.At.Add(e.receiver.after)
			}
			attempt, ok, err := g.limitStore.ClaimAlert(ctx, claim)
			if err != nil {
				if ctx.Err() == nil {
					g.log.WarnContext(ctx, "an alert could not be claimed; trying again", slog.String("alert_id", a.Trip.ID), slog.Any("error", err))
				}
				continue
			}
			if ok {
				wg.Go(func() { g.guarded(sending, func(ctx context.Context) { g.tell(ctx, a, e, attempt) }) })
			}
		}
	}
	return wait
}

// tell makes one attempt, and stores what came of it.
func (g *Gateway) tell(ctx context.Context, a limits.Alert, e errand, attempt int) {
	m, err := g.alertMessage(a, e)
	reply := webhook.Reply{Err: err}
	if err == nil {
		reply = g.sender.Send(ctx, e.receiver.target, m)
	}
	if ctx.Err() != nil && reply.Status == 0 {
		// Cut off by the stop: nobody knows whether it arrived, so it is left to its claim.
		return
	}
	now := g.ledger.Now()
	r := limits.AlertResult{Trip: a.Trip.ID, Receiver: e.receiver.name, Resolved: e.resolved, Attempt: attempt, Now: now}
	switch {
	case reply.Err != nil:
		r.Error, r.Next = reply.Err.Error(), now.Add(alertWait(attempt, reply.RetryAfter))
		g.metrics.alertFailures.WithLabelValues(r.Receiver).Inc()
		g.log.WarnContext(ctx, "an alert could not be delivered; trying again", slog.String("limit", a.Trip.Limit), slog.String("receiver", r.Receiver),
			slog.String("alert_id", a.Trip.ID), slog.Int("attempt", attempt), slog.Time("next_attempt", r.Next), slog.Any("error", reply.Err))
	case !e.resolved && e.receiver.alertmanager > 0:
		r.Next = now.Add(e.receiver.alertmanager)
	}
	storing, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	if err := g.limitStore.FinishAlert(storing, r); err != nil {
		g.log.WarnContext(ctx, "what came of an alert could not be stored; its receiver may see its id again", slog.String("alert_id", a.Trip.ID), slog.Any("error", err))
		return
	}
	g.wakeAlerts()
}
