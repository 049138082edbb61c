package gateway_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/candor-gateway/candor/gateway"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

// beaten is a store in which another gateway was first with the n-th change.
type beaten struct {
	review.Store
	changes atomic.Int64
	nth     int64
}

func (s *beaten) Change(ctx context.Context, id string, a review.Act) (review.Item, error) {
	if s.changes.Add(1) == s.nth {
		return review.Item{}, review.ErrEtag
	}
	return s.Store.Change(ctx, id, a)
}

// Where an answer could not be made final, its permit goes back to the limit, and the work beside the calls tries again: nothing is
// lost, and nothing counted twice.
func TestAPermitGoesBack(t *testing.T) {
	store := &beaten{nth: 2} // The verdict is the first, its end the second.
	w := startWith(t, options{deps: func(d *gateway.Deps) {
		store.Store = d.Reviews
		d.Reviews = store
	}}, withLimit(1, "")...)
	name, id := w.deferOne(deferredRow)
	item := w.resolve(reviewerToken, name, "bad")
	if item.GetState() != candorv1.ReviewState_REVIEW_STATE_RESOLVED {
		t.Errorf("%v", item)
	}
	w.eventually(func() bool { return w.prediction(id).GetFinalTime() != nil })
	if p := w.prediction(id); p.GetState() != candorv1.AnswerState_ANSWER_STATE_FINAL || p.GetLabel() != "bad" {
		t.Errorf("%v", p)
	}
	if l := w.limit("declines"); l.GetUsed() != 1 || l.GetTripped() {
		t.Errorf("%v", l)
	}
}
