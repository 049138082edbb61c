package desk

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	"github.com/candor-gateway/candor/cmd/candor/internal/remote"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

func claimCommand(f *remote.Flags) *cobra.Command {
	var queue string
	var lease time.Duration
	var showAnswer, asJSON bool
	c := &cobra.Command{
		Use:   "claim [ITEM]",
		Short: "Claim an item without answering it yet: the next one, or a named one",
		Long: `Claim the next item of a queue, or a named one, show it, and say which command resolves
it. Claiming an item that you hold already gives it a new epoch.`,
		Example: `  candor review claim --queue fraud
  candor review claim ` + exampleItem + ` --lease 30m --json`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return cli.Args("ITEM")(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			req := &candorv1.ClaimReviewItemRequest{Queue: queue}
			if len(args) == 1 {
				name, err := itemName(args[0])
				if err != nil {
					return err
				}
				req.Name = name
			}
			if err := leaseOf(cmd, lease, &req.Lease); err != nil {
				return err
			}
			return claimOnce(cmd, f, req, showAnswer, asJSON)
		},
	}
	c.Flags().StringVar(&queue, "queue", "", "of this queue (default: of any)")
	leaseFlag(c, &lease)
	c.Flags().BoolVar(&showAnswer, "show-answer", false, "show the models' answers too, where the queue isn't blind")
	c.Flags().BoolVar(&asJSON, "json", false, "write the item as JSON")
	return c
}

// claimOnce claims an item and says how to go on: there is nobody to ask.
func claimOnce(cmd *cobra.Command, f *remote.Flags, req *candorv1.ClaimReviewItemRequest, showAnswer, asJSON bool) error {
	return call(cmd, f, func(ctx context.Context, client candorv1.ReviewServiceClient) error {
		resp, err := client.ClaimReviewItem(ctx, req)
		if err != nil {
			return err
		}
		item, w := resp.GetItem(), cmd.OutOrStdout()
		if asJSON {
			return cli.JSON(w, item)
		}
		if err := writeItem(w, item, showsColour(w)); err != nil {
			return err
		}
		if showAnswer {
			if err := writeAnswers(w, item); err != nil {
				return err
			}
		}
		answer := "--value VALUE"
		if len(item.GetLabels()) > 0 {
			answer = "--label LABEL"
		}
		id := review.IDOf(item.GetName())
		_, err = fmt.Fprintf(w, "\n%s\n\nanswer it:    candor review resolve %s --epoch %d %s\ngive it back: candor review release %s --epoch %d\n",
			question(item), id, item.GetEpoch(), answer, id, item.GetEpoch())
		return err
	})
}

func leaseFlag(c *cobra.Command, lease *time.Duration) {
	c.Flags().DurationVar(lease, "lease", 0, "how long the claim holds, from now, 1s to 24h (default: the queue's lease)")
}

func leaseOf(cmd *cobra.Command, lease time.Duration, into **durationpb.Duration) error {
	const longest = 24 * time.Hour
	if !cmd.Flags().Changed("lease") {
		return nil
	}
	if lease < time.Second || lease > longest {
		return cli.Usage("write 1s to 24h", "--lease is %v", lease)
	}
	*into = durationpb.New(lease)
	return nil
}

func releaseCommand(f *remote.Flags) *cobra.Command {
	var epoch uint64
	var requestID string
	c := &cobra.Command{
		Use:     "release ITEM --epoch N",
		Short:   "Give a claimed item back",
		Example: `  candor review release ` + exampleItem + ` --epoch 1`,
		Args:    cli.Args("ITEM"),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, err := claimed(args[0], epoch)
			if err != nil {
				return err
			}
			return call(cmd, f, func(ctx context.Context, client candorv1.ReviewServiceClient) error {
				req := &candorv1.ReleaseReviewItemRequest{Name: name, Epoch: epoch, RequestId: requestID}
				if requestID == "" {
					req.RequestId = requestIDOf(epoch, req)
				}
				if _, err := client.ReleaseReviewItem(ctx, req); err != nil {
					return err
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "released %s; it waits for the next claim\n", review.IDOf(name))
				return err
			})
		},
	}
	epochFlag(c, &epoch)
	requestIDFlag(c, &requestID, "one made of item and epoch")
	return c
}

func renewCommand(f *remote.Flags) *cobra.Command {
	var epoch uint64
	var lease time.Duration
	c := &cobra.Command{
		Use:   "renew ITEM --epoch N",
		Short: "Keep a claimed item for longer",
		Long: `Extend the lease of an item that you have claimed, from now on. The item's own deadline
never moves.`,
		Example: `  candor review renew ` + exampleItem + ` --epoch 1
  candor review renew ` + exampleItem + ` --epoch 1 --lease 30m`,
		Args: cli.Args("ITEM"),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, err := claimed(args[0], epoch)
			if err != nil {
				return err
			}
			req := &candorv1.RenewReviewItemLeaseRequest{Name: name, Epoch: epoch}
			if err := leaseOf(cmd, lease, &req.Lease); err != nil {
				return err
			}
			return call(cmd, f, func(ctx context.Context, client candorv1.ReviewServiceClient) error {
				resp, err := client.RenewReviewItemLease(ctx, req)
				if err != nil {
					return err
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "yours until %s\n", cli.Time(resp.GetItem().GetLeaseExpireTime().AsTime()))
				return err
			})
		},
	}
	epochFlag(c, &epoch)
	leaseFlag(c, &lease)
	return c
}
