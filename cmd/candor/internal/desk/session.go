package desk

import (
	"context"
	"errors"
	"fmt"
	"io"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	"github.com/candor-gateway/candor/cmd/candor/internal/remote"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

// session is a person at the queue. Its methods are called by one goroutine.
type session struct {
	client     candorv1.ReviewServiceClient
	conn       *remote.Conn
	out        io.Writer
	lines      <-chan string
	queue      string
	lease      *durationpb.Duration
	showAnswer bool
	colour     bool
	resolved   int
	// inHand are items that come before the next claim, the last one first: what was undone, and what was put aside for it.
	inHand []*hold
	// last is the item that was answered last; empty: none, or it was undone.
	last string
	// trouble is what couldn't be given back.
	trouble []error
}

var (
	// errQuit: the person has had enough.
	errQuit = errors.New("quit")
	// errGone: the item in hand is somebody else's, or nobody's, by now.
	errGone = errors.New("the item is gone")
)

// loop asks about one item after the other until the person ends it or nothing is left.
func (s *session) loop(ctx context.Context) (err error) {
	defer func() { err = errors.Join(err, s.giveBack(ctx)) }()
	seen := false
	for {
		h, err := s.next(ctx)
		switch {
		case seen && remote.Reason(err) == candorv1.ErrorReason_ERROR_REASON_QUEUE_EMPTY:
			return s.say("nothing else waits; %s resolved\n", cli.Count(s.resolved, "item"))
		case err != nil:
			return err
		}
		seen = true
		if err := s.work(ctx, h); errors.Is(err, errQuit) {
			return s.say("%s resolved\n", cli.Count(s.resolved, "item"))
		} else if err != nil && !errors.Is(err, errGone) {
			return err
		}
	}
}

// next is what is in hand, or the next item of the queue.
func (s *session) next(ctx context.Context) (*hold, error) {
	if n := len(s.inHand); n > 0 {
		h := s.inHand[n-1]
		s.inHand = s.inHand[:n-1]
		return h, nil
	}
	call, cancel := s.conn.Context(ctx)
	defer cancel()
	resp, err := s.client.ClaimReviewItem(call, &candorv1.ClaimReviewItemRequest{Queue: s.queue, Lease: s.lease})
	if err != nil {
		return nil, err
	}
	return s.hold(ctx, resp.GetItem()), nil
}

// work shows one item and asks about it until it is answered, given away, or put aside.
func (s *session) work(ctx context.Context, h *hold) error {
	err := writeItem(s.out, h.item, s.colour)
	if err == nil && s.showAnswer {
		err = writeAnswers(s.out, h.item)
	}
	for err == nil {
		var line string
		line, err = s.read(ctx, h, "\n"+question(h.item)+"\nyour answer (s skip, e escalate, n note, u undo, r release, q quit, ? help): ")
		if err != nil {
			break
		}
		m, bad := parseMove(line, h.item)
		if bad != nil {
			err = s.say("%v\n", bad)
			continue
		}
		var done bool
		if done, err = s.do(ctx, h, m); done {
			return err
		}
	}
	s.release(ctx, h)
	return err
}

// do carries a move out. done: the item is not in hand any more, or was put aside.
func (s *session) do(ctx context.Context, h *hold, m move) (done bool, err error) {
	switch m.command {
	case 0:
		return s.answer(ctx, h, m.verdict)
	case skip:
		return s.skip(ctx, h, m.rest)
	case escalate:
		return s.escalate(ctx, h, m.rest)
	case undo:
		return s.undoLast(ctx, h)
	case note:
		return false, s.note(ctx, h, m.rest)
	case release:
		return s.putBack(ctx, h)
	case quit:
		return false, errQuit
	}
	return false, s.say("%s", helpText)
}

func (s *session) say(format string, args ...any) error {
	_, err := fmt.Fprintf(s.out, format, args...)
	return err
}

// read asks for a line while an item is in hand (nil: none is). A lease that is lost is told at once, and the item claimed again where it still can be:
// then the question stands. Errors: errQuit at the end of the input, errGone when the item is not to be had any more.
func (s *session) read(ctx context.Context, h *hold, prompt string) (string, error) {
	var lost <-chan error
	for {
		if h != nil {
			lost = h.lost
		}
		if err := s.say("%s", prompt); err != nil {
			return "", err
		}
		select {
		case line, ok := <-s.lines:
			if !ok {
				return "", errQuit
			}
			return line, nil
		case why := <-lost:
			if err := s.reclaim(ctx, h, why); err != nil {
				return "", err
			}
		case <-ctx.Done():
			return "", errors.Join(errQuit, s.say("\n"))
		}
	}
}

// pause asks for a line when nothing is in hand, and answers what was typed. Whatever it is was meant for what is gone.
func (s *session) pause(ctx context.Context, prompt string) (string, error) {
	if err := s.say("%s", prompt); err != nil {
		return "", err
	}
	select {
	case line, ok := <-s.lines:
		if !ok || line == string(quit) || line == ":"+string(quit) {
			return "", errQuit
		}
		return line, nil
	case <-ctx.Done():
		return "", errors.Join(errQuit, s.say("\n"))
	}
}

// reclaim tells that the lease was lost, and claims the item again. Without the wait at its end a line that was being typed would
// become the answer to the next item.
func (s *session) reclaim(ctx context.Context, h *hold, why error) error {
	h.drop()
	if err := s.say("\nyour lease of this item was lost: %v\n", why); err != nil {
		return err
	}
	for {
		call, cancel := s.conn.Context(ctx)
		resp, err := s.client.ClaimReviewItem(call, &candorv1.ClaimReviewItemRequest{Name: h.item.GetName(), Lease: s.lease})
		cancel()
		if err == nil {
			again := s.hold(ctx, resp.GetItem())
			again.note, again.said = h.note, h.said
			*h = *again
			return s.say("nobody had taken it: it is yours again, under epoch %d; what you have typed still counts\n", h.item.GetEpoch())
		}
		if passing(err) {
			if _, err := s.pause(ctx, fmt.Sprintf("it can't be claimed again now: %v\nEnter tries once more, q ends: ", err)); err != nil {
				return s.lostFor(h, err)
			}
			continue
		}
		if err := s.say("it is not to be had any more: %v\n", err); err != nil {
			return err
		}
		line, err := s.pause(ctx, s.kept(h)+"Enter goes on, q ends: ")
		if err != nil {
			return s.lostFor(h, err)
		}
		if line != "" {
			if err := s.say("not used: %s\n", quoted(line)); err != nil {
				return err
			}
		}
		return s.lostFor(h, errGone)
	}
}

// lostFor marks the hold as one that has nothing to give back.
func (s *session) lostFor(h *hold, err error) error {
	h.item = nil
	return err
}

// kept says what was typed for an item that is gone, for it not to be lost.
func (s *session) kept(h *hold) string {
	text := ""
	if h.said != "" {
		text = "not stored: " + quoted(h.said) + "\n"
	}
	if h.note != "" {
		text += "your note was: " + quoted(h.note) + "\n"
	}
	return text
}

// release gives an item back. Who holds a lease that has ended has nothing to give back.
func (s *session) release(ctx context.Context, h *hold) {
	h.drop()
	if h.item == nil {
		return
	}
	call, cancel := s.conn.Context(context.WithoutCancel(ctx))
	defer cancel()
	req := &candorv1.ReleaseReviewItemRequest{Name: h.item.GetName(), Epoch: h.item.GetEpoch()}
	req.RequestId = requestIDOf(h.item.GetEpoch(), req)
	_, err := s.client.ReleaseReviewItem(call, req)
	switch remote.Reason(err) {
	case candorv1.ErrorReason_ERROR_REASON_STALE_LEASE, candorv1.ErrorReason_ERROR_REASON_REVIEW_ITEM_RESOLVED:
		return
	}
	if err != nil {
		s.trouble = append(s.trouble, fmt.Errorf("%s was not given back, and comes back when its lease ends: %w", review.IDOf(h.item.GetName()), err))
	}
}

// giveBack releases what is in hand at the end, and answers what couldn't be.
func (s *session) giveBack(ctx context.Context) error {
	for _, h := range s.inHand {
		s.release(ctx, h)
	}
	return errors.Join(s.trouble...)
}
