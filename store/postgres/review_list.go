package postgres

import (
	"context"
	"fmt"
	"strings"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

// Get answers one item with its payload. Errors: review.ErrNotFound.
func (s *Store) Get(ctx context.Context, id string) (review.Item, error) {
	it, err := loadItem(s.reader(ctx), id)
	if err != nil {
		return review.Item{}, fmt.Errorf("postgres: %w", err)
	}
	return s.withPayload(ctx, it)
}

// List answers items, newest first, without payloads. An item whose lease has ended is listed as CLAIMED until somebody
// claims it again. Errors: review.ErrPageToken.
func (s *Store) List(ctx context.Context, f review.Filter) (review.Page, error) {
	const doing = "postgres: list review items"
	if f.Limit < 1 {
		return review.Page{}, fmt.Errorf("%s: limit is %d: give at least 1", doing, f.Limit)
	}
	query, args, err := listQuery(f)
	if err != nil {
		return review.Page{}, fmt.Errorf("%s: %w", doing, err)
	}
	items, err := s.readItems(ctx, query, args)
	if err != nil {
		return review.Page{}, fmt.Errorf("%s: %w", doing, err)
	}
	page := review.Page{Items: items}
	if len(items) > f.Limit {
		page.Items = items[:f.Limit]
		page.Next = review.PageToken(page.Items[f.Limit-1])
	}
	if err := s.countOpen(ctx, f.Queue, &page); err != nil {
		return review.Page{}, fmt.Errorf("%s: %w", doing, err)
	}
	return page, nil
}

// listQuery asks for one item more than the page has, to know whether there is another page.
func listQuery(f review.Filter) (string, []any, error) {
	var where []string
	var args []any
	narrow := func(condition string, values ...any) {
		where, args = append(where, condition), append(args, values...)
	}
	if f.Queue != "" {
		narrow(`queue = ?`, f.Queue)
	}
	if f.State != candorv1.ReviewState_REVIEW_STATE_UNSPECIFIED {
		narrow(`state = ?`, int64(f.State))
	}
	if f.PredictionID != "" {
		narrow(`prediction_id = ?`, f.PredictionID)
	}
	if f.After != "" {
		created, id, err := review.ParsePageToken(f.After)
		if err != nil {
			return "", nil, err
		}
		narrow(`(created_us, id) < (?, ?)`, micros(created), id)
	}
	query := `SELECT ` + itemColumns + ` FROM review_items`
	if len(where) > 0 {
		query += ` WHERE ` + strings.Join(where, ` AND `)
	}
	return query + ` ORDER BY created_us DESC, id DESC LIMIT ?`, append(args, f.Limit+1), nil
}

func (s *Store) countOpen(ctx context.Context, queue string, page *review.Page) error {
	return s.reader(ctx)(`
		SELECT state, count(*) FROM review_items WHERE state IN (1, 2) AND (?1 = '' OR queue = ?1) GROUP BY state`,
		[]any{queue}, func(row scanner) error {
			var state, n int64
			if err := row.Scan(&state, &n); err != nil {
				return err
			}
			if candorv1.ReviewState(state) == candorv1.ReviewState_REVIEW_STATE_PENDING {
				page.Pending = n
			} else {
				page.Claimed = n
			}
			return nil
		})
}

// Finals answers final answers in the order in which they were stored, without payloads; see the gateway's ledger.
func (s *Store) Finals(ctx context.Context, after uint64, limit int) ([]review.Final, error) {
	const doing = "postgres: read final answers"
	var positions []uint64
	var items []review.Item
	read := s.reader(ctx)
	err := read(`SELECT `+itemColumns+`, position FROM finals JOIN review_items ON id = item_id
		WHERE position > ? ORDER BY position LIMIT ?`, []any{int64(min(after, maxPosition)), limit}, func(row scanner) error {
		var position int64
		it, err := scanItem(row, &position)
		items, positions = append(items, it), append(positions, uint64(position))
		return err
	})
	if err == nil {
		err = loadSequences(read, items)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	finals := make([]review.Final, len(items))
	for i := range items {
		finals[i] = review.Final{Position: positions[i], Item: items[i]}
	}
	return finals, nil
}

// maxPosition is SQLite's largest; no feed gets there.
const maxPosition = 1<<63 - 1

func (s *Store) readItems(ctx context.Context, query string, args []any) ([]review.Item, error) {
	return readItems(s.reader(ctx), query, args)
}

// readItems runs a query for itemColumns.
func readItems(query queryFunc, text string, args []any) ([]review.Item, error) {
	var items []review.Item
	err := query(text, args, func(row scanner) error {
		it, err := scanItem(row)
		items = append(items, it)
		return err
	})
	if err == nil {
		err = loadSequences(query, items)
	}
	return items, err
}
