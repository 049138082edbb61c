package desk

import (
	"bufio"
	"context"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	"github.com/candor-gateway/candor/cmd/candor/internal/remote"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

func appealCommand(f *remote.Flags) *cobra.Command {
	var row uint32
	var field, reason, requestID string
	c := &cobra.Command{
		Use:   "appeal PREDICTION --reason TEXT",
		Short: "Ask people to look at an answer again",
		Long: `Ask people to look at an answer again: as the consumer who made the prediction, or as a
senior. It becomes an item of the policy's queue, and nobody who judged the row before
gets it. Its answer replaces the one that is disputed.`,
		Example: `  candor review appeal 01939d4e-6a5c-7c3f-8f57-1f0a6c3e9b11 --reason "the customer sent the receipt"
  candor review appeal 01939d4e-6a5c-7c3f-8f57-1f0a6c3e9b11 --row 3 --field total --reason "misread"`,
		Args: cli.Args("PREDICTION"),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := uuid.Parse(args[0])
			if err != nil {
				return cli.Usage("copy it from the reply's candor_prediction_id", "%q is not the id of a prediction", args[0])
			}
			if err := required("--reason", reason, `--reason "what is wrong with it"`); err != nil {
				return err
			}
			req := &candorv1.AppealPredictionRequest{PredictionId: id.String(), Row: row, Field: field, Reason: reason, RequestId: requestID}
			if requestID == "" {
				req.RequestId = requestIDOf(0, req)
			}
			return call(cmd, f, func(ctx context.Context, client candorv1.ReviewServiceClient) error {
				resp, err := client.AppealPrediction(ctx, req)
				if err != nil {
					return err
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "appealed; %s\n", review.IDOf(resp.GetItem()))
				return err
			})
		},
	}
	c.Flags().Uint32Var(&row, "row", 0, "row of the batch, from 0")
	c.Flags().StringVar(&field, "field", "", "field of the row, where the model has several")
	c.Flags().StringVar(&reason, "reason", "", "what is wrong with the answer (required)")
	requestIDFlag(c, &requestID, "one made of what is appealed and why")
	return c
}

func deletePayloadCommand(f *remote.Flags) *cobra.Command {
	var reason, requestID string
	var yes bool
	c := &cobra.Command{
		Use:   "delete-payload ITEM --reason TEXT",
		Short: "Remove the stored input of an item for good (admin)",
		Long: `Remove the stored input of an item for good, as when a person asks for it. The decision
log keeps its digest and says who removed it and why; answers and verdicts stay. Needs
the role admin. In a terminal it asks before; --yes answers that.`,
		Example: `  candor review delete-payload ` + exampleItem + ` --reason "erasure request 4711" --yes`,
		Args:    cli.Args("ITEM"),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, err := itemName(args[0])
			if err != nil {
				return err
			}
			if err := required("--reason", reason, `--reason "who asked for it"`); err != nil {
				return err
			}
			if !yes && cli.IsTerminal(cmd.InOrStdin()) && !agreed(cmd, "remove the input of "+review.IDOf(name)+" for good?") {
				_, err := fmt.Fprintln(cmd.OutOrStdout(), "nothing was removed")
				return err
			}
			req := &candorv1.DeleteReviewPayloadRequest{Name: name, Reason: reason, RequestId: requestID}
			if requestID == "" {
				req.RequestId = requestIDOf(0, req)
			}
			return call(cmd, f, func(ctx context.Context, client candorv1.ReviewServiceClient) error {
				if _, err := client.DeleteReviewPayload(ctx, req); err != nil {
					return err
				}
				_, err := fmt.Fprintf(cmd.OutOrStdout(), "removed the input of %s\n", review.IDOf(name))
				return err
			})
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "who asked for it, or why (required)")
	c.Flags().BoolVar(&yes, "yes", false, "don't ask")
	requestIDFlag(c, &requestID, "one made of item and reason")
	return c
}

// agreed asks a person at a terminal.
func agreed(cmd *cobra.Command, question string) bool {
	if _, err := fmt.Fprintf(cmd.OutOrStdout(), "%s (yes/no): ", question); err != nil {
		return false
	}
	line, err := bufio.NewReader(cmd.InOrStdin()).ReadString('\n')
	return err == nil && strings.EqualFold(strings.TrimSpace(line), "yes")
}
