package desk

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	"github.com/candor-gateway/candor/cmd/candor/internal/remote"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

func resolveCommand(f *remote.Flags) *cobra.Command {
	var epoch uint64
	var label, reason, note, requestID string
	var value, confidence float64
	var asJSON bool
	c := &cobra.Command{
		Use:   "resolve ITEM --epoch N (--label L | --value V)",
		Short: "Give a claimed item its verdict",
		Long: `Give an item that you have claimed its verdict. The epoch is the claim's: when the lease
has ended and somebody else has the item, the verdict is refused.

The same command again changes nothing and answers the same, so that it may be repeated
after a broken connection. A verdict whose action meets a tripped limit is stored, and
held until the limit is reset.`,
		Example: `  candor review resolve 01939d4e-6a5c-7c3f-8f57-1f0a6c3e9b11 --epoch 1 --label decline --reason "known card"
  candor review resolve 01939d4e-6a5c-7c3f-8f57-1f0a6c3e9b11 --epoch 2 --value 12.5 --confidence 0.8`,
		Args: cli.Args("ITEM"),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, err := claimed(args[0], epoch)
			if err != nil {
				return err
			}
			flags := cmd.Flags()
			v := &candorv1.Verdict{Reason: reason, Note: note}
			switch {
			case flags.Changed("label") == flags.Changed("value"):
				return cli.Usage("candor review show ITEM says which it asks for", "give either --label or --value")
			case flags.Changed("label"):
				v.Answer = &candorv1.Verdict_Label{Label: label}
			default:
				v.Answer = &candorv1.Verdict_Value{Value: value}
			}
			if flags.Changed("confidence") {
				v.Confidence = &confidence
			}
			if requestID == "" {
				requestID = requestIDOf(epoch, v)
			}
			conn, client, err := dial(f)
			if err != nil {
				return err
			}
			defer conn.Close()
			ctx, cancel := conn.Context(cmd.Context())
			defer cancel()
			resp, err := client.ResolveReviewItem(ctx, &candorv1.ResolveReviewItemRequest{Name: name, Epoch: epoch, Verdict: v, RequestId: requestID})
			if err != nil {
				return err
			}
			if asJSON {
				return cli.JSON(cmd.OutOrStdout(), resp.GetItem())
			}
			return writeResolved(cmd.OutOrStdout(), resp.GetItem())
		},
	}
	epochFlag(c, &epoch)
	c.Flags().StringVar(&label, "label", "", "the answer, for items with labels")
	c.Flags().Float64Var(&value, "value", 0, "the answer, for items that ask for a value")
	c.Flags().Float64Var(&confidence, "confidence", 0, "how sure you are, from 0 to 1")
	c.Flags().StringVar(&reason, "reason", "", "why, in a few words")
	c.Flags().StringVar(&note, "note", "", "anything that who reads this later should know")
	c.Flags().StringVar(&requestID, "request-id", "", "key that makes repetitions harmless (default: one made of epoch and verdict)")
	c.Flags().BoolVar(&asJSON, "json", false, "write the item as JSON")
	return c
}

// requestIDOf makes repetitions of one verdict recognisable, and another verdict for the same claim a different request.
func requestIDOf(epoch uint64, v *candorv1.Verdict) string {
	// A verdict of flags is text and finite numbers: it can't fail to encode.
	data, _ := proto.MarshalOptions{Deterministic: true}.Marshal(v)
	sum := sha256.Sum256(data)
	const enough = 8
	return fmt.Sprintf("cli-%d-%s", epoch, hex.EncodeToString(sum[:enough]))
}

func writeResolved(w io.Writer, i *candorv1.ReviewItem) error {
	release := "released"
	if i.GetReleaseState() != candorv1.ReleaseState_RELEASE_STATE_RELEASED {
		release = "stored, and held by an action limit that has tripped (candor limits list)"
	}
	_, err := fmt.Fprintf(w, "resolved %s: %q by %s, %s\n", review.IDOf(i.GetName()), verdictText(i.GetVerdict()), cli.Plain(i.GetVerdict().GetAuthor()), release)
	return err
}

func releaseCommand(f *remote.Flags) *cobra.Command {
	var epoch uint64
	c := &cobra.Command{
		Use:     "release ITEM --epoch N",
		Short:   "Give a claimed item back",
		Example: `  candor review release 01939d4e-6a5c-7c3f-8f57-1f0a6c3e9b11 --epoch 1`,
		Args:    cli.Args("ITEM"),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, err := claimed(args[0], epoch)
			if err != nil {
				return err
			}
			conn, client, err := dial(f)
			if err != nil {
				return err
			}
			defer conn.Close()
			ctx, cancel := conn.Context(cmd.Context())
			defer cancel()
			if _, err := client.ReleaseReviewItem(ctx, &candorv1.ReleaseReviewItemRequest{Name: name, Epoch: epoch}); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "released %s; it waits for the next claim\n", review.IDOf(name))
			return err
		},
	}
	epochFlag(c, &epoch)
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
		Example: `  candor review renew 01939d4e-6a5c-7c3f-8f57-1f0a6c3e9b11 --epoch 1
  candor review renew 01939d4e-6a5c-7c3f-8f57-1f0a6c3e9b11 --epoch 1 --lease 30m`,
		Args: cli.Args("ITEM"),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, err := claimed(args[0], epoch)
			if err != nil {
				return err
			}
			req := &candorv1.RenewReviewItemLeaseRequest{Name: name, Epoch: epoch}
			if lease != 0 {
				req.Lease = durationpb.New(lease)
			}
			conn, client, err := dial(f)
			if err != nil {
				return err
			}
			defer conn.Close()
			ctx, cancel := conn.Context(cmd.Context())
			defer cancel()
			resp, err := client.RenewReviewItemLease(ctx, req)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "yours until %s\n", cli.Time(resp.GetItem().GetLeaseExpireTime().AsTime()))
			return err
		},
	}
	epochFlag(c, &epoch)
	c.Flags().DurationVar(&lease, "lease", 0, "how long from now (default: the queue's lease)")
	return c
}

func epochFlag(c *cobra.Command, epoch *uint64) {
	c.Flags().Uint64Var(epoch, "epoch", 0, "epoch of your claim; candor review next says it (required)")
}

// claimed reads what names a claim.
func claimed(item string, epoch uint64) (name string, err error) {
	if epoch == 0 {
		return "", cli.Usage("candor review next says it when it claims", "--epoch is missing")
	}
	return itemName(item)
}
