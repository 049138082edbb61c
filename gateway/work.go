package gateway

import (
	"context"
	"log/slog"
	"sync"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/defect"
)

// Periods of the work beside the request path. That of finals is how late a default action or the end of an undo window may be; settling gives unused permits
// back to the limits' stored state, so that a restart doesn't count them and other gateways can use them: well within the length of a lease. That of
// following is how late a stop or a reset elsewhere is seen where the store's word of it got lost, and a trip where permits are in hand.
const (
	finalEvery  = time.Second
	settleEvery = 500 * time.Millisecond
	followEvery = 400 * time.Millisecond
	// sweepEvery is how late a webhook delivery may be removed after its retention.
	sweepEvery = time.Hour
	// detectEvery is how soon a model server that wasn't there is asked again what it is. What it said holds for longer.
	detectEvery = 5 * time.Second
	finalBatch  = 256
	// heldBatches is how many batches of held answers a turn looks at.
	heldBatches = 16
	// depthEvery is how old the gauges of the queues may be.
	depthEvery = 10 * time.Second
)

// startWork runs what goes on beside calls until ctx ends. A panic costs a turn of it; one outside of a turn begins it anew.
func (g *Gateway) startWork(ctx context.Context) *sync.WaitGroup {
	var wg sync.WaitGroup
	begin := func(work string, f func()) {
		wg.Go(func() { g.guard().Lasting(ctx, work, f) })
	}
	begin("making answers final", func() {
		g.every(ctx, finalEvery, g.due, func(ctx context.Context) {
			g.finalizeDue(ctx)
			g.letOut(ctx)
		})
	})
	begin("measuring the queues", func() { g.every(ctx, depthEvery, nil, g.measureQueues) })
	begin("watching the desks", func() { g.watchDesks(ctx) })
	begin("replacing items", func() { g.replaceItems(ctx) })
	begin("settling permits", func() {
		g.every(ctx, settleEvery, nil, func(ctx context.Context) {
			if err := g.gate.Settle(ctx, g.ledger.Now()); err != nil && ctx.Err() == nil {
				g.log.WarnContext(ctx, "permits could not be settled", slog.Any("error", err))
			}
		})
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
		defer cancel()
		if err := g.gate.Close(closing, g.ledger.Now()); err != nil {
			g.log.WarnContext(ctx, "unused permits stay deducted until they leave their window", slog.Any("error", err))
		}
	})
	begin("sending alerts", func() { g.runAlerts(ctx) })
	begin("following latches", func() { g.keepFollowing(ctx) })
	begin("sending to webhooks", func() { g.dispatch(ctx) })
	if g.webhooks != nil {
		begin("sweeping deliveries", func() { g.every(ctx, sweepEvery, nil, g.sweepWebhooks) })
	}
	begin("telling the log of gaps", func() {
		<-ctx.Done()
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
		defer cancel()
		if err := g.gap.tell(closing, g); err != nil {
			g.log.ErrorContext(ctx, "the decision log has a gap that it doesn't know of", slog.Any("error", err))
		}
	})
	begin("detecting dialects", func() { g.every(ctx, detectEvery, nil, g.detectDialects) })
	begin("keeping promises", func() { g.keepPromises(ctx) })
	begin("telling of monitors", func() {
		told := map[string]bool{}
		g.every(ctx, tellEvery, g.monitors.full, func(ctx context.Context) { g.tellMonitors(ctx, told) })
	})
	return &wg
}

// detectDialects asks the model servers whose dialect isn't stated what they are, so that the request path needs only to look.
func (g *Gateway) detectDialects(ctx context.Context) {
	pl := g.hold()
	defer pl.drop()
	var all defect.Group
	for name, b := range pl.backends {
		if pl.cfg.GetBackends()[name].GetDialect() == candorv1.Dialect_DIALECT_UNSPECIFIED {
			all.Go(func() { b.Detect(ctx) })
		}
	}
	all.Wait()
}

// every calls f at once, then at each tick and whenever wake fires, until ctx ends.
func (g *Gateway) every(ctx context.Context, period time.Duration, wake <-chan struct{}, f func(context.Context)) {
	ticker := time.NewTicker(period)
	defer ticker.Stop()
	for {
		g.guarded(ctx, f)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-wake:
		}
	}
}

// guard is for goroutines of the gateway's own, behind which no handler recovers.
func (g *Gateway) guard() defect.Guard {
	return defect.Guard{Log: g.log, Count: func() { g.metrics.panics.Inc() }}
}

// guarded does one turn of the work, and says whether it came to its end. After a panic the work goes on at its next turn.
func (g *Gateway) guarded(ctx context.Context, f func(context.Context)) bool {
	return g.guard().Whole("a turn of the work beside the calls", func() { f(ctx) })
}
