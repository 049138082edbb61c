package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/candor-gateway/candor/review"
)

const (
	// eligible: what a claim takes: an unfinished item of its own that nobody holds (any more), that the holder didn't submit and
	// isn't kept from, and whose own deadline hasn't passed: what is overdue belongs to Expire, and would be taken out of the
	// reviewer's hands. $1 now, $2 the holder, $3 whether the holder is a senior, $4 whether an audit is wanted.
	eligible = `i.state IN (1, 2) AND i.joined_to IS NULL AND (i.state = 1 OR i.lease_until_us <= $1) AND i.consumer <> $2 AND i.deadline_us > $1
		AND ($3 OR NOT i.adjudication) AND i.audit = $4 AND (i.kind <> 3 OR i.holder = $2)
		AND NOT EXISTS (SELECT FROM review_exclusions x WHERE x.item_id = i.id AND x.reviewer = $2 AND (x.until_us = 0 OR x.until_us > $1))`
	inOrder = ` ORDER BY i.expected_loss DESC, i.deadline_us, i.created_us, i.id LIMIT 1 FOR UPDATE OF i SKIP LOCKED`

	nextOfAll = `SELECT i.id FROM review_items i WHERE ` + eligible + inOrder
	// Of one queue by a range, and in its order: so the queue's own index is the only one that gives that order. With =, a planner that
	// hasn't seen the table yet takes the index over all queues, and walks past the items of all others.
	nextOfQueue = `SELECT i.id FROM review_items i WHERE ` + eligible + ` AND i.queue >= $5 AND i.queue <= $5
		ORDER BY i.queue, i.expected_loss DESC, i.deadline_us, i.created_us, i.id LIMIT 1 FOR UPDATE OF i SKIP LOCKED`
	nextOfQueues = `SELECT i.id FROM review_items i WHERE ` + eligible + ` AND i.queue = ANY($5)` + inOrder
)

// lockClaims has a reviewer's claims take turns; claimsLock is the first half of that lock.
const (
	lockClaims = `SELECT pg_advisory_xact_lock($1, hashtext($2))`
	claimsLock = 0x434e4447
)

// maxChoices bounds how often a claim chooses anew because the chosen item was changed meanwhile.
const maxChoices = 8

// Next claims an item; see review.Store. One that another claim has just locked is passed over. The holder of a live lease may claim
// the item again by its id.
func (s *Store) Next(ctx context.Context, c review.Claim) (review.Item, error) {
	const doing = "postgres: claim a review item"
	if err := checkClaim(c); err != nil {
		return review.Item{}, fmt.Errorf("%s: %w", doing, err)
	}
	var item review.Item
	err := s.directly(ctx, doing, func(d *direct) error {
		if c.ID == "" && c.RequestID != "" {
			// The same request may be under way at another gateway, and would be led to another item.
			d.later(lockClaims, claimsLock, c.Holder)
		}
		again, err := d.claimedBefore(c)
		if err != nil || again != nil {
			if err == nil {
				item = *again
			}
			return err
		}
		item, err = d.claim(c)
		return err
	})
	if err != nil {
		return review.Item{}, err
	}
	return item, nil
}

func checkClaim(c review.Claim) error {
	switch {
	case c.Holder == "":
		return errors.New("holder is empty: say who claims")
	case c.LeaseFor == nil:
		return errors.New("lease_for is nil: say how long the claim holds")
	}
	return nil
}

// claimedBefore answers the item that the same request was led to before; nil: none.
func (d *direct) claimedBefore(c review.Claim) (*review.Item, error) {
	if c.ID != "" {
		return nil, nil
	}
	id, err := d.ledTo(c.Holder, c.RequestID, ledByClaim)
	if err != nil || !id.Valid {
		return nil, err
	}
	var p storedPayload
	it, err := loadItem(d.ask, uuidText(id), "", p.question(id.Bytes))
	if err != nil {
		return nil, err
	}
	if c.Queues != nil && !slices.Contains(c.Queues, it.Queue) {
		return nil, review.ErrNotFound
	}
	it.Repeated = true
	return &it.Item, p.fill(&it.Item)
}

// claim applies a claim to the item that it names, or to the next.
func (d *direct) claim(c review.Claim) (review.Item, error) {
	for choice := 1; ; choice++ {
		id, led := c.ID, ledByName
		if id == "" {
			var err error
			if id, err = d.choose(c); err != nil {
				return review.Item{}, err
			}
			led = ledByClaim
		}
		done, err := apply(d, id, c, led, d.now)
		if err != nil && code(err) == "" && led == ledByClaim && choice < maxChoices {
			continue // It has changed between the choice and its lock.
		}
		if err == nil {
			err = save(d, &done)
		}
		if err != nil {
			return review.Item{}, err
		}
		d.moved = !done.effects.Unchanged
		return done.Item, nil
	}
}

// choose answers the id of the next item for a claim, and locks it. Errors: review.ErrEmpty.
func (d *direct) choose(c review.Claim) (string, error) {
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
		var id nullUUID
		err := d.queryRow(query, args, &id)
		if !errors.Is(err, pgx.ErrNoRows) {
			return uuidText(id), err
		}
	}
	return "", review.ErrEmpty
}
