package desk

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	"github.com/candor-gateway/candor/cmd/candor/internal/remote"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

func resolveCommand(f *remote.Flags) *cobra.Command {
	var g given
	var epoch uint64
	var requestID string
	var asJSON bool
	c := &cobra.Command{
		Use:   "resolve ITEM --epoch N (--label LABEL | --value VALUE)",
		Short: "Answer an item that you have claimed",
		Long: `Answer an item that you have claimed. The same verdict for the same claim may be sent
again after a lost connection: it is stored once. It can be revised or undone until the
queue's undo window closes; then it is final and leaves. A final answer whose action
meets a tripped limit is stored, and held.`,
		Example: `  candor review resolve ` + exampleItem + ` --epoch 1 --label legit --reason "known merchant"
  candor review resolve ` + exampleItem + ` --epoch 2 --value 12.5 --confidence 0.8`,
		Args: cli.Args("ITEM"),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, err := claimed(args[0], epoch)
			if err != nil {
				return err
			}
			v, err := g.verdict(cmd)
			if err != nil {
				return err
			}
			if requestID == "" {
				requestID = requestIDOf(epoch, v)
			}
			return call(cmd, f, func(ctx context.Context, client candorv1.ReviewServiceClient) error {
				resp, err := client.ResolveReviewItem(ctx, &candorv1.ResolveReviewItemRequest{Name: name, Epoch: epoch, Verdict: v, RequestId: requestID})
				if err != nil {
					return err
				}
				if asJSON {
					return cli.JSON(cmd.OutOrStdout(), resp.GetItem())
				}
				return writeResolved(cmd.OutOrStdout(), resp.GetItem(), verdictText(v))
			})
		},
	}
	epochFlag(c, &epoch)
	g.register(c)
	requestIDFlag(c, &requestID, "one made of epoch and verdict")
	c.Flags().BoolVar(&asJSON, "json", false, "write the item as JSON")
	return c
}

// writeResolved says what became of a verdict that was stored.
func writeResolved(w io.Writer, i *candorv1.ReviewItem, said string) error {
	_, err := fmt.Fprintf(w, "resolved %s: %q, %s\n", review.IDOf(i.GetName()), said, standing(i, time.Now()))
	return err
}

// standing is how far an answered item has come.
func standing(i *candorv1.ReviewItem, now time.Time) string {
	switch {
	case len(i.GetLimitWants()) > 0:
		return fmt.Sprintf("final, and held by %s, which can't count it: an operator says what it comes to (candor limits count %s)", cli.Plain(i.GetHeldBy()), review.IDOf(i.GetName()))
	case i.GetFinalTime() != nil && i.GetHeldBy() != "":
		return fmt.Sprintf("final, and held by %s, which has tripped (candor limits list)", cli.Plain(i.GetHeldBy()))
	case i.GetFinalTime() != nil:
		return "final and released"
	case i.GetUndoUntil() != nil:
		return fmt.Sprintf("final at %s, in %s, unless you change it", cli.Time(i.GetUndoUntil().AsTime()), cli.Span(until(i.GetUndoUntil().AsTime(), now)))
	case i.GetAdjudication():
		return "stored; the reviewers disagree, and a senior decides"
	}
	return "stored; other reviewers are asked too"
}

// until is the time that is left, at least none: clocks may differ.
func until(t, now time.Time) time.Duration { return max(0, t.Sub(now)) }
