package sqlite

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

// Get answers one item with its payload. Errors: review.ErrNotFound.
func (s *Store) Get(ctx context.Context, id string) (it review.Item, err error) {
	err = s.snapshot(ctx, func(read queryFunc) (err error) {
		if it, err = loadItem(read, id); err != nil {
			return err
		}
		return withPayload(read, &it)
	})
	if err != nil {
		return review.Item{}, fmt.Errorf("sqlite: %w", err)
	}
	return it, nil
}

// List answers items, newest first, without payloads. An item whose lease has ended is listed as CLAIMED until somebody
// claims it again; one that joined another is listed, and isn't counted: nobody can claim it. Errors: review.ErrPageToken.
func (s *Store) List(ctx context.Context, f review.Filter) (page review.Page, err error) {
	const doing = "sqlite: list review items"
	if f.Limit < 1 {
		return review.Page{}, fmt.Errorf("%s: limit is %d: give at least 1", doing, f.Limit)
	}
	query, args, err := listQuery(f)
	if err == nil {
		err = s.snapshot(ctx, func(read queryFunc) (err error) {
			if page.Items, err = readItems(read, query, args); err != nil {
				return err
			}
			return countOpen(read, f, &page)
		})
	}
	if err != nil {
		return review.Page{}, fmt.Errorf("%s: %w", doing, err)
	}
	if len(page.Items) > f.Limit {
		page.Items = page.Items[:f.Limit]
		page.Next = review.PageToken(page.Items[f.Limit-1])
	}
	return page, nil
}

// ofReviewer are the items that a reviewer holds or has judged; they come first, since they are few among all.
const ofReviewer = `(SELECT item_id AS mine FROM review_verdicts INDEXED BY review_verdicts_of_reviewer WHERE reviewer = ? AND undone = 0
	UNION SELECT id FROM review_items INDEXED BY review_items_holders WHERE state = 2 AND holder = ?) CROSS JOIN review_items ON id = mine`

// listQuery asks for one item more than the page has, to know whether there is another page.
func listQuery(f review.Filter) (string, []any, error) {
	from, where, args := `review_items`, []string{`true`}, []any(nil)
	narrow := func(condition string, values ...any) {
		where, args = append(where, condition), append(args, values...)
	}
	if f.Reviewer != "" {
		from, args = ofReviewer, append(args, f.Reviewer, f.Reviewer)
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
	if f.Model != "" {
		narrow(`model = ?`, f.Model)
	}
	if f.NoGolden {
		narrow(`kind <> 3`)
	}
	if f.Queues != nil {
		list, err := json.Marshal(f.Queues)
		if err != nil {
			return "", nil, err
		}
		narrow(`+queue IN (SELECT value FROM json_each(?))`, string(list))
	}
	if f.After != "" {
		created, id, err := review.ParsePageToken(f.After)
		if err != nil {
			return "", nil, err
		}
		narrow(`(created_us, id) < (?, ?)`, micros(created), id)
	}
	query := `SELECT ` + itemColumns + ` FROM ` + from + ` WHERE ` + strings.Join(where, ` AND `)
	return query + ` ORDER BY created_us DESC, id DESC LIMIT ?`, append(args, f.Limit+1), nil
}

// countOpen counts what waits and what is claimed, of the filter's queue or queues.
func countOpen(read queryFunc, f review.Filter, page *review.Page) error {
	of, arg := `true`, []any(nil)
	switch {
	case f.Queue != "":
		of, arg = `queue = ?`, []any{f.Queue}
	case f.Queues != nil:
		list, err := json.Marshal(f.Queues)
		if err != nil {
			return err
		}
		of, arg = `queue IN (SELECT value FROM json_each(?))`, []any{string(list)}
	}
	if f.NoGolden {
		of += ` AND kind <> 3`
	}
	return read(`SELECT state, count(*) FROM review_items INDEXED BY review_items_count
		WHERE state IN (1, 2) AND joined_to = '' AND `+of+` GROUP BY state`, arg, func(row scanner) error {
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
	const doing = "sqlite: read final answers"
	var positions []uint64
	var items []review.Item
	err := s.snapshot(ctx, func(read queryFunc) error {
		if err := read(`SELECT `+itemColumns+`, position, answer FROM finals JOIN review_items ON id = item_id
			WHERE position > ? ORDER BY position LIMIT ?`, []any{int64(min(after, maxPosition)), limit}, func(row scanner) error {
			var position int64
			var answer []byte
			it, err := scanItem(row, &position, &answer)
			if err == nil {
				err = it.DecodeFinal(answer)
			}
			items, positions = append(items, it), append(positions, uint64(position))
			return err
		}); err != nil {
			return err
		}
		return fill(read, items)
	})
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
