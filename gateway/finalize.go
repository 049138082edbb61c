package gateway

import (
	"context"
	"errors"
	"log/slog"
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
			if _, err := g.finalize(ctx, now, &due[i]); err == nil {
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
// passes the action limits like any other answer. With an error nothing was ended: errTaken, another gateway was first, or the item
// has changed meanwhile, and is looked at again.
func (g *Gateway) finalize(ctx context.Context, now time.Time, item *review.Item) (final review.Item, err error) {
	v, expired := item.Verdict, item.Open()
	if expired {
		v = g.expiryVerdict(item)
	}
	err = g.alone(ctx, item, v, func() (err error) {
		r := g.pass(ctx, now, item, v)
		var act review.Act = review.Finalize{Now: now, Gated: r.Gated}
		if expired {
			act = review.Expire{Now: now, Verdict: v, Gated: r.Gated}
		}
		if final, err = g.reviews.Change(ctx, item.ID, ending{Act: act, etag: item.Etag()}); err != nil {
			r.undo()
		}
		return err
	})
	if err != nil {
		if ctx.Err() == nil && !g.movedOn(err) {
			g.log.WarnContext(ctx, "a review item could not be ended; trying again", slog.String("review_item", item.ID), slog.Any("error", err))
		}
		return review.Item{}, err
	}
	g.ended(ctx, &final, expired)
	return final, nil
}

// alone ends an item by f, with the answer v. Where the limits count the answer nobody else is at it meanwhile, and nobody has been since the
// item was read: an answer that they were asked for twice could trip one. Errors: errTaken where somebody is, review.ErrEtag where somebody has
// been; those of f.
func (g *Gateway) alone(ctx context.Context, item *review.Item, v *candorv1.Verdict, f func() error) error {
	if !g.counts(item, v) {
		return f()
	}
	var ferr error
	ran, err := g.reviews.Alone(ctx, item.ID, func() {
		now, err := g.reviews.Get(ctx, item.ID)
		switch {
		case err != nil:
			ferr = err
		case now.Etag() != item.Etag():
			ferr = review.ErrEtag
		default:
			ferr = f()
		}
	})
	switch {
	case err != nil:
		return err
	case !ran:
		return errTaken
	}
	return ferr
}

// errTaken: somebody else is about to end the item.
var errTaken = errors.New("somebody else is at the item")

// movedOn says that an item isn't any more what it was when it was read, or is about not to be.
func (g *Gateway) movedOn(err error) bool {
	return errors.Is(err, errTaken) || errors.Is(err, review.ErrEtag) || errors.Is(err, review.ErrResolved) || errors.Is(err, review.ErrNotDue) ||
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

// letOut releases answers that a limit holds and that the gate now lets pass: after a reset. What the gate still holds, such as answers that
// their limit can't count, stands before no other: the next read is of those behind, in the next turn where there are many. One gateway at a
// time does: an answer that the limits were asked for twice could trip one.
func (g *Gateway) letOut(ctx context.Context) {
	more := true
	for batch := 0; more && batch < heldBatches && ctx.Err() == nil; batch++ {
		more = false
		var err error
		_, aerr := g.reviews.Alone(ctx, review.LettingOut, func() { more, err = g.letOutSome(ctx) })
		if err = errors.Join(aerr, err); err != nil && ctx.Err() == nil {
			g.log.WarnContext(ctx, "held answers could not be read; trying again", slog.Any("error", err))
		}
	}
}

// letOutSome lets out a batch, and answers whether the next is worth a look. Errors: the store's, when it can't be read.
func (g *Gateway) letOutSome(ctx context.Context) (more bool, err error) {
	now := g.ledger.Now()
	var except []string
	for _, s := range g.gate.States(now) {
		if s.Tripped && (s.Configured || s.Stop) && !s.Definition.DryRun {
			except = append(except, s.Definition.Name)
		}
	}
	held, err := g.reviews.Held(ctx, except, g.heldAfter, finalBatch)
	if err != nil {
		return false, err
	}
	out, unknown := 0, false
	for i := range held {
		if ctx.Err() != nil {
			return false, nil
		}
		r := g.letOutOne(ctx, now, &held[i])
		if r.Release == candorv1.ReleaseState_RELEASE_STATE_RELEASED {
			out++
		}
		unknown = unknown || r.unknown
	}
	if len(held) < finalBatch {
		g.heldAfter = review.HeldPlace{}
		return false, nil
	}
	g.heldAfter = held[len(held)-1].HeldPlace()
	// Where nobody can be asked the rest waits for the next turn.
	return !unknown || out > 0, nil
}

// letOutOne answers what the gate said of the answer: HELD also where it could not be stored that it leaves.
func (g *Gateway) letOutOne(ctx context.Context, now time.Time, item *review.Item) release {
	r := g.pass(ctx, now, item, item.Verdict)
	if r.Release != candorv1.ReleaseState_RELEASE_STATE_RELEASED {
		if !r.unknown && r.HeldBy != item.HeldBy {
			g.heldBy(ctx, item, r.HeldBy)
		}
		return r
	}
	if _, err := g.reviews.Change(ctx, item.ID, ending{Act: review.LetOut{Now: now}, etag: item.Etag()}); err != nil {
		r.undo()
		r.Release, r.unknown = candorv1.ReleaseState_RELEASE_STATE_HELD, !g.movedOn(err)
		if ctx.Err() == nil && !g.movedOn(err) {
			g.log.WarnContext(ctx, "a held answer could not be let out; trying again", slog.String("review_item", item.ID), slog.Any("error", err))
		}
	}
	return r
}

// heldBy notes that another limit holds the answer now: that one is to be reset, and until then nobody asks it for the answer again.
func (g *Gateway) heldBy(ctx context.Context, item *review.Item, limit string) {
	_, err := g.reviews.Change(ctx, item.ID, ending{Act: review.HoldBy{Limit: limit}, etag: item.Etag()})
	if err != nil && ctx.Err() == nil && !g.movedOn(err) {
		g.log.WarnContext(ctx, "which limit holds an answer could not be stored; trying again", slog.String("review_item", item.ID), slog.Any("error", err))
	}
}
