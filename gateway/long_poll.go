package gateway

import (
	"context"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// pollMargin is left of the caller's deadline for the answer's way back: a long poll that ends with nothing new is an answer, and no
// failure.
const pollMargin = 100 * time.Millisecond

// awaitFinal answers the newest state of a prediction: as soon as no row waits for a review, and otherwise when the wait or the
// caller's deadline is over, or the gateway stops. Like a stream it ends when the caller is no longer somebody.
func (g *Gateway) awaitFinal(ctx context.Context, p *Principal, id string, wait time.Duration) ([]*candorv1.Prediction, error) {
	if wait <= 0 {
		return g.poll(ctx, p, id, 0)
	}
	ctx, ended, stop := g.whileKnown(ctx, g.planOf(ctx), p)
	defer stop()
	letGo(ctx)
	predictions, err := g.poll(ctx, p, id, wait)
	if e := ended(); e != nil {
		return nil, e
	}
	return predictions, err
}

func (g *Gateway) poll(ctx context.Context, p *Principal, id string, wait time.Duration) ([]*candorv1.Prediction, error) {
	if deadline, ok := ctx.Deadline(); ok {
		wait = min(wait, time.Until(deadline)-pollMargin)
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for over := wait <= 0; ; {
		// Taken before reading, so that what is stored in between isn't missed.
		changed := g.ledger.Changed()
		predictions, _, _, err := g.story(ctx, p, id)
		if err != nil || over || !anyOpen(predictions) {
			return predictions, err
		}
		select {
		case <-changed:
		case <-timer.C:
			over = true
		case <-g.stopping:
			return predictions, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// anyOpen says that a row's answer can still change because a review is open.
func anyOpen(predictions []*candorv1.Prediction) bool {
	for _, p := range predictions {
		switch p.GetState() {
		case candorv1.AnswerState_ANSWER_STATE_PENDING, candorv1.AnswerState_ANSWER_STATE_PROVISIONAL:
			return true
		}
	}
	return false
}
