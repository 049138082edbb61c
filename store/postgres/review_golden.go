package postgres

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/google/uuid"

	"github.com/candor-gateway/candor/people"
	"github.com/candor-gateway/candor/review"
)

// AddGolden stores a question; see review.Goldens.
func (s *Store) AddGolden(ctx context.Context, g review.Golden, by review.By, requestID string, now time.Time) (review.Golden, error) {
	const doing = "postgres: add a golden question"
	key, err := g.Check(by.Name)
	if err != nil {
		return review.Golden{}, fmt.Errorf("%s: %w", doing, err)
	}
	payload, sum, err := review.StoredPayload(g.Payload)
	if err != nil {
		return review.Golden{}, fmt.Errorf("%s: %w", doing, err)
	}
	body, err := g.EncodeBody()
	if err != nil {
		return review.Golden{}, fmt.Errorf("%s: %w", doing, err)
	}
	var out review.Golden
	err = s.write(ctx, doing, needs{}, func(b *batch) error {
		// Waits for a gateway that stores the same.
		n, err := b.count(`
			INSERT INTO review_golden (id, queue, consumer, answer_key, body, payload, sha256, author, request_id, created_us)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
			ON CONFLICT (author, request_id) WHERE request_id <> '' DO NOTHING RETURNING true`,
			idOf(g.ID), g.Queue, g.Consumer, key, body, payload, sum, by.Name, requestID, micros(now))
		if err != nil {
			return err
		}
		if n == 0 {
			out, err = oneGolden(b.query, `author = $1 AND request_id = $2`, by.Name, requestID)
			return err
		}
		if out, err = oneGolden(b.query, `id = $1`, idOf(g.ID)); err != nil {
			return err
		}
		return b.adminAt(now, "golden.create", review.GoldenName(g.ID), people.By{Name: by.Name, Remote: by.Remote})
	})
	return out, err
}

const goldenColumns = `position, id, queue, consumer, body, payload, sha256, author, created_us, judged, correct`

func scanGolden(row scanner) (review.Golden, error) {
	var g review.Golden
	var id [16]byte
	var position, created int64
	var body, payload, sum []byte
	if err := row.Scan(&position, &id, &g.Queue, &g.Consumer, &body, &payload, &sum, &g.By, &created, &g.Shown, &g.Right); err != nil {
		return g, err
	}
	g.ID, g.Position, g.Created = uuid.UUID(id).String(), uint64(position), instant(created)
	if err := g.DecodeBody(body); err != nil {
		return g, err
	}
	if sum != nil {
		var err error
		if g.Payload, err = review.DecodePayload(payload, sum); err != nil {
			return g, fmt.Errorf("decode golden question %s: %w", g.ID, err)
		}
	}
	return g, nil
}

// oneGolden reads one question. Errors: review.ErrNotFound.
func oneGolden(query queryFunc, where string, args ...any) (g review.Golden, err error) {
	found := false
	err = query(`SELECT `+goldenColumns+` FROM review_golden WHERE `+where, args, func(row scanner) (err error) {
		found = true
		g, err = scanGolden(row)
		return err
	})
	if err == nil && !found {
		err = review.ErrNotFound
	}
	return g, err
}

// Goldens lists questions; see review.Goldens.
func (s *Store) Goldens(ctx context.Context, queue string, before uint64, limit int) ([]review.Golden, error) {
	const doing = "postgres: list golden questions"
	if limit < 1 {
		return nil, fmt.Errorf("%s: limit is %d: give at least 1", doing, limit)
	}
	if before == 0 {
		before = math.MaxInt64
	}
	var out []review.Golden
	err := s.reader(ctx)(`SELECT `+goldenColumns+` FROM review_golden
		WHERE NOT deleted AND ($1::text = '' OR queue = $1) AND position < $2 ORDER BY position DESC LIMIT $3`,
		[]any{queue, int64(min(before, math.MaxInt64)), limit}, func(row scanner) error {
			g, err := scanGolden(row)
			out = append(out, g)
			return err
		})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	return out, nil
}

// DeleteGolden takes a question out, with its payload; see review.Goldens. Errors: review.ErrNotFound.
func (s *Store) DeleteGolden(ctx context.Context, id string, by review.By, now time.Time) error {
	const doing = "postgres: delete a golden question"
	if by.Name == "" {
		return fmt.Errorf("%s: by is empty: say who deletes it", doing)
	}
	return s.write(ctx, doing, needs{}, func(b *batch) error {
		n, err := b.count(`UPDATE review_golden SET deleted = true, payload = NULL WHERE id = $1 AND NOT deleted RETURNING true`, idOf(id))
		if err == nil && n == 0 {
			err = review.ErrNotFound
		}
		if err != nil {
			return err
		}
		return b.adminAt(now, "golden.delete", review.GoldenName(id), people.By{Name: by.Name, Remote: by.Remote})
	})
}

// score counts the verdict on a golden item for its question.
func (b *batch) score(it *review.Item) {
	right, scored := it.Score()
	if !scored {
		return
	}
	var correct int64
	if right {
		correct = 1
	}
	b.later(`UPDATE review_golden SET judged = judged + 1, correct = correct + $2 WHERE id = $1`, idOf(it.Golden), correct)
}
