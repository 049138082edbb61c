package desk

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	"github.com/candor-gateway/candor/cmd/candor/internal/remote"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

func skipCommand(f *remote.Flags) *cobra.Command {
	var epoch uint64
	var reason, requestID string
	var all bool
	c := &cobra.Command{
		Use:   "skip ITEM --epoch N --reason TEXT",
		Short: "Give a claimed item back with a reason, for others",
		Long: `Give a claimed item back with a reason. It never comes back to you; with --all it goes
to everybody again, and to you not before the queue's skip_pause has passed.`,
		Example: `  candor review skip ` + exampleItem + ` --epoch 1 --reason "I know the sender"
  candor review skip ` + exampleItem + ` --epoch 1 --reason "too late in the day" --all`,
		Args: cli.Args("ITEM"),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, err := claimed(args[0], epoch)
			if err != nil {
				return err
			}
			if err := required("--reason", reason, `--reason "why it isn't for you"`); err != nil {
				return err
			}
			req := &candorv1.SkipReviewItemRequest{Name: name, Epoch: epoch, Reason: reason, Routing: candorv1.SkipRouting_SKIP_ROUTING_OTHERS, RequestId: requestID}
			who := "others get it"
			if all {
				req.Routing, who = candorv1.SkipRouting_SKIP_ROUTING_ALL, "it goes to everybody again, to you after a pause"
			}
			if requestID == "" {
				req.RequestId = requestIDOf(epoch, req)
			}
			return call(cmd, f, func(ctx context.Context, client candorv1.ReviewServiceClient) error {
				if _, err := client.SkipReviewItem(ctx, req); err != nil {
					return err
				}
				_, err := fmt.Fprintf(cmd.OutOrStdout(), "skipped %s; %s\n", review.IDOf(name), who)
				return err
			})
		},
	}
	epochFlag(c, &epoch)
	c.Flags().StringVar(&reason, "reason", "", "why (required)")
	c.Flags().BoolVar(&all, "all", false, "for everybody, yourself included, not only for others")
	requestIDFlag(c, &requestID, "one made of epoch and reason")
	return c
}

func escalateCommand(f *remote.Flags) *cobra.Command {
	var epoch uint64
	var to, note, requestID string
	c := &cobra.Command{
		Use:   "escalate ITEM --epoch N --to QUEUE --note TEXT",
		Short: "Hand a claimed item to another queue, with a note",
		Long: `Hand a claimed item to another queue, with a note for who gets it. The item's deadline
stays. candor review queues says which queues a queue's items may go to.`,
		Example: `  candor review escalate ` + exampleItem + ` --epoch 1 --to lawyers --note "a contract, not an invoice"`,
		Args:    cli.Args("ITEM"),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, err := claimed(args[0], epoch)
			if err != nil {
				return err
			}
			if err := required("--to", to, "candor review queues lists them"); err != nil {
				return err
			}
			if err := required("--note", note, `--note "what the next one should know"`); err != nil {
				return err
			}
			req := &candorv1.EscalateReviewItemRequest{Name: name, Epoch: epoch, Queue: to, Note: note, RequestId: requestID}
			if requestID == "" {
				req.RequestId = requestIDOf(epoch, req)
			}
			return call(cmd, f, func(ctx context.Context, client candorv1.ReviewServiceClient) error {
				if _, err := client.EscalateReviewItem(ctx, req); err != nil {
					return err
				}
				_, err := fmt.Fprintf(cmd.OutOrStdout(), "escalated %s to queue %s\n", review.IDOf(name), cli.Plain(to))
				return err
			})
		},
	}
	epochFlag(c, &epoch)
	c.Flags().StringVar(&to, "to", "", "the queue (required)")
	c.Flags().StringVar(&note, "note", "", "what the next one should know (required)")
	requestIDFlag(c, &requestID, "one made of epoch, queue and note")
	return c
}
