package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

// policyAuthor is the author of what a policy does at an item's deadline.
const policyAuthor = "policy/on_expire"

// Resolve stores a verdict; see review.Store. A verdict without an author or a time gets the holder and r.Now. The same
// RequestID from the same holder answers what is stored, whatever the verdict says now.
func (s *Store) Resolve(ctx context.Context, r review.Resolution) (review.Item, error) {
	const doing = "postgres: resolve a review item"
	if r.Verdict.GetAnswer() == nil {
		return review.Item{}, fmt.Errorf("%s: verdict.answer is unset: give a label or a value", doing)
	}
	if r.Release == candorv1.ReleaseState_RELEASE_STATE_UNSPECIFIED {
		return review.Item{}, fmt.Errorf("%s: the release state is unset: say what the action limits said", doing)
	}
	var item review.Item
	err := s.write(ctx, doing, func(t *tx) (err error) {
		if item, err = loadItem(t.query, r.ID); err != nil {
			return err
		}
		if finished(item) && r.RequestID != "" && item.VerdictRequestID == r.RequestID && item.Holder == r.Holder {
			return nil
		}
		if err := holds(item, r.Lease, r.Now); err != nil {
			return err
		}
		item.State = candorv1.ReviewState_REVIEW_STATE_RESOLVED
		item.Verdict = signed(r.Verdict, r.Holder, r.Now)
		item.VerdictRequestID = r.RequestID
		item.Release, item.HeldBy, item.Action = r.Release, r.HeldBy, r.Action
		item.FinalReason = candorv1.Reason_REASON_VERDICT
		return t.finish(&item, r.Now)
	})
	if err != nil {
		return review.Item{}, err
	}
	return s.withPayload(context.WithoutCancel(ctx), item)
}

// overdue items, nearest deadline first: ?1 now, ?2 how many.
const overdue = `SELECT ` + itemColumns + ` FROM review_items INDEXED BY review_items_deadline
	WHERE state IN (1, 2) AND deadline_us <= ? ORDER BY deadline_us, id LIMIT ?`

// Expire finishes overdue items, nearest deadline first; see review.Store. If decide panics nothing is stored and the panic is
// the error.
func (s *Store) Expire(ctx context.Context, now time.Time, limit int, decide func(review.Item) review.Expiry) ([]review.Item, error) {
	const doing = "postgres: expire review items"
	if limit < 1 {
		return nil, fmt.Errorf("%s: limit is %d: give at least 1", doing, limit)
	}
	args := []any{micros(now), limit}
	// Mostly there is nothing, and then nothing should wait for the writer.
	if due, err := s.readItems(ctx, overdue, args); err != nil || len(due) == 0 {
		if err != nil {
			err = fmt.Errorf("%s: %w", doing, err)
		}
		return nil, err
	}
	var items []review.Item
	err := s.write(ctx, doing, func(t *tx) (err error) {
		if items, err = readItems(t.query, overdue, args); err != nil {
			return err
		}
		for i := range items {
			if err := t.expire(&items[i], now, decide); err != nil {
				return fmt.Errorf("item %s: %w", items[i].ID, err)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return items, nil
}

func (t *tx) expire(it *review.Item, now time.Time, decide func(review.Item) review.Expiry) (err error) {
	var e review.Expiry
	if it.Kind != candorv1.ReviewKind_REVIEW_KIND_AUDIT {
		if e, err = guarded(decide, *it); err != nil {
			return err
		}
	}
	it.State = candorv1.ReviewState_REVIEW_STATE_EXPIRED
	it.Holder = ""
	if e.Verdict != nil {
		it.Verdict = signed(e.Verdict, policyAuthor, now)
	}
	it.Release, it.HeldBy, it.Action = e.Release, e.HeldBy, e.Action
	if it.Release == candorv1.ReleaseState_RELEASE_STATE_UNSPECIFIED {
		it.Release = candorv1.ReleaseState_RELEASE_STATE_HELD
	}
	it.FinalReason = candorv1.Reason_REASON_REVIEW_EXPIRED
	return t.finish(it, now)
}

// guarded keeps a panic of the caller's function from taking the writer, and with it the store, along.
func guarded(decide func(review.Item) review.Expiry, it review.Item) (e review.Expiry, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the decision at its deadline panicked: %v", p)
		}
	}()
	if decide == nil {
		return e, errors.New("nobody decides what happens at its deadline")
	}
	return decide(it), nil
}

// signed is the verdict with author and time; v stays as it is.
func signed(v *candorv1.Verdict, author string, now time.Time) *candorv1.Verdict {
	v = proto.CloneOf(v)
	if v.Author == "" {
		v.Author = author
	}
	if v.CreateTime == nil {
		v.CreateTime = timestamppb.New(now)
	}
	return v
}

// finish stores a final answer everywhere it belongs: the item, the decision log, the feed, the evidence of certificates, the
// payload's retention. Nobody waits for an audit's, and nothing holds it.
func (t *tx) finish(it *review.Item, now time.Time) error {
	if it.Kind == candorv1.ReviewKind_REVIEW_KIND_AUDIT {
		it.Release, it.HeldBy = candorv1.ReleaseState_RELEASE_STATE_RELEASED, ""
	}
	it.FinalTime, it.LeaseUntil = instant(micros(now)), time.Time{}
	var verdict []byte
	if it.Verdict != nil {
		data, err := proto.MarshalOptions{Deterministic: true}.Marshal(it.Verdict)
		if err != nil {
			return fmt.Errorf("encode the verdict: %w", err)
		}
		verdict = data
	}
	if _, err := t.exec(`
		UPDATE review_items SET state = ?, release_state = ?, holder = ?, lease_until_us = 0, verdict = ?, verdict_request_id = ?,
			final_us = ?, held_by = ?, action = ?, final_reason = ?
		WHERE id = ?`,
		int64(it.State), int64(it.Release), it.Holder, verdict, it.VerdictRequestID, micros(now), it.HeldBy, it.Action,
		int64(it.FinalReason), it.ID); err != nil {
		return fmt.Errorf("store the final answer: %w", err)
	}
	if err := t.announce(*it); err != nil {
		return err
	}
	if err := t.settle(it, micros(now)); err != nil {
		return err
	}
	if _, err := t.exec(`UPDATE review_payloads SET finished_us = ? WHERE item_id = ?`, micros(now), it.ID); err != nil {
		return fmt.Errorf("start the payload's retention: %w", err)
	}
	return nil
}

// announce tells the decision log and the feed what became of an item's answer. The feed has none of audits.
func (t *tx) announce(it review.Item) error {
	rec, err := verdictRecord(it)
	if err != nil {
		return err
	}
	if _, err := t.appendRecord(rec); err != nil {
		return err
	}
	if it.Kind == candorv1.ReviewKind_REVIEW_KIND_AUDIT {
		return nil
	}
	if _, err := t.exec(`INSERT INTO finals (item_id) VALUES (?)`, it.ID); err != nil {
		return fmt.Errorf("append to the feed of final answers: %w", err)
	}
	t.final = true
	return nil
}

func verdictRecord(it review.Item) (*candorv1.Record, error) {
	id, err := uuid.Parse(it.ID)
	if err != nil {
		return nil, fmt.Errorf("id: %w", err)
	}
	prediction, err := uuid.Parse(it.PredictionID)
	if err != nil {
		return nil, fmt.Errorf("prediction_id: %w", err)
	}
	v := &candorv1.VerdictRecord{
		ReviewItem: id[:], PredictionId: prediction[:], Row: it.Row, Field: it.Field, Author: policyAuthor, ReleaseState: it.Release, Limit: it.HeldBy,
		Epoch: it.Epoch, Reason: it.FinalReason, Action: it.Action, Kind: it.Kind,
	}
	if it.FinalReason == candorv1.Reason_REASON_REVIEW_EXPIRED {
		v.OnExpire = it.OnExpire
	}
	if it.Verdict != nil {
		v.Author, v.StatedReason, v.Label = it.Verdict.GetAuthor(), it.Verdict.GetReason(), it.Verdict.GetLabel()
		if x, ok := it.Verdict.GetAnswer().(*candorv1.Verdict_Value); ok {
			v.Value = &x.Value
		}
	}
	return &candorv1.Record{TimeUs: micros(it.FinalTime), Entry: &candorv1.Record_Verdict{Verdict: v}}, nil
}
