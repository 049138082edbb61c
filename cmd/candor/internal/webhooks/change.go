package webhooks

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	"github.com/candor-gateway/candor/cmd/candor/internal/remote"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// overlap is the gateway's default, said here so that the help has it.
const overlap = 24 * time.Hour

func rotateCommand(f *remote.Flags) *cobra.Command {
	var keep time.Duration
	c := &cobra.Command{
		Use:   "rotate WEBHOOK",
		Short: "Make a new secret and write it, this once",
		Long: `Make a new secret and write it, this once, for the receiver's library. The secret before
goes on signing beside it for --overlap, so that the receiver can be changed meanwhile.`,
		Example: `  candor webhooks rotate payments
  candor webhooks rotate payments --overlap 0s    # the secret before is known to somebody`,
		Args: cli.Args("WEBHOOK"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if keep < 0 {
				return cli.Usage("write 0s, or a span such as 24h", "--overlap: %v is no span", keep)
			}
			return f.Call(cmd.Context(), func(ctx context.Context, conn *remote.Conn) error {
				resp, err := candorv1.NewWebhookServiceClient(conn).RotateWebhookSecret(ctx, &candorv1.RotateWebhookSecretRequest{
					Webhook: args[0], Overlap: durationpb.New(keep),
				})
				if err != nil {
					return err
				}
				_, err = fmt.Fprintln(cmd.OutOrStdout(), resp.GetSecret())
				return err
			})
		},
	}
	c.Flags().DurationVar(&keep, "overlap", overlap, "how long the secret before goes on signing, at most 720h")
	return c
}

// testTime is the longest that a webhook's timeout may be: the gateway waits for the receiver, and we for the gateway.
const testTime = time.Minute

func testCommand(f *remote.Flags) *cobra.Command {
	return &cobra.Command{
		Use:   "test WEBHOOK",
		Short: "Send a test event now, and say what came back",
		Long: `Send a test event now, of the type webhook.test, and say what came back. Exit status 1: the
receiver didn't take it.`,
		Example: `  candor webhooks test payments`,
		Args:    cli.Args("WEBHOOK"),
		RunE: func(cmd *cobra.Command, args []string) error {
			f.Await(testTime)
			return f.Call(cmd.Context(), func(ctx context.Context, conn *remote.Conn) error {
				resp, err := candorv1.NewWebhookServiceClient(conn).TestWebhook(ctx, &candorv1.TestWebhookRequest{Webhook: args[0]})
				if err != nil {
					return err
				}
				if resp.GetError() != "" {
					return cli.Fail("", "%s was not delivered: %s", name(args[0]), cli.Plain(resp.GetError()))
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s took %s with status %d in %s\n", name(args[0]), resp.GetId(), resp.GetStatus(),
					cli.Millis(resp.GetDuration().AsDuration()))
				return err
			})
		},
	}
}

func name(webhook string) string { return strings.TrimPrefix(webhook, prefix) }

func replayCommand(f *remote.Flags) *cobra.Command {
	var id, from string
	var failed, start bool
	c := &cobra.Command{
		Use:   "replay WEBHOOK (--id DELIVERY | --since TIME [--failed] | --from-start)",
		Short: "Send again, under the same ids",
		Long: `Send again, under the same ids: a receiver that has an id already drops it. What waits for
its next attempt is tried at once.

A new receiver begins with what becomes final after it was declared; --from-start reads
the feed again from its beginning, and sends what has no delivery yet, or none any more
because its retention is over.`,
		Example: `  candor webhooks replay payments --since 2h --failed
  candor webhooks replay payments --id msg_0a1b2c3d4e5f6g7h8i9j0k1l2m
  candor webhooks replay payments --from-start`,
		Args: cli.Args("WEBHOOK"),
		RunE: func(cmd *cobra.Command, args []string) error {
			req := &candorv1.ReplayWebhookRequest{Webhook: args[0], FailedOnly: failed}
			switch {
			case given(id != "", from != "", start) != 1:
				return cli.Usage("give one of them", "say what to send: --id, --since or --from-start")
			case failed && from == "":
				return cli.Usage("leave it out", "--failed belongs to --since")
			case id != "":
				req.What = &candorv1.ReplayWebhookRequest_Id{Id: id}
			case start:
				req.What = &candorv1.ReplayWebhookRequest_FromStart{FromStart: true}
			default:
				at, err := cli.Moment("--since", from, time.Now())
				if err != nil {
					return err
				}
				req.What = &candorv1.ReplayWebhookRequest_Since{Since: timestamppb.New(at)}
			}
			return f.Call(cmd.Context(), func(ctx context.Context, conn *remote.Conn) error {
				resp, err := candorv1.NewWebhookServiceClient(conn).ReplayWebhook(ctx, req)
				if err != nil {
					return err
				}
				said := fmt.Sprintf("%d deliveries", resp.GetDeliveries())
				switch {
				case start:
					said = "all of the feed that has no delivery"
				case resp.GetDeliveries() == 1:
					said = "1 delivery"
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s will be sent to %s\n", said, name(args[0]))
				return err
			})
		},
	}
	c.Flags().StringVar(&id, "id", "", "one delivery")
	c.Flags().StringVar(&from, "since", "", "all that were made since a time, or within a span before now")
	c.Flags().BoolVar(&failed, "failed", false, "with --since: only those that failed, for good or at their last attempt")
	c.Flags().BoolVar(&start, "from-start", false, "all of the feed that has no delivery")
	return c
}

// given counts what is.
func given(flags ...bool) (n int) {
	for _, f := range flags {
		if f {
			n++
		}
	}
	return n
}

func enableCommand(f *remote.Flags) *cobra.Command {
	return &cobra.Command{
		Use:   "enable WEBHOOK",
		Short: "Let a receiver that was disabled go on",
		Long: `Let a receiver that was disabled go on: it answered 410, or a delivery used up its attempts
while no other succeeded. What waits is sent at once; what had failed before, by candor
webhooks replay.`,
		Example: `  candor webhooks enable payments
  candor webhooks replay payments --since 24h --failed    # what had failed before`,
		Args: cli.Args("WEBHOOK"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.Call(cmd.Context(), func(ctx context.Context, conn *remote.Conn) error {
				resp, err := candorv1.NewWebhookServiceClient(conn).EnableWebhook(ctx, &candorv1.EnableWebhookRequest{Webhook: args[0]})
				if err != nil {
					return err
				}
				w := resp.GetWebhook()
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s is enabled; %d pending, %d failed\n", name(w.GetName()), w.GetPendingCount(), w.GetFailedCount())
				return err
			})
		},
	}
}
