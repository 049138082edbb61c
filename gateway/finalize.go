package gateway

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

// finalizeDue ends the items whose undo window has closed or whose deadline has passed.
func (g *Gateway) finalizeDue(ctx context.Context) {
	for ctx.Err() == nil {
		now := g.ledger.Now()
		due, err := g.reviews.Due(ctx, now, finalBatch)
		if err != nil {
			if ctx.Err() == nil {
				g.log.WarnContext(ctx, "review items that are due could not be read; trying again", slog.Any("error", err))
			}
			return
		}
		done := 0
		for i := range due {
			if ctx.Err() != nil {
				return
			}
			if _, ok := g.finalize(ctx, now, &due[i]); ok {
				done++
			}
		}
		// Without progress the rest waits for the next turn.
		if len(due) < finalBatch || done == 0 {
			return
		}
	}
}

// finalize ends an item that is due: a settled verdict becomes final, past its deadline an open item gets the policy's answer. Either
// passes the action limits like any other answer. ok is false where nothing was ended: another gateway was first, or the item
// has changed meanwhile, and is looked at again.
func (g *Gateway) finalize(ctx context.Context, now time.Time, item *review.Item) (final review.Item, ok bool) {
	v, expired := item.Verdict, item.Open()
	if expired {
		v = g.expiryVerdict(item)
	}
	r := g.pass(ctx, now, item, v)
	var act review.Act = review.Finalize{Now: now, Gated: r.Gated}
	if expired {
		act = review.Expire{Now: now, Verdict: v, Gated: r.Gated}
	}
	final, err := g.reviews.Change(ctx, item.ID, ending{Act: act, etag: item.Etag()})
	if err != nil {
		r.undo()
		if ctx.Err() == nil && !g.movedOn(err) {
			g.log.WarnContext(ctx, "a review item could not be ended; trying again", slog.String("review_item", item.ID), slog.Any("error", err))
		}
		return review.Item{}, false
	}
	g.ended(ctx, &final, expired)
	return final, true
}

// movedOn says that an item isn't any more what it was when it was read.
func (g *Gateway) movedOn(err error) bool {
	return errors.Is(err, review.ErrEtag) || errors.Is(err, review.ErrResolved) || errors.Is(err, review.ErrNotDue) ||
		errors.Is(err, review.ErrNotFound) || errors.Is(err, review.ErrNotHeld)
}

// ended counts and traces an item's end.
func (g *Gateway) ended(ctx context.Context, item *review.Item, expired bool) {
	g.tracing.review(item)
	if expired {
		g.metrics.finals.WithLabelValues(item.Model, "expired").Inc()
		g.metrics.expired.WithLabelValues(item.Queue).Inc()
		g.log.WarnContext(ctx, "review deadline passed", slog.String("review_item", item.ID), slog.String("queue", item.Queue),
			slog.String("on_expire", short(item.OnExpire.String())))
		return
	}
	g.metrics.finals.WithLabelValues(item.Model, "verdict").Inc()
	g.metrics.countFlips(item)
	if item.Kind != candorv1.ReviewKind_REVIEW_KIND_GOLDEN && item.Kind != candorv1.ReviewKind_REVIEW_KIND_APPEAL {
		// What was chosen because of its answer says nothing of the others.
		if m := g.plan().models[item.Model]; m != nil {
			g.monitors.verdict(m.watched, item, g.segmentOf(ctx, item))
		}
	}
}

// wakeFinals has the work beside the calls look for items that are due.
func (g *Gateway) wakeFinals() {
	select {
	case g.due <- struct{}{}:
	default:
	}
}

// letOut releases answers that a limit holds and that the gate now lets pass: after a reset.
func (g *Gateway) letOut(ctx context.Context) {
	// uncountable are limits that can't count answers of theirs, such as those that were asked for before the limit wanted an amount. They
	// must not stand before what others hold.
	var uncountable []string
	for ctx.Err() == nil {
		now := g.ledger.Now()
		except := slices.Clone(uncountable)
		for _, s := range g.gate.States(now) {
			if s.Tripped && (s.Configured || s.Stop) && !s.Definition.DryRun {
				except = append(except, s.Definition.Name)
			}
		}
		held, err := g.reviews.Held(ctx, except, finalBatch)
		if err != nil {
			if ctx.Err() == nil {
				g.log.WarnContext(ctx, "held answers could not be read; trying again", slog.Any("error", err))
			}
			return
		}
		out, met := 0, len(uncountable)
		for i := range held {
			left, invalid := g.letOutOne(ctx, now, &held[i])
			if left {
				out++
			}
			if invalid != "" && !slices.Contains(uncountable, invalid) {
				uncountable = append(uncountable, invalid)
			}
		}
		// Without progress the rest waits for the next turn.
		if len(held) < finalBatch || out == 0 && len(uncountable) == met {
			return
		}
	}
}

// letOutOne says whether the answer left, or which limit can't count it.
func (g *Gateway) letOutOne(ctx context.Context, now time.Time, item *review.Item) (left bool, uncountable string) {
	r := g.pass(ctx, now, item, item.Verdict)
	if r.Release != candorv1.ReleaseState_RELEASE_STATE_RELEASED {
		if !r.unknown && r.HeldBy != item.HeldBy {
			g.heldBy(ctx, item, r.HeldBy)
		}
		return false, r.uncountable
	}
	if _, err := g.reviews.Change(ctx, item.ID, ending{Act: review.LetOut{Now: now}, etag: item.Etag()}); err != nil {
		r.undo()
		if ctx.Err() == nil && !g.movedOn(err) {
			g.log.WarnContext(ctx, "a held answer could not be let out; trying again", slog.String("review_item", item.ID), slog.Any("error", err))
		}
		return false, ""
	}
	return true, ""
}

// heldBy notes that another limit holds the answer now: that one is to be reset, and until then nobody asks it for the answer again.
func (g *Gateway) heldBy(ctx context.Context, item *review.Item, limit string) {
	_, err := g.reviews.Change(ctx, item.ID, ending{Act: review.HoldBy{Limit: limit}, etag: item.Etag()})
	if err != nil && ctx.Err() == nil && !g.movedOn(err) {
		g.log.WarnContext(ctx, "which limit holds an answer could not be stored; trying again", slog.String("review_item", item.ID), slog.Any("error", err))
	}
}
