package postgres

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

// Get answers one item with its payload. Errors: review.ErrNotFound.
func (s *Store) Get(ctx context.Context, id string) (it review.Item, err error) {
	var p storedPayload
	found, err := loadItem(func(questions ...question) error { return s.atOnce(ctx, questions...) }, id, "", p.question(idOf(id).Bytes))
	if err == nil {
		err = p.fill(&found.Item)
	}
	if err != nil {
		return review.Item{}, fmt.Errorf("postgres: %w", err)
	}
	return found.Item, nil
}

// Due answers items that something happens to by now; see review.Store.
func (s *Store) Due(ctx context.Context, now time.Time, limit int) ([]review.Item, error) {
	return s.some(ctx, "postgres: list due review items", limit,
		`SELECT `+itemColumns+` FROM review_items i WHERE i.due_us <= $1 ORDER BY i.due_us, i.id LIMIT $2`, micros(now), limit)
}

// Held answers items whose answer a limit holds; see review.Store.
func (s *Store) Held(ctx context.Context, except []string, after review.HeldPlace, limit int) ([]review.Item, error) {
	return s.some(ctx, "postgres: list held answers", limit,
		`SELECT `+itemColumns+` FROM review_items i WHERE i.release_state = 1 AND i.held_by <> '' AND i.final_us > 0
			AND i.held_by <> ALL ($1::text[]) AND (i.final_us, i.id) > ($2, $3::uuid) ORDER BY i.final_us, i.id LIMIT $4`,
		append([]string{}, except...), micros(after.FinalTime), nullUUID{Bytes: idOf(after.ID).Bytes, Valid: true}, limit)
}

func (s *Store) some(ctx context.Context, doing string, limit int, query string, args ...any) ([]review.Item, error) {
	if limit < 1 {
		return nil, fmt.Errorf("%s: limit is %d: give at least 1", doing, limit)
	}
	var found []stored
	err := s.snapshot(ctx, func(read queryFunc) (err error) {
		found, err = readItems(read, query, args)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	return plainItems(found), nil
}

// List answers items, newest first, without payloads. An item whose lease has ended is listed as CLAIMED until somebody
// claims it again; one that joined another is listed, and isn't counted: nobody can claim it. Errors: review.ErrPageToken.
func (s *Store) List(ctx context.Context, f review.Filter) (review.Page, error) {
	const doing = "postgres: list review items"
	if f.Limit < 1 {
		return review.Page{}, fmt.Errorf("%s: limit is %d: give at least 1", doing, f.Limit)
	}
	query, args, err := listQuery(f)
	if err != nil {
		return review.Page{}, fmt.Errorf("%s: %w", doing, err)
	}
	var page review.Page
	err = s.snapshot(ctx, func(read queryFunc) error {
		found, err := readItems(read, query, args)
		page = review.Page{Items: plainItems(found)}
		if err != nil {
			return err
		}
		return countOpen(read, f, &page)
	})
	if err != nil {
		return review.Page{}, fmt.Errorf("%s: %w", doing, err)
	}
	if len(page.Items) > f.Limit {
		page.Items = page.Items[:f.Limit]
		page.Next = review.PageToken(page.Items[f.Limit-1])
	}
	return page, nil
}

// listQuery asks for one item more than the page has, to know whether there is another page.
func listQuery(f review.Filter) (string, []any, error) {
	var where []string
	var args []any
	// narrow adds a condition, in which each ? stands for the next value.
	narrow := func(condition string, values ...any) {
		for _, v := range values {
			args = append(args, v)
			condition = strings.Replace(condition, "?", "$"+strconv.Itoa(len(args)), 1)
		}
		where = append(where, condition)
	}
	if f.Queue != "" {
		narrow(`i.queue = ?`, f.Queue)
	}
	if f.Queues != nil {
		narrow(`i.queue = ANY(?)`, f.Queues)
	}
	if f.Model != "" {
		narrow(`i.model = ?`, f.Model)
	}
	if f.State != candorv1.ReviewState_REVIEW_STATE_UNSPECIFIED {
		narrow(`i.state = ?`, int32(f.State))
	}
	if f.PredictionID != "" {
		narrow(`i.prediction_id = ?`, idOf(f.PredictionID))
	}
	if f.NoGolden {
		narrow(`i.kind <> ?`, int32(candorv1.ReviewKind_REVIEW_KIND_GOLDEN))
	}
	if f.Reviewer != "" {
		narrow(`(i.holder = ? AND i.state = 2 OR EXISTS (SELECT FROM review_verdicts v WHERE v.item_id = i.id AND v.reviewer = ? AND NOT v.undone))`,
			f.Reviewer, f.Reviewer)
	}
	if f.After != "" {
		created, id, err := review.ParsePageToken(f.After)
		if err != nil {
			return "", nil, err
		}
		narrow(`(i.created_us, i.id) < (?, ?)`, micros(created), idOf(id))
	}
	query := `SELECT ` + itemColumns + ` FROM review_items i`
	if len(where) > 0 {
		query += ` WHERE ` + strings.Join(where, ` AND `)
	}
	args = append(args, f.Limit+1)
	return query + ` ORDER BY i.created_us DESC, i.id DESC LIMIT $` + strconv.Itoa(len(args)), args, nil
}

// countOpen counts what waits and what is claimed, of the filter's queue or queues.
func countOpen(read queryFunc, f review.Filter, page *review.Page) error {
	return read(`
		SELECT count(*) FILTER (WHERE state = 1), count(*) FILTER (WHERE state = 2) FROM review_items
		WHERE state IN (1, 2) AND joined_to IS NULL AND ($1::text = '' OR queue = $1) AND ($1 <> '' OR $2::text[] IS NULL OR queue = ANY($2))
			AND (NOT $3::boolean OR kind <> 3)`,
		[]any{f.Queue, f.Queues, f.NoGolden}, func(row scanner) error { return row.Scan(&page.Pending, &page.Claimed) })
}

// Finals answers final answers in the order in which they were stored, without payloads; see the gateway's ledger.
func (s *Store) Finals(ctx context.Context, after uint64, limit int) ([]review.Final, error) {
	const doing = "postgres: read final answers"
	var positions []uint64
	var found []stored
	err := s.snapshot(ctx, func(read queryFunc) error {
		positions, found = nil, nil
		if err := read(`SELECT `+itemColumns+`, f.position, f.answer FROM finals f JOIN review_items i ON i.id = f.item_id
			WHERE f.position > $1 ORDER BY f.position LIMIT $2`, []any{int64(min(after, math.MaxInt64)), limit}, func(row scanner) error {
			var position int64
			var answer []byte
			it, err := scanItem(row, &position, &answer)
			if err == nil {
				err = it.DecodeFinal(answer)
			}
			found, positions = append(found, it), append(positions, uint64(position))
			return err
		}); err != nil {
			return err
		}
		return loadParts(read, found)
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	finals := make([]review.Final, len(found))
	for i := range found {
		finals[i] = review.Final{Position: positions[i], Item: found[i].Item}
	}
	return finals, nil
}

// Events answers an item's history, oldest first; see review.Store.
func (s *Store) Events(ctx context.Context, id string, after uint64, limit int) ([]review.Event, error) {
	const doing = "postgres: read the history of a review item"
	if limit < 1 {
		return nil, fmt.Errorf("%s: limit is %d: give at least 1", doing, limit)
	}
	var out []review.Event
	err := s.reader(ctx)(`SELECT position, kind, at_us, actor, note, queue, epoch, verdict FROM review_events
		WHERE item_id = $1 AND position > $2 ORDER BY position LIMIT $3`, []any{idOf(id), int64(min(after, math.MaxInt64)), limit}, func(row scanner) error {
		ev := review.Event{ItemID: id}
		var position, at, epoch int64
		var kind int32
		var verdict []byte
		if err := row.Scan(&position, &kind, &at, &ev.Actor, &ev.Note, &ev.Queue, &epoch, &verdict); err != nil {
			return err
		}
		ev.Position, ev.Kind, ev.At, ev.Epoch = uint64(position), candorv1.ReviewEventKind(kind), instant(at), uint64(epoch)
		if verdict != nil {
			ev.Verdict = &candorv1.Verdict{}
			if err := proto.Unmarshal(verdict, ev.Verdict); err != nil {
				return fmt.Errorf("decode a verdict: %w", err)
			}
		}
		out = append(out, ev)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	return out, nil
}
