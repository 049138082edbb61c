package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/candor-gateway/candor/review"
)

// Change applies an act to an item; see review.Store. Acts that nothing of is told the decision log run beside the writer, so that
// claims and heartbeats don't wait behind decisions.
func (s *Store) Change(ctx context.Context, id string, a review.Act) (review.Item, error) {
	const doing = "postgres: change a review item"
	var item review.Item
	err := errLogged
	if !ends(a) {
		err = s.directly(ctx, doing, func(d *direct) error {
			it, err := loadItem(d.query, id, forUpdate)
			if err != nil {
				return err
			}
			done, err := apply(d, it, a)
			if err != nil {
				return err
			}
			if logged(done.effects) {
				return errLogged
			}
			if err := save(d, &done); err != nil {
				return err
			}
			d.moved, item = !done.effects.Unchanged, done.Item
			return withPayload(d.query, &item)
		})
	}
	if errors.Is(err, errLogged) {
		err = s.finishing(ctx, doing, id, a, &item)
	}
	if err != nil {
		return review.Item{}, err
	}
	return item, nil
}

// errLogged: the act is for the writer.
var errLogged = errors.New("postgres: the act is told the decision log")

// ends says that an act is for the writer before it is tried.
func ends(a review.Act) bool {
	switch a.(type) {
	case review.Finalize, review.Expire, review.Withdraw, review.LetOut, review.Supersede:
		return true
	}
	return false
}

// finishing applies an act in the writer's transaction.
func (s *Store) finishing(ctx context.Context, doing, id string, a review.Act, item *review.Item) error {
	key := idOf(id)
	if !key.Valid {
		return fmt.Errorf("%s: %w", doing, review.ErrNotFound)
	}
	return s.write(ctx, doing, needs{items: [][16]byte{key.Bytes}}, func(b *batch) error {
		it, err := loadItem(b.query, id, forUpdate)
		if err != nil {
			return err
		}
		done, err := apply(b, it, a)
		if err != nil {
			return err
		}
		if err := save(b, &done); err != nil {
			return err
		}
		*item = done.Item
		if err := withPayload(b.query, item); err != nil || done.effects.Unchanged {
			return err
		}
		b.moved = true
		return b.follow(&done)
	})
}

const (
	// eligible: what a claim takes: an unfinished item of its own that nobody holds (any more), that the holder didn't submit and
	// isn't kept from, and whose own deadline hasn't passed: what is overdue belongs to Expire, and would be taken out of the
	// reviewer's hands. $1 now, $2 the holder, $3 whether the holder is a senior, $4 whether an audit is wanted.
	eligible = `i.state IN (1, 2) AND i.joined_to IS NULL AND (i.state = 1 OR i.lease_until_us <= $1) AND i.consumer <> $2 AND i.deadline_us > $1
		AND ($3 OR NOT i.adjudication) AND i.audit = $4
		AND NOT EXISTS (SELECT FROM review_exclusions x WHERE x.item_id = i.id AND x.reviewer = $2 AND (x.until_us = 0 OR x.until_us > $1))`
	inOrder = ` ORDER BY i.expected_loss DESC, i.deadline_us, i.created_us, i.id LIMIT 1 FOR UPDATE OF i SKIP LOCKED`

	nextOfAll    = `SELECT i.id FROM review_items i WHERE ` + eligible + inOrder
	nextOfQueue  = `SELECT i.id FROM review_items i WHERE ` + eligible + ` AND i.queue = $5` + inOrder
	nextOfQueues = `SELECT i.id FROM review_items i WHERE ` + eligible + ` AND i.queue = ANY($5)` + inOrder
)

// maxChoices bounds how often a claim chooses anew because the chosen item was changed meanwhile.
const maxChoices = 8

// Next claims an item; see review.Store. An item that another claim has just locked is passed over. Without an id the same
// request again answers the item that it got.
func (s *Store) Next(ctx context.Context, c review.Claim) (review.Item, error) {
	const doing = "postgres: claim a review item"
	if c.Holder == "" || c.LeaseFor == nil {
		return review.Item{}, fmt.Errorf("%s: holder and lease must be given", doing)
	}
	var item review.Item
	err := s.directly(ctx, doing, func(d *direct) error {
		for choice := 1; ; choice++ {
			id, err := d.choose(c)
			if err != nil {
				return err
			}
			it, err := loadItem(d.query, id, forUpdate)
			if err != nil {
				return err
			}
			done, err := apply(d, it, c)
			if err != nil && c.ID == "" && choice < maxChoices {
				continue
			}
			if err != nil {
				return err
			}
			if err := save(d, &done); err != nil {
				return err
			}
			d.moved, item = !done.effects.Unchanged, done.Item
			return withPayload(d.query, &item)
		}
	})
	if err != nil {
		return review.Item{}, err
	}
	return item, nil
}

// choose answers the id of the item that a claim is for. Errors: review.ErrEmpty.
func (d *direct) choose(c review.Claim) (string, error) {
	if c.ID != "" {
		return c.ID, nil
	}
	id, err := d.repeated(c.Holder, c.RequestID, claimAct)
	if err != nil || id.Valid {
		return uuidText(id), err
	}
	query, args := nextOfAll, []any{micros(c.Now), c.Holder, c.Senior, false}
	switch {
	case c.Queue != "" && c.Queues != nil && !slices.Contains(c.Queues, c.Queue):
		return "", review.ErrEmpty
	case c.Queue != "":
		query, args = nextOfQueue, append(args, c.Queue)
	case c.Queues != nil:
		query, args = nextOfQueues, append(args, c.Queues)
	}
	for _, audit := range [...]bool{c.AuditsFirst, !c.AuditsFirst} {
		args[3] = audit
		err := d.queryRow(query, args, &id)
		if !errors.Is(err, pgx.ErrNoRows) {
			return uuidText(id), err
		}
	}
	return "", review.ErrEmpty
}
