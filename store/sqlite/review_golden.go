package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/candor-gateway/candor/review"
)

// AddGolden stores a question; see review.Store.
func (s *Store) AddGolden(ctx context.Context, g review.Golden, by review.By, requestID string, now time.Time) (review.Golden, error) {
	const doing = "sqlite: add a golden question"
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
	err = s.write(ctx, doing, func(t *tx) error {
		known := 0
		if requestID != "" {
			if err := t.queryRow(`SELECT count(*) FROM review_golden WHERE author = ? AND request_id = ?`, []any{by.Name, requestID}, &known); err != nil {
				return err
			}
		}
		if known == 0 {
			if _, err := t.exec(`
				INSERT INTO review_golden (id, queue, consumer, answer_key, body, payload, sha256, author, request_id, created_us)
				VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
				g.ID, g.Queue, g.Consumer, key, body, payload, sum, by.Name, requestID, micros(now)); err != nil {
				return err
			}
			if err := t.appendAdmin("golden.create", review.GoldenName(g.ID), by, "", now); err != nil {
				return err
			}
			return t.queryGolden(`id = ?`, []any{g.ID}, &out)
		}
		return t.queryGolden(`author = ? AND request_id = ?`, []any{by.Name, requestID}, &out)
	})
	return out, err
}

const goldenColumns = `position, id, queue, consumer, body, payload, sha256, author, created_us, judged, correct`

func scanGolden(row scanner) (review.Golden, error) {
	var g review.Golden
	var position, created int64
	var body, payload, sum []byte
	if err := row.Scan(&position, &g.ID, &g.Queue, &g.Consumer, &body, &payload, &sum, &g.By, &created, &g.Shown, &g.Right); err != nil {
		return g, err
	}
	if err := g.DecodeBody(body); err != nil {
		return g, err
	}
	if sum != nil {
		var err error
		if g.Payload, err = review.DecodePayload(payload, sum); err != nil {
			return g, fmt.Errorf("decode golden question %s: %w", g.ID, err)
		}
	}
	g.Position, g.Created = uint64(position), instant(created)
	return g, nil
}

// queryGolden reads one question. Errors: sql.ErrNoRows.
func (t *tx) queryGolden(where string, args []any, into *review.Golden) error {
	found := false
	err := t.query(`SELECT `+goldenColumns+` FROM review_golden WHERE `+where, args, func(row scanner) (err error) {
		found = true
		*into, err = scanGolden(row)
		return err
	})
	if err == nil && !found {
		err = sql.ErrNoRows
	}
	return err
}

// listGolden: newest first. A position is given in that order.
const listGolden = `SELECT ` + goldenColumns + ` FROM review_golden WHERE deleted = 0 AND position < ? ORDER BY position DESC LIMIT ?`

const listGoldenOfQueue = `SELECT ` + goldenColumns + ` FROM review_golden INDEXED BY review_golden_of_queue
	WHERE queue = ? AND deleted = 0 AND position < ? ORDER BY position DESC LIMIT ?`

// Goldens lists questions; see review.Store.
func (s *Store) Goldens(ctx context.Context, queue string, before uint64, limit int) ([]review.Golden, error) {
	const doing = "sqlite: list golden questions"
	if limit < 1 {
		return nil, fmt.Errorf("%s: limit is %d: give at least 1", doing, limit)
	}
	if before == 0 {
		before = maxPosition
	}
	query, args := listGolden, []any{int64(min(before, maxPosition)), limit}
	if queue != "" {
		query, args = listGoldenOfQueue, append([]any{queue}, args...)
	}
	var out []review.Golden
	if err := s.reader(ctx)(query, args, func(row scanner) error {
		g, err := scanGolden(row)
		out = append(out, g)
		return err
	}); err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	return out, nil
}

// DeleteGolden takes a question out, with its payload; see review.Store. Errors: review.ErrNotFound.
func (s *Store) DeleteGolden(ctx context.Context, id string, by review.By, now time.Time) error {
	const doing = "sqlite: delete a golden question"
	if by.Name == "" {
		return fmt.Errorf("%s: by is empty: say who deletes it", doing)
	}
	return s.write(ctx, doing, func(t *tx) error {
		n, err := t.exec(`UPDATE review_golden SET deleted = 1, payload = NULL WHERE id = ? AND deleted = 0`, id)
		if err == nil && n == 0 {
			err = review.ErrNotFound
		}
		if err != nil {
			return err
		}
		return t.appendAdmin("golden.delete", review.GoldenName(id), by, "", now)
	})
}
