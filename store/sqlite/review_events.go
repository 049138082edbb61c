package sqlite

import (
	"context"
	"fmt"

	"google.golang.org/protobuf/proto"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

// insertEvents appends to the items' histories.
func (t *tx) insertEvents(events ...review.Event) error {
	for _, e := range events {
		verdict, err := encodeOptional(e.Verdict)
		if err == nil {
			_, err = t.exec(`INSERT INTO review_events (item_id, kind, at_us, actor, note, queue, epoch, verdict) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
				e.ItemID, int64(e.Kind), micros(e.At), e.Actor, e.Note, e.Queue, int64(e.Epoch), verdict)
		}
		if err != nil {
			return fmt.Errorf("append to the history of review item %s: %w", e.ItemID, err)
		}
	}
	return nil
}

const eventsOfItem = `SELECT position, kind, at_us, actor, note, queue, epoch, verdict FROM review_events
	WHERE item_id = ? AND position > ? ORDER BY position LIMIT ?`

// Events answers an item's history; see review.Store. An unknown item has none.
func (s *Store) Events(ctx context.Context, id string, after uint64, limit int) ([]review.Event, error) {
	const doing = "sqlite: read a review item's history"
	if limit < 1 {
		return nil, fmt.Errorf("%s: limit is %d: give at least 1", doing, limit)
	}
	var out []review.Event
	err := s.reader(ctx)(eventsOfItem, []any{id, int64(min(after, maxPosition)), limit}, func(row scanner) error {
		e := review.Event{ItemID: id}
		var position, kind, at, epoch int64
		var verdict []byte
		if err := row.Scan(&position, &kind, &at, &e.Actor, &e.Note, &e.Queue, &epoch, &verdict); err != nil {
			return err
		}
		e.Position, e.Kind, e.At, e.Epoch = uint64(position), candorv1.ReviewEventKind(kind), instant(at), uint64(epoch)
		if verdict != nil {
			e.Verdict = &candorv1.Verdict{}
			if err := proto.Unmarshal(verdict, e.Verdict); err != nil {
				return fmt.Errorf("decode the verdict of event %d: %w", position, err)
			}
		}
		out = append(out, e)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	return out, nil
}
