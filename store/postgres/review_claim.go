package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

const (
	// eligible: an unfinished item that nobody holds (any more), that the holder didn't submit, and whose own deadline hasn't
	// passed: what is overdue belongs to Expire, and would be taken out of the reviewer's hands. ?1 now, ?2 the holder.
	eligible = `state IN (1, 2) AND (state = 1 OR lease_until_us <= ?1) AND consumer <> ?2 AND deadline_us > ?1`
	inOrder  = ` ORDER BY expected_loss DESC, deadline_us, created_us, id LIMIT 1`

	// The planner knows nothing of how few items are unfinished, so it's told.
	nextOfQueue  = `SELECT id FROM review_items INDEXED BY review_items_next_of_queue WHERE ` + eligible + ` AND queue = ?3` + inOrder
	nextOfAll    = `SELECT id FROM review_items INDEXED BY review_items_next WHERE ` + eligible + inOrder
	nextOfQueues = `SELECT id FROM review_items INDEXED BY review_items_next WHERE ` + eligible +
		` AND queue IN (SELECT value FROM json_each(?3))` + inOrder
)

// Claim leases an item; see review.Store. The holder of a live lease may claim the item again by its id, and gets a new epoch:
// the answer to the first claim may have been lost. The answered item has its payload.
func (s *Store) Claim(ctx context.Context, c review.Claim) (review.Item, error) {
	const doing = "postgres: claim a review item"
	if c.Holder == "" || c.LeaseFor == nil {
		return review.Item{}, fmt.Errorf("%s: holder and lease must be given", doing)
	}
	var item review.Item
	err := s.write(ctx, doing, func(t *tx) error {
		id, err := t.choose(c)
		if err != nil {
			return err
		}
		if item, err = loadItem(t.query, id); err != nil {
			return err
		}
		if err := claimable(item, c); err != nil {
			return err
		}
		item.State, item.Holder, item.Epoch = candorv1.ReviewState_REVIEW_STATE_CLAIMED, c.Holder, item.Epoch+1
		item.LeaseUntil = instant(micros(c.Now.Add(c.LeaseFor(item.Queue))))
		return t.storeLease(item)
	})
	if err != nil {
		return review.Item{}, err
	}
	return s.withPayload(context.WithoutCancel(ctx), item)
}

// choose answers the id of the item that a claim is for. Errors: review.ErrEmpty.
func (t *tx) choose(c review.Claim) (string, error) {
	if c.ID != "" {
		return c.ID, nil
	}
	query, args := nextOfAll, []any{micros(c.Now), c.Holder}
	switch {
	case c.Queue != "" && c.Queues != nil && !slices.Contains(c.Queues, c.Queue):
		return "", review.ErrEmpty
	case c.Queue != "":
		query, args = nextOfQueue, append(args, c.Queue)
	case c.Queues != nil:
		list, err := json.Marshal(c.Queues)
		if err != nil {
			return "", err
		}
		query, args = nextOfQueues, append(args, string(list))
	}
	var id string
	err := t.query(query, args, func(row scanner) error { return row.Scan(&id) })
	if err == nil && id == "" {
		err = review.ErrEmpty
	}
	return id, err
}

// claimable says why an item that was named can't be claimed. Of a queue that the holder may not work on nothing is said.
func claimable(it review.Item, c review.Claim) error {
	switch {
	case c.Queues != nil && !slices.Contains(c.Queues, it.Queue), c.Queue != "" && c.Queue != it.Queue:
		return review.ErrNotFound
	case finished(it):
		return review.ErrResolved
	case it.Consumer == c.Holder:
		return review.ErrSelfReview
	case it.State == candorv1.ReviewState_REVIEW_STATE_CLAIMED && it.Holder != c.Holder && it.LeaseUntil.After(c.Now):
		return review.ErrClaimed
	}
	return nil
}

func finished(it review.Item) bool {
	return it.State != candorv1.ReviewState_REVIEW_STATE_PENDING && it.State != candorv1.ReviewState_REVIEW_STATE_CLAIMED
}

// Renew extends a lease; an until before the lease's end changes nothing.
func (s *Store) Renew(ctx context.Context, l review.Lease, now, until time.Time) (review.Item, error) {
	return s.withLease(ctx, "postgres: renew a lease", l, now, func(t *tx, it *review.Item) error {
		if until := instant(micros(until)); until.After(it.LeaseUntil) {
			it.LeaseUntil = until
			return t.storeLease(*it)
		}
		return nil
	})
}

// Release gives an item back.
func (s *Store) Release(ctx context.Context, l review.Lease, now time.Time) (review.Item, error) {
	return s.withLease(ctx, "postgres: release a review item", l, now, func(t *tx, it *review.Item) error {
		it.State, it.Holder, it.LeaseUntil = candorv1.ReviewState_REVIEW_STATE_PENDING, "", time.Time{}
		return t.storeLease(*it)
	})
}

// withLease lets change act on an item whose lease is the caller's, in the transaction that checks it.
func (s *Store) withLease(
	ctx context.Context, doing string, l review.Lease, now time.Time, change func(*tx, *review.Item) error,
) (review.Item, error) {
	var item review.Item
	err := s.write(ctx, doing, func(t *tx) (err error) {
		if item, err = loadItem(t.query, l.ID); err != nil {
			return err
		}
		if err := holds(item, l, now); err != nil {
			return err
		}
		return change(t, &item)
	})
	if err != nil {
		return review.Item{}, err
	}
	return s.withPayload(context.WithoutCancel(ctx), item)
}

// holds says whether the lease is the one that is running. Errors: review.ErrResolved, review.ErrStaleLease.
func holds(it review.Item, l review.Lease, now time.Time) error {
	switch {
	case finished(it):
		return review.ErrResolved
	case it.State != candorv1.ReviewState_REVIEW_STATE_CLAIMED, it.Holder != l.Holder, it.Epoch != l.Epoch, !it.LeaseUntil.After(now):
		return review.ErrStaleLease
	}
	return nil
}

func (t *tx) storeLease(it review.Item) error {
	_, err := t.exec(`UPDATE review_items SET state = ?, holder = ?, epoch = ?, lease_until_us = ? WHERE id = ?`,
		int64(it.State), it.Holder, int64(it.Epoch), micros(it.LeaseUntil), it.ID)
	return err
}
