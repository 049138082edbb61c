package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/candor-gateway/candor/review"
)

// nextGolden chooses a question that ?1 hasn't been shown and didn't submit, of the queues ?2 (a JSON list; NULL: all). Of the
// answers it takes the one that ?1 was shown least, or guessing the commoner one would pay; of those questions the one that was
// shown least.
const nextGolden = `SELECT id FROM review_golden g
	WHERE deleted = 0 AND consumer <> ?1 AND (?2 IS NULL OR queue IN (SELECT value FROM json_each(?2)))
		AND NOT EXISTS (SELECT 1 FROM review_golden_shown s WHERE s.golden = g.id AND s.reviewer = ?1)
	ORDER BY (SELECT count(*) FROM review_golden_shown s WHERE s.reviewer = ?1 AND s.answer_key = g.answer_key),
		(SELECT count(*) FROM review_golden_shown s WHERE s.golden = g.id), position
	LIMIT 1`

// NextGolden makes an item of a question and claims it; see review.Store. Whether the question's queue is open to the holder is the
// claim's to say, as with any item.
func (s *Store) NextGolden(ctx context.Context, c review.Claim, made review.Item) (review.Item, error) {
	const doing = "sqlite: claim a golden question"
	if err := checkClaim(c); err != nil {
		return review.Item{}, fmt.Errorf("%s: %w", doing, err)
	}
	queues, err := goldenQueues(c)
	if err != nil {
		return review.Item{}, fmt.Errorf("%s: %w", doing, err)
	}
	var item review.Item
	err = s.write(ctx, doing, func(t *tx) error {
		again, err := t.claimedBefore(c)
		if err != nil {
			return err
		}
		if again != nil {
			item = *again
			return nil
		}
		item, err = t.showGolden(c, queues, made)
		return err
	})
	return item, err
}

// goldenQueues is a JSON list of the queues that a claim is for; nil: all.
func goldenQueues(c review.Claim) (any, error) {
	queues := c.Queues
	if c.Queue != "" {
		if queues != nil && !slices.Contains(queues, c.Queue) {
			return nil, review.ErrEmpty
		}
		queues = []string{c.Queue}
	}
	if queues == nil {
		return nil, nil
	}
	list, err := json.Marshal(queues)
	return string(list), err
}

func (t *tx) showGolden(c review.Claim, queues any, made review.Item) (review.Item, error) {
	var id string
	err := t.queryRow(nextGolden, []any{c.Holder, queues}, &id)
	if errors.Is(err, sql.ErrNoRows) {
		return review.Item{}, review.ErrEmpty
	}
	var g review.Golden
	if err == nil {
		err = t.queryGolden(`id = ?`, []any{id}, &g)
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
	e, err := apply(c, &n.Item)
	if err != nil {
		return review.Item{}, err
	}
	if !made.LeaseUntil.IsZero() {
		n.LeaseUntil = made.LeaseUntil
	}
	n.Whole()
	if err := t.insertItem(&n); err != nil {
		return review.Item{}, err
	}
	if err := t.insertEvents(append(history, e.Events...)...); err != nil {
		return review.Item{}, err
	}
	if err := t.remember(c.Holder, c.RequestID, n.ID, ledByClaim, t.now); err != nil {
		return review.Item{}, err
	}
	key, err := review.AnswerKey(g.Answer)
	if err != nil {
		return review.Item{}, err
	}
	if _, err := t.exec(`INSERT INTO review_golden_shown (golden, reviewer, answer_key) VALUES (?, ?, ?)`, g.ID, c.Holder, key); err != nil {
		return review.Item{}, fmt.Errorf("keep that question %s was shown: %w", g.ID, err)
	}
	it, err := loadItem(t.query, n.ID)
	if err != nil {
		return review.Item{}, err
	}
	return it, withPayload(t.query, &it)
}

// score counts the verdict on a golden item for its question.
func (t *tx) score(it *review.Item) error {
	correct, scored := it.Score()
	if !scored {
		return nil
	}
	if _, err := t.exec(`UPDATE review_golden SET judged = judged + 1, correct = correct + ? WHERE id = ?`, correct, it.Golden); err != nil {
		return fmt.Errorf("count the verdict for golden question %s: %w", it.Golden, err)
	}
	return nil
}
