package desk

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	"github.com/candor-gateway/candor/cmd/candor/internal/remote"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

// insist asks until there is a text; empty typed: the person has thought better of it.
func (s *session) insist(ctx context.Context, h *hold, text, prompt string) (string, error) {
	if text != "" {
		return text, nil
	}
	line, err := s.read(ctx, h, prompt)
	return strings.TrimSpace(line), err
}

// try makes a call; h is the item in hand, if the call needs its lease. done: it succeeded. What the gateway refuses is told, and the
// question stands; a lost lease is claimed again, and the call made once more with the new epoch; what may pass is tried again when
// the person says so.
func (s *session) try(ctx context.Context, h *hold, do func(context.Context) error) (done bool, err error) {
	for {
		call, cancel := s.conn.Context(ctx)
		err := do(call)
		cancel()
		reason := remote.Reason(err)
		switch {
		case err == nil:
			return true, nil
		case ctx.Err() != nil:
			return false, errQuit
		case h != nil && (reason == candorv1.ErrorReason_ERROR_REASON_STALE_LEASE || reason == candorv1.ErrorReason_ERROR_REASON_REVIEW_ITEM_RESOLVED):
			if err := s.reclaim(ctx, h, err); err != nil {
				return false, err
			}
		case passing(err):
			if _, err := s.read(ctx, h, fmt.Sprintf("it can't be done now: %v\nEnter tries once more: ", err)); err != nil {
				return false, err
			}
		case reason != candorv1.ErrorReason_ERROR_REASON_UNSPECIFIED:
			return false, s.say("%v\n", err)
		default:
			return false, err
		}
	}
}

func (s *session) skip(ctx context.Context, h *hold, why string) (done bool, err error) {
	if why, err = s.insist(ctx, h, why, "why isn't it for you? (Enter: go on with it) "); err != nil || why == "" {
		return false, err
	}
	done, err = s.try(ctx, h, func(ctx context.Context) error {
		req := &candorv1.SkipReviewItemRequest{Name: h.item.GetName(), Epoch: h.item.GetEpoch(), Reason: why, Routing: candorv1.SkipRouting_SKIP_ROUTING_OTHERS}
		req.RequestId = requestIDOf(h.item.GetEpoch(), req)
		_, err := s.client.SkipReviewItem(ctx, req)
		return err
	})
	if done {
		h.drop()
		err = s.say("skipped; others get it\n\n")
	}
	return done, err
}

func (s *session) escalate(ctx context.Context, h *hold, to string) (done bool, err error) {
	if to == "" {
		if to, err = s.chooseQueue(ctx, h); err != nil || to == "" {
			return false, err
		}
	}
	text, err := s.insist(ctx, h, h.note, "what should they know? (Enter: go on with it) ")
	if err != nil || text == "" {
		return false, err
	}
	done, err = s.try(ctx, h, func(ctx context.Context) error {
		req := &candorv1.EscalateReviewItemRequest{Name: h.item.GetName(), Epoch: h.item.GetEpoch(), Queue: to, Note: text}
		req.RequestId = requestIDOf(h.item.GetEpoch(), req)
		_, err := s.client.EscalateReviewItem(ctx, req)
		return err
	})
	if done {
		h.drop()
		err = s.say("escalated to queue %s\n\n", cli.Plain(to))
	}
	return done, err
}

// chooseQueue asks for one of the queues that the item may go to; empty: none.
func (s *session) chooseQueue(ctx context.Context, h *hold) (string, error) {
	var may []string
	if _, err := s.try(ctx, h, func(ctx context.Context) error {
		resp, err := s.client.ListReviewQueues(ctx, &candorv1.ListReviewQueuesRequest{})
		for _, q := range resp.GetQueues() {
			if strings.TrimPrefix(q.GetName(), queuePrefix) == h.item.GetQueue() {
				may = q.GetEscalateTo()
			}
		}
		return err
	}); err != nil {
		return "", err
	}
	if len(may) == 0 {
		return "", s.say("there is no queue that it may go to\n")
	}
	shown := make([]string, len(may))
	for i, q := range may {
		shown[i] = fmt.Sprintf("[%d] %s", i+1, cli.Plain(q))
	}
	line, err := s.read(ctx, h, "to which queue? "+strings.Join(shown, "  ")+" (Enter: go on with it) ")
	line = strings.TrimSpace(line)
	if n, bad := strconv.Atoi(line); bad == nil && n >= 1 && n <= len(may) && !slices.Contains(may, line) {
		return may[n-1], err
	}
	return line, err
}

func (s *session) note(ctx context.Context, h *hold, text string) (err error) {
	if text, err = s.insist(ctx, h, text, "note: "); err != nil || text == "" {
		return err
	}
	h.note = text
	return s.say("noted; it goes with your answer\n")
}

// putBack gives the item back and waits: claimed again at once, the same item would be the next.
func (s *session) putBack(ctx context.Context, h *hold) (done bool, err error) {
	s.release(ctx, h)
	_, err = s.pause(ctx, s.kept(h)+"released; Enter claims the next, which may be the same, q ends: ")
	return true, err
}

// undoLast takes the last answer back. Its item comes next, and the one in hand after it.
func (s *session) undoLast(ctx context.Context, h *hold) (done bool, err error) {
	if s.last == "" {
		return false, s.say("there is no answer of yours to undo\n")
	}
	undone, ok, err := s.undo(ctx, s.last, h.item.GetHolder())
	if err != nil || !ok {
		return false, err
	}
	s.inHand = append(s.inHand, h)
	if undone != nil {
		s.inHand = append(s.inHand, undone)
	}
	return true, nil
}

// undo takes an answer of the holder's back. The hold is nil where somebody else is at work on the item.
func (s *session) undo(ctx context.Context, name, holder string) (undone *hold, ok bool, err error) {
	var item *candorv1.ReviewItem
	id := uuid.NewString()
	ok, err = s.try(ctx, nil, func(ctx context.Context) error {
		resp, err := s.client.UndoReviewItem(ctx, &candorv1.UndoReviewItemRequest{Name: name, RequestId: id})
		item = resp.GetItem()
		return err
	})
	if err != nil || !ok {
		return nil, false, err
	}
	s.resolved--
	s.last = ""
	if item.GetState() != candorv1.ReviewState_REVIEW_STATE_CLAIMED || item.GetHolder() != holder {
		return nil, true, s.say("took it back; somebody else is at work on %s now\n\n", review.IDOf(name))
	}
	return s.hold(ctx, item), true, s.say("took it back; it is yours again\n\n")
}
