package desk

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	"github.com/candor-gateway/candor/cmd/candor/internal/remote"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

// answer stores a verdict, shows what the models had said, and asks whether it stays. done: the item is answered.
func (s *session) answer(ctx context.Context, h *hold, v *candorv1.Verdict) (done bool, err error) {
	v.Note, h.said = h.note, verdictText(v)
	var item *candorv1.ReviewItem
	for {
		var refused error
		ok, err := s.try(ctx, h, func(ctx context.Context) error {
			resp, err := s.client.ResolveReviewItem(ctx, &candorv1.ResolveReviewItemRequest{
				Name: h.item.GetName(), Epoch: h.item.GetEpoch(), Verdict: v, RequestId: requestIDOf(h.item.GetEpoch(), v),
			})
			if lacksReason(err) {
				refused, err = err, nil
			}
			item = resp.GetItem()
			return err
		})
		switch {
		case err != nil || !ok:
			h.said = ""
			return false, err
		case refused == nil:
			h.drop()
			s.resolved++
			s.last = item.GetName()
			return true, s.lookBack(ctx, h, item, v)
		}
		if err := s.say("%v\n", refused); err != nil {
			return false, err
		}
		why, err := s.read(ctx, h, "reason (Enter: answer anew): ")
		if err != nil || strings.TrimSpace(why) == "" {
			h.said = ""
			return false, err
		}
		v.Reason = strings.TrimSpace(why)
	}
}

// lacksReason says that the queue wants a reason, or another one.
func lacksReason(err error) bool {
	return remote.Reason(err) == candorv1.ErrorReason_ERROR_REASON_INVALID_VERDICT && strings.HasSuffix(remote.Field(err), "reason")
}

// lookBack shows what the models said, and lets the person keep, change or undo the answer while its window is open.
func (s *session) lookBack(ctx context.Context, h *hold, item *candorv1.ReviewItem, v *candorv1.Verdict) error {
	if err := writeResolved(s.out, item, verdictText(v)); err != nil {
		return err
	}
	if err := writeAnswers(s.out, item); err != nil {
		return err
	}
	closes := time.Now().Add(left(item))
	for item.GetFinalTime() == nil && (item.GetUndoUntil() == nil || time.Now().Before(closes)) {
		line, open, err := s.ponder(ctx, item, closes)
		if err != nil {
			return err
		}
		text := strings.TrimSpace(line)
		if !open {
			if text != "" {
				return s.say("too late: %s changes nothing\n\n", quoted(text))
			}
			break
		}
		if text == "" {
			break
		}
		done, changed, err := s.reconsider(ctx, h, item, v, text)
		if err != nil {
			return err
		}
		if done {
			return nil
		}
		if changed != nil {
			item, v = changed.item, changed.verdict
		}
	}
	return s.say("\n")
}

// left is how long the answer can still be changed, by the gateway's clock; below 0: not known.
func left(i *candorv1.ReviewItem) time.Duration {
	if i.GetUndoUntil() == nil {
		return -1
	}
	var given time.Time
	for _, v := range i.GetVerdicts() {
		if at := v.GetCreateTime().AsTime(); at.After(given) {
			given = at
		}
	}
	if given.IsZero() {
		given = i.GetVerdict().GetCreateTime().AsTime()
	}
	return i.GetUndoUntil().AsTime().Sub(given)
}

// ponder asks whether the answer stays. open: the window was, when the line was typed.
func (s *session) ponder(ctx context.Context, item *candorv1.ReviewItem, closes time.Time) (line string, open bool, err error) {
	var closed <-chan time.Time
	if item.GetUndoUntil() != nil {
		timer := time.NewTimer(time.Until(closes))
		defer timer.Stop()
		closed = timer.C
	}
	if err := s.say("\nEnter keeps it, another answer changes it, u undoes, n adds a note, q ends: "); err != nil {
		return "", false, err
	}
	select {
	case line, ok := <-s.lines:
		if !ok {
			return "", false, errQuit
		}
		return line, true, nil
	case <-closed:
		line, err := s.pause(ctx, "\nit is final now; Enter goes on, q ends: ")
		return line, false, err
	case <-ctx.Done():
		return "", false, errors.Join(errQuit, s.say("\n"))
	}
}

// changed is an answer after it was revised.
type changed struct {
	item    *candorv1.ReviewItem
	verdict *candorv1.Verdict
}

// reconsider carries out what was typed about an answer that was stored. done: there is nothing more to ask about it.
func (s *session) reconsider(ctx context.Context, h *hold, item *candorv1.ReviewItem, v *candorv1.Verdict, text string) (done bool, c *changed, err error) {
	m, err := parseMove(text, item)
	if err != nil {
		return false, nil, s.say("%v\n", err)
	}
	next := proto.CloneOf(v)
	switch m.command {
	case 0:
		if review.Agree(review.AnswerOf(v), review.AnswerOf(m.verdict), 0) {
			return true, nil, s.say("kept\n\n")
		}
		next.Answer = m.verdict.GetAnswer()
	case note:
		if m.rest == "" {
			return false, nil, s.say("type the note behind the n\n")
		}
		next.Note = m.rest
	case undo:
		undone, ok, err := s.undo(ctx, item.GetName(), h.item.GetHolder())
		if err != nil || !ok {
			return false, nil, err
		}
		if undone != nil {
			undone.note = h.note
			s.inHand = append(s.inHand, undone)
		}
		return true, nil, nil
	case quit:
		return true, nil, errQuit
	default:
		return false, nil, s.say("your answer is stored: Enter keeps it, another answer changes it, u takes it back\n")
	}
	id := uuid.NewString()
	var resp *candorv1.ReviseReviewItemResponse
	ok, err := s.try(ctx, nil, func(ctx context.Context) (err error) {
		resp, err = s.client.ReviseReviewItem(ctx, &candorv1.ReviseReviewItemRequest{Name: item.GetName(), Verdict: next, RequestId: id})
		return err
	})
	if err != nil || !ok {
		return false, nil, err
	}
	return false, &changed{resp.GetItem(), next}, s.say("changed to %s, %s\n", quoted(verdictText(next)), standing(resp.GetItem(), time.Now()))
}
