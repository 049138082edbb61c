package gateway

import (
	"context"
	"errors"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

// Periods of the work beside the request path. Expiry's is how late a default action may be; settling gives unused permits
// back to the limits' stored state, so that a restart doesn't count them.
const (
	expireEvery = time.Second
	settleEvery = 2 * time.Second
	alertEvery  = 15 * time.Second
	// sweepEvery is how late a webhook delivery may be removed after its retention.
	sweepEvery = time.Hour
	// detectEvery is how soon a model server that wasn't there is asked again what it is. What it said holds for longer.
	detectEvery = 5 * time.Second
	expireBatch = 256
)

// startWork runs what goes on beside calls until ctx ends.
func (g *Gateway) startWork(ctx context.Context) *sync.WaitGroup {
	var wg sync.WaitGroup
	wg.Go(func() {
		g.every(ctx, expireEvery, nil, func(ctx context.Context) {
			g.expire(ctx)
			g.letOut(ctx)
		})
	})
	wg.Go(func() {
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
	wg.Go(func() { g.every(ctx, alertEvery, g.tripped, g.sendAlerts) })
	wg.Go(func() { g.dispatcher.Run(ctx) })
	if g.webhooks != nil {
		wg.Go(func() { g.every(ctx, sweepEvery, nil, g.sweepWebhooks) })
	}
	wg.Go(func() {
		<-ctx.Done()
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
		defer cancel()
		if err := g.gap.tell(closing, g); err != nil {
			g.log.ErrorContext(ctx, "the decision log has a gap that it doesn't know of", slog.Any("error", err))
		}
	})
	wg.Go(func() { g.every(ctx, detectEvery, nil, g.detectDialects) })
	wg.Go(func() { g.keepPromises(ctx) })
	wg.Go(func() {
		told := map[string]bool{}
		g.every(ctx, tellEvery, g.monitors.full, func(ctx context.Context) { g.tellMonitors(ctx, told) })
	})
	return &wg
}

// detectDialects asks the model servers whose dialect isn't stated what they are, so that the request path needs only to look.
func (g *Gateway) detectDialects(ctx context.Context) {
	var wg sync.WaitGroup
	for name, b := range g.backends {
		if g.cfg.GetBackends()[name].GetDialect() == candorv1.Dialect_DIALECT_UNSPECIFIED {
			wg.Go(func() { b.Detect(ctx) })
		}
	}
	wg.Wait()
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

// guarded keeps a panic in one turn of the work from ending the process, and with it everybody's calls.
func (g *Gateway) guarded(ctx context.Context, f func(context.Context)) {
	defer func() {
		if p := recover(); p != nil {
			g.metrics.panics.Inc()
			g.log.ErrorContext(ctx, "work beside the calls panicked; it goes on at its next turn", slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
		}
	}()
	f(ctx)
}

// expire finishes the items whose deadline has passed, each by its policy's default action, which passes the action limits
// like any other answer.
func (g *Gateway) expire(ctx context.Context) {
	for ctx.Err() == nil {
		now := g.ledger.Now()
		done, err := g.reviews.Expire(ctx, now, expireBatch, func(item review.Item) review.Expiry {
			if item.Kind == candorv1.ReviewKind_REVIEW_KIND_AUDIT {
				// Its answer left long ago.
				return review.Expiry{Release: candorv1.ReleaseState_RELEASE_STATE_RELEASED}
			}
			v := g.expiryVerdict(&item, now)
			// Inside the store's transaction nothing may ask the store, and the gate may have to. So an answer that a limit
			// bounds is held here, and letOut asks the gate for it at once.
			e := review.Expiry{Verdict: v, Release: candorv1.ReleaseState_RELEASE_STATE_RELEASED}
			if m := g.models[item.Model]; m != nil && v != nil {
				e.Action = m.actionOf(m.fieldNamed(item.Field), v.GetLabel(), verdictValue(v))
				if name := g.limitOf(e.Action, item.Model, item.Consumer); name != "" {
					e.Release, e.HeldBy = candorv1.ReleaseState_RELEASE_STATE_HELD, name
				}
			}
			return e
		})
		if err != nil {
			if ctx.Err() == nil {
				g.log.WarnContext(ctx, "review items could not be expired; trying again", slog.Any("error", err))
			}
			return
		}
		for i := range done {
			g.metrics.finals.WithLabelValues(done[i].Model, "expired").Inc()
			g.tracing.review(&done[i])
			g.log.WarnContext(ctx, "review deadline passed", slog.String("review_item", done[i].ID), slog.String("queue", done[i].Queue),
				slog.String("on_expire", short(done[i].OnExpire.String())))
		}
		if len(done) < expireBatch {
			return
		}
	}
}

// letOut releases answers that a limit holds and that the gate now lets pass: after a reset, and those of deadlines.
func (g *Gateway) letOut(ctx context.Context) {
	for ctx.Err() == nil {
		now := g.ledger.Now()
		var tripped []string
		for _, s := range g.gate.States(now) {
			if s.Tripped && s.Configured && !s.Definition.DryRun {
				tripped = append(tripped, s.Definition.Name)
			}
		}
		held, err := g.reviews.Held(ctx, tripped, expireBatch)
		if err != nil {
			if ctx.Err() == nil {
				g.log.WarnContext(ctx, "held answers could not be read; trying again", slog.Any("error", err))
			}
			return
		}
		out := 0
		for i := range held {
			if g.letOutOne(ctx, now, &held[i]) {
				out++
			}
		}
		// Without progress the rest waits for the next turn.
		if len(held) < expireBatch || out == 0 {
			return
		}
	}
}

func (g *Gateway) letOutOne(ctx context.Context, now time.Time, item *review.Item) bool {
	r := g.pass(ctx, now, item, item.Verdict)
	if r.state != candorv1.ReleaseState_RELEASE_STATE_RELEASED {
		return false
	}
	if _, err := g.reviews.LetOut(ctx, item.ID, now); err != nil {
		r.undo()
		if ctx.Err() == nil && !errors.Is(err, review.ErrNotHeld) {
			g.log.WarnContext(ctx, "a held answer could not be let out; trying again", slog.String("review_item", item.ID), slog.Any("error", err))
		}
		return false
	}
	return true
}

// expiryVerdict is the answer that the policy's on_expire gives; nil: none, which rejects.
func (g *Gateway) expiryVerdict(item *review.Item, now time.Time) *candorv1.Verdict {
	v := &candorv1.Verdict{Author: authorOnExpire, CreateTime: timestamppb.New(now)}
	switch item.OnExpire {
	case candorv1.ExpireAction_EXPIRE_ACTION_DEFAULT:
		switch {
		case item.DefaultValue != nil:
			v.Answer = &candorv1.Verdict_Value{Value: *item.DefaultValue}
		case item.DefaultLabel != "":
			v.Answer = &candorv1.Verdict_Label{Label: item.DefaultLabel}
		default:
			return nil
		}
		return v
	case candorv1.ExpireAction_EXPIRE_ACTION_FALLBACK:
		answer := g.fallbackAnswer(item)
		switch {
		case answer == nil:
			return nil
		case answer.Value != nil:
			v.Answer = &candorv1.Verdict_Value{Value: answer.GetValue()}
		default:
			v.Answer = &candorv1.Verdict_Label{Label: answer.GetLabel()}
		}
		return v
	}
	return nil
}

// fallbackAnswer is what the fallback as a whole said of the row; nil: it had no answer, or was never asked. What the primary
// or one member below the quorum said is not the fallback's answer.
func (g *Gateway) fallbackAnswer(item *review.Item) *candorv1.StageAnswer {
	m := g.models[item.Model]
	if m == nil || len(item.Answers) < 2 {
		return nil
	}
	// Stages stand in the order in which they were asked: the primary, then of each tier the members, the ensemble or the stages
	// after it.
	last := item.Answers[len(item.Answers)-1]
	for _, e := range m.tiers {
		if e.SpeaksAs(last.GetStage()) {
			return last
		}
	}
	return nil
}

func verdictValue(v *candorv1.Verdict) *float64 {
	if a, ok := v.GetAnswer().(*candorv1.Verdict_Value); ok {
		return &a.Value
	}
	return nil
}

// limitOf names a limit that bounds the action; empty: none.
func (g *Gateway) limitOf(action, model, consumer string) string {
	if action == "" || !g.gate.Covers(action, model, consumer) {
		return ""
	}
	for name, l := range g.cfg.GetLimits() {
		if l.GetAction() == action && !l.GetDryRun() && (l.GetModel() == "" || l.GetModel() == model) && (l.GetConsumer() == "" || l.GetConsumer() == consumer) {
			return name
		}
	}
	return ""
}
