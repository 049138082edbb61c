package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/candor-gateway/candor/review"
)

// nextGolden chooses a question that $1 hasn't been shown and didn't submit, of the queues $2 (NULL: all). Of the answers it takes
// the one that $1 was shown least, or guessing the commoner one would pay; of those questions the one that was shown least.
const nextGolden = `SELECT id FROM review_golden g
	WHERE NOT deleted AND consumer <> $1 AND ($2::text[] IS NULL OR queue = ANY($2))
		AND NOT EXISTS (SELECT FROM review_golden_shown s WHERE s.golden = g.id AND s.reviewer = $1)
	ORDER BY (SELECT count(*) FROM review_golden_shown s WHERE s.reviewer = $1 AND s.answer_key = g.answer_key),
		(SELECT count(*) FROM review_golden_shown s WHERE s.golden = g.id), position
	LIMIT 1`

// NextGolden makes an item of a question and claims it; see review.Goldens. Whether the question's queue is open to the holder is the
// claim's to say, as with any item.
func (s *Store) NextGolden(ctx context.Context, c review.Claim, made review.Item) (review.Item, error) {
	const doing = "postgres: claim a golden question"
	if err := checkClaim(c); err != nil {
		return review.Item{}, fmt.Errorf("%s: %w", doing, err)
	}
	queues := c.Queues
	if c.Queue != "" {
		if queues != nil && !slices.Contains(queues, c.Queue) {
			return review.Item{}, fmt.Errorf("%s: %w", doing, review.ErrEmpty)
		}
		queues = []string{c.Queue}
	}
	var item review.Item
	err := s.directly(ctx, doing, func(d *direct) error {
		// Two claims of one reviewer at once would be shown the same.
		if _, err := d.exec(lockClaims, claimsLock, c.Holder); err != nil {
			return err
		}
		again, err := d.claimedBefore(c)
		if err != nil || again != nil {
			if err == nil {
				item = *again
			}
			return err
		}
		item, err = d.showGolden(c, queues, made)
		return err
	})
	if err != nil {
		return review.Item{}, err
	}
	return item, nil
}

func (d *direct) showGolden(c review.Claim, queues []string, made review.Item) (review.Item, error) {
	var id nullUUID
	err := d.queryRow(nextGolden, []any{c.Holder, queues}, &id)
	if errors.Is(err, pgx.ErrNoRows) {
		return review.Item{}, review.ErrEmpty
	}
	var g review.Golden
	if err == nil {
		g, err = oneGolden(d.query, `id = $1`, id)
	}
	if err != nil {
		return review.Item{}, err
	}
	n, err := review.NewFresh(g.Show(made))
	if err != nil {
		return review.Item{}, err
	}
	history := []review.Event{n.CreatedBy(review.AuthorGateway, "")}
	c.ID, c.Queue, c.Queues = n.ID, "", nil
	e, err := guarded(c, &n.Item)
	if err != nil {
		return review.Item{}, err
	}
	if !made.LeaseUntil.IsZero() {
		n.LeaseUntil = made.LeaseUntil
	}
	n.Whole()
	if err := insertItem(d, &n, append(history, e.Events...)...); err != nil {
		return review.Item{}, err
	}
	if c.RequestID != "" {
		d.later(insertRequest, idOf(n.ID), c.Holder, c.RequestID, ledByClaim, micros(d.now))
	}
	key, err := review.AnswerKey(g.Answer)
	if err != nil {
		return review.Item{}, err
	}
	d.later(`INSERT INTO review_golden_shown (golden, reviewer, answer_key) VALUES ($1, $2, $3)`, id, c.Holder, key)
	it, err := loadItem(d.ask, n.ID, "")
	if err != nil {
		return review.Item{}, err
	}
	d.moved = true
	return it.Item, withPayload(d.query, &it.Item)
}
