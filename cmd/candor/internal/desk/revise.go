package desk

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	"github.com/candor-gateway/candor/cmd/candor/internal/remote"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

func etagFlag(c *cobra.Command, etag *string) {
	c.Flags().StringVar(etag, "etag", "", "only if the item is still the one with this etag (candor review show --json)")
}

func reviseCommand(f *remote.Flags) *cobra.Command {
	var g given
	var etag, requestID string
	var asJSON bool
	c := &cobra.Command{
		Use:   "revise ITEM (--label LABEL | --value VALUE)",
		Short: "Change your own verdict while its window is open",
		Long: `Change your own verdict while its window is open. The first answer stays on record, and
the window stays where it is. Reason and note are replaced, too.`,
		Example: `  candor review revise ` + exampleItem + ` --label fraud --note "saw the second page"`,
		Args:    cli.Args("ITEM"),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, err := itemName(args[0])
			if err != nil {
				return err
			}
			v, err := g.verdict(cmd)
			if err != nil {
				return err
			}
			return call(cmd, f, func(ctx context.Context, client candorv1.ReviewServiceClient) error {
				resp, err := client.ReviseReviewItem(ctx, &candorv1.ReviseReviewItemRequest{Name: name, Verdict: v, RequestId: freshUnless(requestID), Etag: etag})
				if err != nil {
					return err
				}
				if asJSON {
					return cli.JSON(cmd.OutOrStdout(), resp.GetItem())
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "revised %s: %q, %s\n", review.IDOf(name), verdictText(v), standing(resp.GetItem(), time.Now()))
				return err
			})
		},
	}
	g.register(c)
	etagFlag(c, &etag)
	requestIDFlag(c, &requestID, "a fresh one")
	c.Flags().BoolVar(&asJSON, "json", false, "write the item as JSON")
	return c
}

func undoCommand(f *remote.Flags) *cobra.Command {
	var etag, requestID string
	var asJSON bool
	c := &cobra.Command{
		Use:   "undo ITEM",
		Short: "Take your own verdict back while its window is open",
		Long: `Take your own verdict back while its window is open. You hold the item again, under a
new epoch, unless somebody else is at work on it by now.`,
		Example: `  candor review undo ` + exampleItem,
		Args:    cli.Args("ITEM"),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, err := itemName(args[0])
			if err != nil {
				return err
			}
			return call(cmd, f, func(ctx context.Context, client candorv1.ReviewServiceClient) error {
				resp, err := client.UndoReviewItem(ctx, &candorv1.UndoReviewItemRequest{Name: name, RequestId: freshUnless(requestID), Etag: etag})
				if err != nil {
					return err
				}
				item := resp.GetItem()
				if asJSON {
					return cli.JSON(cmd.OutOrStdout(), item)
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "took back your verdict on %s; %s\n", review.IDOf(name), whoHas(item))
				return err
			})
		},
	}
	etagFlag(c, &etag)
	requestIDFlag(c, &requestID, "a fresh one")
	c.Flags().BoolVar(&asJSON, "json", false, "write the item as JSON")
	return c
}

// whoHas says who has an item that its reviewer took the verdict back of.
func whoHas(i *candorv1.ReviewItem) string {
	if i.GetEpoch() != 0 && i.GetState() == candorv1.ReviewState_REVIEW_STATE_CLAIMED && i.GetLeaseExpireTime() != nil && i.GetHolder() != "" {
		return fmt.Sprintf("%s holds it until %s, epoch %d", cli.Plain(i.GetHolder()), cli.Time(i.GetLeaseExpireTime().AsTime()), i.GetEpoch())
	}
	return "somebody else is at work on it"
}

func supersedeCommand(f *remote.Flags) *cobra.Command {
	var g given
	var etag, requestID string
	var asJSON bool
	c := &cobra.Command{
		Use:   "supersede ITEM (--label LABEL | --value VALUE) --reason TEXT",
		Short: "Replace a final answer by another (senior)",
		Long: `Replace a final answer by another. Whoever waits for answers gets the new one as a new
position of the feed. The answer that was replaced stays on record, and what was evidence
for a certificate stays evidence. Needs the role senior.`,
		Example: `  candor review supersede ` + exampleItem + ` --label legit --reason "the merchant sent the receipt"`,
		Args:    cli.Args("ITEM"),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, err := itemName(args[0])
			if err != nil {
				return err
			}
			v, err := g.verdict(cmd)
			if err != nil {
				return err
			}
			if err := required("--reason", g.reason, `--reason "what has come to light"`); err != nil {
				return err
			}
			return call(cmd, f, func(ctx context.Context, client candorv1.ReviewServiceClient) error {
				resp, err := client.SupersedeVerdict(ctx, &candorv1.SupersedeVerdictRequest{Name: name, Verdict: v, RequestId: freshUnless(requestID), Etag: etag})
				if err != nil {
					return err
				}
				if asJSON {
					return cli.JSON(cmd.OutOrStdout(), resp.GetItem())
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "superseded %s: %q, %s\n", review.IDOf(name), verdictText(v), standing(resp.GetItem(), time.Now()))
				return err
			})
		},
	}
	g.register(c)
	etagFlag(c, &etag)
	requestIDFlag(c, &requestID, "a fresh one")
	c.Flags().BoolVar(&asJSON, "json", false, "write the item as JSON")
	return c
}
