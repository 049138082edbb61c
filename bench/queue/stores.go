package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
	"github.com/candor-gateway/candor/store/storetest"
)

// ledger is what of a store is measured.
type ledger interface {
	Record(ctx context.Context, rec *candorv1.Record, items []review.Item) error
	Next(ctx context.Context, c review.Claim) (review.Item, error)
	Change(ctx context.Context, id string, a review.Act) (review.Item, error)
	Now() time.Time
}

// inStore is the queue of a store, without a gateway before it.
type inStore struct{ ledger }

// perRecord is how many rows of one call are deferred at once.
const perRecord = 250

// lease outlives every measurement.
const lease = time.Hour

func (s inStore) fill(ctx context.Context, queue string, n int) error {
	for ; n > 0; n -= perRecord {
		rec, items := storetest.Deferral(s.Now(), queue, min(n, perRecord))
		for i := range items {
			items[i].Sequences = nil
		}
		if err := s.Record(ctx, rec, items); err != nil {
			return err
		}
	}
	return nil
}

func (s inStore) claim(ctx context.Context, person int, queue string) (held, error) {
	it, err := s.Next(ctx, review.Claim{
		Queue: queue, Holder: name(person), Now: s.Now(), LeaseFor: func(string) time.Duration { return lease },
	})
	if errors.Is(err, review.ErrEmpty) {
		return held{}, errEmpty
	}
	return held{it.ID, it.Epoch}, err
}

func (s inStore) finish(ctx context.Context, person int, h held) error {
	now := s.Now()
	it, err := s.Change(ctx, h.id, review.Resolve{
		Lease: review.Lease{Holder: name(person), Epoch: h.epoch}, Now: now, Verdict: storetest.Verdict("1"), RequestID: uuid.NewString(),
	})
	if err != nil {
		return err
	}
	it, err = s.Change(ctx, it.ID, review.Finalize{Now: now, Gated: review.Gated{Release: candorv1.ReleaseState_RELEASE_STATE_RELEASED}})
	if err == nil && !it.Final() {
		return fmt.Errorf("item %s has a verdict and no final answer", it.ID)
	}
	return err
}

// name of a person.
func name(person int) string { return fmt.Sprintf("person-%d", person) }
