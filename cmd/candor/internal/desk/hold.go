package desk

import (
	"context"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/candor-gateway/candor/cmd/candor/internal/remote"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// hold is an item that a person has in hand, with what they have typed for it so far.
type hold struct {
	item *candorv1.ReviewItem
	note string
	// said is an answer that was typed and is not stored yet.
	said string
	// lost gets why, once, when the lease is lost.
	lost <-chan error
	// drop ends the renewals, and waits.
	drop func()
}

const (
	// renewals is how often a lease is renewed within its length: two may get lost.
	renewals = 3
	// leastRenewal keeps a lease of a second, or a clock that is off, from becoming a flood of calls.
	leastRenewal = time.Second
)

// hold takes an item in hand: its lease is renewed while a person thinks, until it is dropped or lost.
func (s *session) hold(ctx context.Context, item *candorv1.ReviewItem) *hold {
	ctx, cancel := context.WithCancel(ctx)
	done, lost := make(chan struct{}), make(chan error, 1)
	every := max(time.Until(item.GetLeaseExpireTime().AsTime())/renewals, leastRenewal)
	go func() {
		defer close(done)
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		for unheard := 0; ; {
			select {
			case <-ticker.C:
			case <-ctx.Done():
				return
			}
			call, cancel := s.conn.Context(ctx)
			_, err := s.client.RenewReviewItemLease(call, &candorv1.RenewReviewItemLeaseRequest{Name: item.GetName(), Epoch: item.GetEpoch(), Lease: s.lease})
			cancel()
			switch {
			case err == nil:
				unheard = 0
				continue
			case ctx.Err() != nil:
				return
			case passing(err):
				// A connection that is lost may come back, but not for longer than the lease runs.
				if unheard++; unheard < renewals {
					continue
				}
			}
			lost <- err
			return
		}
	}()
	return &hold{item: item, lost: lost, drop: func() { cancel(); <-done }}
}

// passing says of an error that the same call may succeed later.
func passing(err error) bool {
	switch remote.Code(err) {
	case codes.Unavailable, codes.DeadlineExceeded:
		return true
	}
	return false
}
