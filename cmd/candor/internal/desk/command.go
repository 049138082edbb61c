package desk

import (
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
		Short: "Work on the review queue: list, show, next, resolve",
		Long: `Work on the queue of rows that were handed to a person.

An item is claimed before it is answered: the claim is a lease with an epoch, and a
verdict is taken only from who holds the lease, with that epoch. A lease that has ended
puts the item back. You need an operator's token with the role reviewer (looking needs
any role), and nobody reviews what they submitted.`,
		Example: `  export CANDOR_TOKEN=...            or --token-file
  candor review next                 claim, look, answer, again
  candor review list --queue fraud
  candor review show 01939d4e-6a5c-7c3f-8f57-1f0a6c3e9b11`,
		RunE: cli.Group,
	}
	f := &remote.Flags{}
	f.Register(c.PersistentFlags())
	c.AddCommand(listCommand(f), showCommand(f), nextCommand(f), resolveCommand(f), releaseCommand(f), renewCommand(f))
	return c
}

// dial opens the review service.
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
