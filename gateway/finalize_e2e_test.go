package gateway_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	grpcpeer "google.golang.org/grpc/peer"

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

// overtaken is a store in which the work beside the calls comes to an item's end before the call that resolves it: it has ended the item, or it
// is at it.
type overtaken struct {
	review.Store
	atIt bool
	// changes counts those that come of calls. begun, tried and ended are closed when the other work has the item alone, when the call has asked
	// for that, and when the other work is done.
	changes             atomic.Int64
	begun, tried, ended chan struct{}
	once                sync.Once
}

func (s *overtaken) Change(ctx context.Context, id string, a review.Act) (review.Item, error) {
	if _, called := grpcpeer.FromContext(ctx); called {
		s.changes.Add(1)
	}
	return s.Store.Change(ctx, id, a)
}

func (s *overtaken) Alone(ctx context.Context, id string, f func()) (bool, error) {
	if _, called := grpcpeer.FromContext(ctx); called {
		first := s.ended
		if s.atIt {
			first = s.begun
		}
		select {
		case <-first:
		case <-ctx.Done():
		}
		ran, err := s.Store.Alone(ctx, id, f)
		if err == nil && ran == s.atIt {
			err = errors.New("two have the item alone, or nobody")
		}
		close(s.tried)
		return ran, err
	}
	if id == review.LettingOut {
		return s.Store.Alone(ctx, id, f)
	}
	ended := false
	ran, err := s.Store.Alone(ctx, id, func() {
		s.once.Do(func() {
			close(s.begun)
			ended = true
			if s.atIt {
				<-s.tried
			}
		})
		f()
	})
	if ended {
		close(s.ended)
	}
	return ran, err
}

// Whoever ends an item first, the reviewer is told of its end in the answer to the verdict, and it counts once.
func TestAVerdictIsAnsweredWithTheEnd(t *testing.T) {
	for what, c := range map[string]struct {
		bound   int
		release candorv1.ReleaseState
		heldBy  string
		atIt    bool
	}{
		"released":       {5, candorv1.ReleaseState_RELEASE_STATE_RELEASED, "", false},
		"held":           {1, candorv1.ReleaseState_RELEASE_STATE_HELD, "limits/declines", false},
		"being released": {5, candorv1.ReleaseState_RELEASE_STATE_RELEASED, "", true},
		"being held":     {1, candorv1.ReleaseState_RELEASE_STATE_HELD, "limits/declines", true},
	} {
		t.Run(what, func(t *testing.T) {
			store := &overtaken{atIt: c.atIt, begun: make(chan struct{}), tried: make(chan struct{}), ended: make(chan struct{})}
			w := startWith(t, options{deps: func(d *gateway.Deps) {
				store.Store = d.Reviews
				d.Reviews = store
			}}, withLimit(c.bound, ", on_trip: review")...)
			used := int64(1)
			if a := w.infer(t.Context(), request([][4]float32{sureRow})); a.err != nil {
				t.Fatal(a.err)
			}
			name, id := w.deferOne(deferredRow)
			item := w.resolve(reviewerToken, name, "bad")
			if n := store.changes.Load(); n != 1 {
				t.Fatalf("%d changes came of calls, want the verdict alone", n)
			}
			if item.GetReleaseState() != c.release || item.GetHeldBy() != c.heldBy {
				t.Errorf("the answer to the verdict is %v", item)
			}
			if c.heldBy == "" {
				used++
				if p := w.prediction(id); p.GetState() != candorv1.AnswerState_ANSWER_STATE_FINAL || p.GetLabel() != "bad" {
					t.Errorf("%v", p)
				}
			}
			if l := w.limit("declines"); l.GetUsed()-l.GetLeased() != used {
				t.Errorf("%d are counted: %v", used, l)
			}
		})
	}
}
