package desk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	"github.com/candor-gateway/candor/cmd/candor/internal/remote"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// session is a person at the queue.
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
	// skipped items are given back at the end: given back at once, the same item would be the next again.
	skipped []*candorv1.ReviewItem
}

// errQuit: the person has had enough.
var errQuit = errors.New("quit")

// loop asks about one item after the other until the person ends it or nothing is left.
func (s *session) loop(ctx context.Context) (err error) {
	defer func() { err = errors.Join(err, s.giveBack(ctx)) }()
	for {
		item, err := s.claim(ctx)
		switch {
		case remote.Reason(err) == candorv1.ErrorReason_ERROR_REASON_QUEUE_EMPTY && s.resolved+len(s.skipped) > 0:
			_, err := fmt.Fprintf(s.out, "nothing else waits; %s resolved\n", cli.Count(s.resolved, "item"))
			return err
		case err != nil:
			return err
		}
		err = s.item(ctx, item)
		if errors.Is(err, errQuit) {
			_, err := fmt.Fprintf(s.out, "%s resolved\n", cli.Count(s.resolved, "item"))
			return err
		}
		if err != nil {
			return err
		}
	}
}

// item shows one item and asks about it.
func (s *session) item(ctx context.Context, item *candorv1.ReviewItem) error {
	stop := s.keep(ctx, item)
	defer stop()
	if err := writeItem(s.out, item, s.colour); err != nil {
		return err
	}
	if s.showAnswer {
		if err := writeAnswers(s.out, item); err != nil {
			return err
		}
	}
	m, err := s.ask(ctx, item)
	if err != nil || m.command != 0 {
		s.skipped = append(s.skipped, item)
		if m.command == quit {
			err = errQuit
		}
		return err
	}
	return s.resolve(ctx, item, m.verdict)
}

// resolve stores the verdict, and then shows what the models had said.
func (s *session) resolve(ctx context.Context, item *candorv1.ReviewItem, v *candorv1.Verdict) error {
	call, cancel := s.conn.Context(ctx)
	defer cancel()
	resp, err := s.client.ResolveReviewItem(call, &candorv1.ResolveReviewItemRequest{
		Name: item.GetName(), Epoch: item.GetEpoch(), Verdict: v, RequestId: requestIDOf(item.GetEpoch(), v),
	})
	if remote.Reason(err) == candorv1.ErrorReason_ERROR_REASON_STALE_LEASE {
		_, err := fmt.Fprintln(s.out, "your lease had ended; the item went on without you")
		return err
	}
	if err != nil {
		return err
	}
	s.resolved++
	if err := writeResolved(s.out, resp.GetItem()); err != nil {
		return err
	}
	if !s.showAnswer {
		if err := writeAnswers(s.out, item); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintln(s.out)
	return err
}

// ask prompts until the line makes sense.
func (s *session) ask(ctx context.Context, item *candorv1.ReviewItem) (move, error) {
	for {
		if _, err := fmt.Fprintf(s.out, "\n%s\nyour answer (s skip, q quit): ", question(item)); err != nil {
			return move{}, err
		}
		select {
		case line, ok := <-s.lines:
			if !ok {
				return move{command: quit}, nil
			}
			m, err := parseMove(line, item)
			if err == nil {
				return m, nil
			}
			if _, err := fmt.Fprintln(s.out, err); err != nil {
				return move{}, err
			}
		case <-ctx.Done():
			_, err := fmt.Fprintln(s.out)
			return move{command: quit}, err
		}
	}
}

// giveBack releases what was skipped. Who holds a lease that has ended has nothing to give back.
func (s *session) giveBack(ctx context.Context) error {
	var errs []error
	for _, item := range s.skipped {
		call, cancel := s.conn.Context(context.WithoutCancel(ctx))
		_, err := s.client.ReleaseReviewItem(call, &candorv1.ReleaseReviewItemRequest{Name: item.GetName(), Epoch: item.GetEpoch()})
		cancel()
		if remote.Reason(err) != candorv1.ErrorReason_ERROR_REASON_STALE_LEASE {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

const (
	// renewals is how often a lease is renewed within its length: two may get lost.
	renewals = 3
	// leastRenewal keeps a lease of a second, or a clock that is off, from becoming a flood of calls.
	leastRenewal = time.Second
)

// keep renews the item's lease while a person thinks. stop ends it and waits.
func (s *session) keep(ctx context.Context, item *candorv1.ReviewItem) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	every := max(time.Until(item.GetLeaseExpireTime().AsTime())/renewals, leastRenewal)
	go func() {
		defer close(done)
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				call, cancel := s.conn.Context(ctx)
				// A lease that is lost is told when the verdict is refused; a connection that is lost may come back.
				_, _ = s.client.RenewReviewItemLease(call, &candorv1.RenewReviewItemLeaseRequest{Name: item.GetName(), Epoch: item.GetEpoch(), Lease: s.lease})
				cancel()
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() { cancel(); <-done }
}
