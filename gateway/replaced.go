package gateway

import (
	"context"
	"errors"
	"log/slog"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

const (
	// replacedEvery is how soon items are looked at again that a reviewer held, or for which the new version had no answer.
	replacedEvery = time.Minute
	// replacedPace is the least time between two items: the work is for nobody who waits at this moment, and a model server has others
	// to answer.
	replacedPace = 20 * time.Millisecond
	// replacedPage is how many items are listed at a time.
	replacedPage = 200
)

// replaceItems does with the items of versions that aren't served any more what the policies say, until none is left and another
// configuration comes. It runs beside the calls, from the start on, and delays nobody.
func (g *Gateway) replaceItems(ctx context.Context) {
	for ctx.Err() == nil {
		left := 0
		var replaced chan struct{}
		whole := g.guarded(ctx, func(ctx context.Context) {
			pl := g.hold()
			defer pl.drop()
			replaced = pl.replaced
			for _, name := range pl.modelNames {
				if m := pl.models[name]; m.review != nil && g.plan() == pl {
					left += g.replaceItemsOf(ctx, m)
				}
			}
		})
		var again <-chan time.Time
		if left > 0 || !whole {
			again = time.After(replacedEvery)
		}
		select {
		case <-ctx.Done():
		case <-again:
		case <-replaced:
		}
	}
}

// replaceItemsOf looks through the open items of a model once, and answers how many are to be looked at again. Where another
// configuration comes meanwhile, those that are left are that one's.
func (g *Gateway) replaceItemsOf(ctx context.Context, m *model) (left int) {
	counts := map[string]int{}
	for _, state := range []candorv1.ReviewState{candorv1.ReviewState_REVIEW_STATE_PENDING, candorv1.ReviewState_REVIEW_STATE_CLAIMED} {
		filter := review.Filter{Model: m.name, State: state, NoGolden: true, Limit: replacedPage}
		for {
			page, err := g.reviews.List(ctx, filter)
			if err != nil {
				if ctx.Err() == nil {
					g.log.WarnContext(ctx, "items of replaced models could not be listed; trying again", slog.String("model", m.name), slog.Any("error", err))
				}
				return left + 1
			}
			for i := range page.Items {
				if !m.replaces(&page.Items[i]) {
					continue
				}
				done, err := g.replaceItem(ctx, m, page.Items[i].ID)
				switch {
				case err != nil && ctx.Err() != nil:
					return left + 1
				case errors.Is(err, errHeld), errors.Is(err, review.ErrClaimed), errors.Is(err, review.ErrEtag), errors.Is(err, errTaken):
					left++
				case err != nil:
					left++
					g.log.WarnContext(ctx, "an item of a replaced model stays as it is; trying again", slog.String("review_item", page.Items[i].ID), slog.Any("error", err))
				default:
					counts[done]++
				}
				select {
				case <-ctx.Done():
					return left + 1
				case <-m.plan.replaced:
					return left + 1
				case <-time.After(replacedPace):
				}
			}
			if filter.After = page.Next; filter.After == "" {
				break
			}
		}
	}
	if len(counts) > 0 {
		g.log.InfoContext(ctx, "items of a replaced model were looked at", slog.String("model", m.name), slog.String("version", m.backendCfg.GetVersion()),
			slog.String("on_replaced", short(m.review.GetOnReplaced().String())), slog.Any("items", counts))
	}
	return left
}

// replaces says that an item waits for what another version said, and that the policy has yet to be applied to it. Only items that a
// caller waits for are looked at: an audit, an appeal, a golden item are about the answer that was given.
func (m *model) replaces(it *review.Item) bool {
	if it.Kind != candorv1.ReviewKind_REVIEW_KIND_DEFERRED {
		return false
	}
	asks := m.review.GetOnReplaced() == candorv1.OnReplaced_ON_REPLACED_RELABEL || m.review.GetOnReplaced() == candorv1.OnReplaced_ON_REPLACED_RESCORE
	if it.ModelReplaced && asks {
		// Which version its answer is of stands in the answer.
		return len(it.Answers) == 0 || it.Answers[0].GetStage() != m.primary.Name() || it.Answers[0].GetVersion() != m.backendCfg.GetVersion()
	}
	return !it.ModelReplaced && (it.Backend != m.primary.Name() || it.ModelVersion != m.backendCfg.GetVersion())
}

// errHeld: a reviewer is at work on the item, and sees what they began with.
var errHeld = errors.New("a reviewer holds it")

// replaceItem does with one item what the policy says, and answers what that was. Errors: what is to be tried again.
func (g *Gateway) replaceItem(ctx context.Context, m *model, id string) (done string, err error) {
	it, err := g.reviews.Get(ctx, id)
	switch {
	case errors.Is(err, review.ErrNotFound):
		return "gone", nil
	case err != nil:
		return "", err
	case !it.Open():
		return "gone", nil
	case it.State == candorv1.ReviewState_REVIEW_STATE_CLAIMED && it.LeaseUntil.After(g.ledger.Now()):
		return "", errHeld
	}
	switch m.review.GetOnReplaced() {
	case candorv1.OnReplaced_ON_REPLACED_WITHDRAW:
		v := g.expiryVerdict(&it)
		if v != nil && v.GetAuthor() == review.AuthorOnExpire {
			v.Author = review.AuthorOnReplaced
		}
		return "withdrawn", g.withdraw(ctx, &it, v)
	case candorv1.OnReplaced_ON_REPLACED_RELABEL, candorv1.OnReplaced_ON_REPLACED_RESCORE:
		request, why := m.requestOf(&it)
		if why != "" {
			if !it.ModelReplaced {
				g.log.InfoContext(ctx, "an item of a replaced model is kept: the new version can't be asked", slog.String("review_item", id), slog.String("because", why))
			}
			return "kept", g.change(ctx, &it, review.Rescore{Now: g.ledger.Now()})
		}
		return g.askAgain(ctx, m, &it, request)
	}
	return "kept", g.change(ctx, &it, review.Rescore{Now: g.ledger.Now()})
}

// change applies an act to the item as it was read. One that has moved on is somebody else's.
func (g *Gateway) change(ctx context.Context, it *review.Item, a review.Act) error {
	next, err := g.reviews.Change(ctx, it.ID, ending{a, it.Etag()})
	if err == nil {
		*it = next
	} else if errors.Is(err, review.ErrResolved) || errors.Is(err, review.ErrNotFound) {
		return nil
	}
	return err
}

// withdraw ends an item with an answer, which passes the limits; nil: none, which rejects.
func (g *Gateway) withdraw(ctx context.Context, it *review.Item, v *candorv1.Verdict) error {
	var final review.Item
	err := g.alone(ctx, it, v, func() (err error) {
		now := g.ledger.Now()
		r := g.pass(ctx, now, it, v)
		act := review.Withdraw{Now: now, Verdict: v, Author: v.GetAuthor(), Gated: r.Gated}
		if final, err = g.reviews.Change(ctx, it.ID, ending{Act: act, etag: it.Etag()}); err != nil {
			r.undo()
		}
		return err
	})
	if err != nil {
		if errors.Is(err, review.ErrResolved) || errors.Is(err, review.ErrNotFound) {
			return nil
		}
		return err
	}
	g.tracing.review(&final)
	g.metrics.finals.WithLabelValues(final.Model, "replaced").Inc()
	return nil
}
