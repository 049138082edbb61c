package desk

import (
	"bufio"
	"io"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	"github.com/candor-gateway/candor/cmd/candor/internal/remote"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

func nextCommand(f *remote.Flags) *cobra.Command {
	var queue string
	var lease time.Duration
	var showAnswer, asJSON bool
	c := &cobra.Command{
		Use:   "next",
		Short: "Claim the next item, look at it, answer it, again",
		Long: `Claim the next item of a queue: the highest expected loss first, then the nearest
deadline, then the oldest.

In a terminal it shows one item after the other and asks for your answer. The models'
answers are shown after yours; while the window is open, Enter keeps your answer, another
one changes it, and u takes it back. The lease is renewed while you think, and when it is
lost you are told at once.

` + helpText + `
Elsewhere it is candor review claim: one item, and the command that resolves it.`,
		Example: `  candor review next --queue fraud
  candor review next --lease 30m --json </dev/null`,
		Args: cli.Args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			req := &candorv1.ClaimReviewItemRequest{Queue: queue}
			if err := leaseOf(cmd, lease, &req.Lease); err != nil {
				return err
			}
			if asJSON || !cli.IsTerminal(cmd.InOrStdin()) {
				return claimOnce(cmd, f, req, showAnswer, asJSON)
			}
			conn, client, err := dial(f)
			if err != nil {
				return err
			}
			defer conn.Close()
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			s := &session{
				client: client, conn: conn, out: cmd.OutOrStdout(), lines: lines(cmd.InOrStdin()), queue: queue, lease: req.Lease,
				showAnswer: showAnswer, colour: showsColour(cmd.OutOrStdout()),
			}
			return s.loop(ctx)
		},
	}
	c.Flags().StringVar(&queue, "queue", "", "of this queue (default: of any)")
	leaseFlag(c, &lease)
	c.Flags().BoolVar(&showAnswer, "show-answer", false, "show the models' answers before yours, where the queue isn't blind")
	c.Flags().BoolVar(&asJSON, "json", false, "claim one item and write it as JSON")
	return c
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
