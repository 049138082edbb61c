package desk

import (
	"context"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	"github.com/candor-gateway/candor/cmd/candor/internal/remote"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

// Command is candor review.
func Command() *cobra.Command {
	c := &cobra.Command{
		Use:   "review",
		Short: "Work on the review queue: next, list, show, queues, stats, golden",
		Long: `Work on the queue of rows that were handed to a person.

An item is claimed before it is answered: the claim is a lease with an epoch, and a
verdict is taken only from who holds the lease, with that epoch. A lease that has ended
puts the item back. A verdict can be revised or undone until its window closes; then it
is final, and only a senior can supersede it. You need an operator's token with the role
reviewer (looking needs any role), and nobody reviews what they submitted.`,
		Example: `  export CANDOR_TOKEN=...            # or --token-file
  candor review next                 # claim, look, answer, keep or change, again
  candor review list --queue fraud --mine --state any
  candor review show 01939d4e-6a5c-7c3f-8f57-1f0a6c3e9b11 --events
  candor review queues`,
		RunE: cli.Group,
	}
	f := &remote.Flags{}
	f.Register(c.PersistentFlags())
	c.AddCommand(
		nextCommand(f), listCommand(f), showCommand(f), eventsCommand(f),
		claimCommand(f), resolveCommand(f), reviseCommand(f), undoCommand(f), skipCommand(f), escalateCommand(f),
		releaseCommand(f), renewCommand(f), supersedeCommand(f), appealCommand(f),
		queuesCommand(f), statsCommand(f), goldenCommand(f), deletePayloadCommand(f),
	)
	return c
}

// call makes one call of the review service, bounded by --timeout.
func call(cmd *cobra.Command, f *remote.Flags, do func(context.Context, candorv1.ReviewServiceClient) error) error {
	return f.Call(cmd.Context(), func(ctx context.Context, conn *remote.Conn) error {
		return do(ctx, candorv1.NewReviewServiceClient(conn))
	})
}

// dial opens the review service for more than one call.
func dial(f *remote.Flags) (*remote.Conn, candorv1.ReviewServiceClient, error) {
	conn, err := f.Dial()
	if err != nil {
		return nil, nil, err
	}
	return conn, candorv1.NewReviewServiceClient(conn), nil
}

// itemName reads an item's id, with or without the collection in front.
func itemName(arg string) (string, error) {
	id, err := uuid.Parse(review.IDOf(arg))
	if err != nil {
		return "", cli.Usage("copy it from candor review list", "%q is no review item", arg)
	}
	return review.Name(id.String()), nil
}

// exampleItem stands in the examples of the help texts.
const exampleItem = "01939d4e-6a5c-7c3f-8f57-1f0a6c3e9b11"
