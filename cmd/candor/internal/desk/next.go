package desk

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	"github.com/candor-gateway/candor/cmd/candor/internal/remote"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

func nextCommand(f *remote.Flags) *cobra.Command {
	var queue string
	var lease time.Duration
	var showAnswer, asJSON bool
	c := &cobra.Command{
		Use:   "next",
		Short: "Claim the next item, look at it, answer it",
		Long: `Claim the next item of a queue: the highest expected loss first, then the nearest
deadline, then the oldest.

In a terminal it shows one item after the other and asks for your answer: a label (or
its number), or a value; s skips the item and gives it back, q ends. The lease is
renewed while you think. The models' answers are shown after yours, unless --show-answer
wants them before.

Elsewhere it claims one item, shows it, and prints the command that resolves it.`,
		Example: `  candor review next --queue fraud
  candor review next --lease 30m --json </dev/null`,
		Args: cli.Args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			conn, client, err := dial(f)
			if err != nil {
				return err
			}
			defer conn.Close()
			s := &session{
				client: client, conn: conn, out: cmd.OutOrStdout(), queue: queue, showAnswer: showAnswer, colour: showsColour(cmd.OutOrStdout()),
			}
			if lease != 0 {
				s.lease = durationpb.New(lease)
			}
			if asJSON || !cli.IsTerminal(cmd.InOrStdin()) {
				return s.once(cmd.Context(), asJSON)
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			s.lines = lines(cmd.InOrStdin())
			return s.loop(ctx)
		},
	}
	c.Flags().StringVar(&queue, "queue", "", "of this queue (default: of any)")
	c.Flags().DurationVar(&lease, "lease", 0, "how long the claim holds (default: the queue's lease)")
	c.Flags().BoolVar(&showAnswer, "show-answer", false, "show the models' answers before yours")
	c.Flags().BoolVar(&asJSON, "json", false, "claim one item and write it as JSON, models' answers included")
	return c
}

// claim leases the next item.
func (s *session) claim(ctx context.Context) (*candorv1.ReviewItem, error) {
	ctx, cancel := s.conn.Context(ctx)
	defer cancel()
	resp, err := s.client.ClaimReviewItem(ctx, &candorv1.ClaimReviewItemRequest{Queue: s.queue, Lease: s.lease})
	return resp.GetItem(), err
}

// once claims an item and says how to go on: there is nobody to ask.
func (s *session) once(ctx context.Context, asJSON bool) error {
	item, err := s.claim(ctx)
	if err != nil {
		return err
	}
	if asJSON {
		return cli.JSON(s.out, item)
	}
	if err := writeItem(s.out, item, s.colour); err != nil {
		return err
	}
	if s.showAnswer {
		if err := writeAnswers(s.out, item); err != nil {
			return err
		}
	}
	answer := "--value VALUE"
	if len(item.GetLabels()) > 0 {
		answer = "--label LABEL"
	}
	id := review.IDOf(item.GetName())
	_, err = fmt.Fprintf(s.out, "\n%s\n\nanswer it:   candor review resolve %s --epoch %d %s\ngive it back: candor review release %s --epoch %d\n",
		question(item), id, item.GetEpoch(), answer, id, item.GetEpoch())
	return err
}

// question says what a verdict may be.
func question(i *candorv1.ReviewItem) string {
	of := ""
	if i.GetField() != "" {
		of = "of " + cli.Plain(i.GetField()) + ", "
	}
	if len(i.GetLabels()) == 0 {
		if i.GetUnit() == "" {
			return of + "asked for: a value"
		}
		return of + "asked for: a value in " + cli.Plain(i.GetUnit())
	}
	labels := make([]string, len(i.GetLabels()))
	for n, l := range i.GetLabels() {
		labels[n] = cli.Plain(l)
		if !numbered(i.GetLabels()) {
			labels[n] = fmt.Sprintf("[%d] %s", n+1, labels[n])
		}
	}
	return of + "labels: " + strings.Join(labels, "  ")
}

// lines reads a person's lines; the channel is closed at the end of the input. The goroutine ends with the process at the
// latest: a read from a terminal can't be interrupted.
func lines(r io.Reader) <-chan string {
	out := make(chan string)
	go func() {
		defer close(out)
		for scanner := bufio.NewScanner(r); scanner.Scan(); {
			out <- scanner.Text()
		}
	}()
	return out
}
