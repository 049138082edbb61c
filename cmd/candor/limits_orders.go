package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	"github.com/candor-gateway/candor/cmd/candor/internal/remote"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

func limitsConfirmCommand(f *remote.Flags) *cobra.Command {
	var asked, requestID string
	c := &cobra.Command{
		Use:   "confirm LIMIT",
		Short: "Confirm the reset that another operator has asked for",
		Long: `Confirm the reset that another operator has asked for. Who asked can't confirm; who you
are is known by your token or certificate. Read first what candor limits show says: this
shows the reason and confirms that reset, and no other that was asked for meanwhile.`,
		Example: `  candor limits show declines
  candor limits confirm declines`,
		Args: limitArg,
		RunE: func(cmd *cobra.Command, args []string) error {
			if requestID == "" {
				requestID = uuid.NewString()
			}
			return f.Call(cmd.Context(), func(ctx context.Context, conn *remote.Conn) error {
				client := candorv1.NewLimitServiceClient(conn)
				which := asked
				if which == "" {
					got, err := client.GetLimit(ctx, &candorv1.GetLimitRequest{Name: longLimit(args[0])})
					if err != nil {
						return err
					}
					p := got.GetLimit().GetPendingReset()
					if p == nil {
						return cli.Fail("candor limits reset "+shortLimit(args[0])+" asks for one", "no reset of %s waits to be confirmed", shortLimit(args[0]))
					}
					which = p.GetRequestId()
					if _, err := fmt.Fprintf(cmd.OutOrStdout(), "%s asked for it: %s\n", cli.Plain(p.GetAskedBy()), cli.Plain(p.GetReason())); err != nil {
						return err
					}
				}
				resp, err := client.ConfirmLimitReset(ctx, &candorv1.ConfirmLimitResetRequest{Name: longLimit(args[0]), ResetRequestId: which, RequestId: requestID})
				if err != nil {
					return err
				}
				return writeReset(cmd, args[0], resp.GetLimit())
			})
		},
	}
	c.Flags().StringVar(&asked, "asked", "", "request id of the reset that is confirmed (default: the one that waits)")
	c.Flags().StringVar(&requestID, "request-id", "", "key that makes repetitions harmless (default: a fresh one)")
	return c
}

func limitsStopCommand(f *remote.Flags) *cobra.Command {
	var model, reason, onTrip, requestID string
	c := &cobra.Command{
		Use:   "stop (ACTION | --model MODEL) --reason TEXT",
		Short: "Withhold an action, or all that a model answers, from now on",
		Long: `Withhold an action, or all that a model answers, from now on: at every gateway that
shares the store within a second, over restarts, until it is reset as a limit is.
Answers go where the limits on the action say, to review if there are none; a policy
without a review queue rejects them.`,
		Example: `  candor limits stop decline --reason "the feed is wrong, INC-4712"
  candor limits stop --model fraud --on-trip reject --reason "it went mad"`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if strings.TrimSpace(reason) == "" {
				return cli.Usage(`--reason "what is wrong"`, "--reason is missing")
			}
			if (len(args) == 0) == (model == "") {
				return cli.Usage("name one of them", "an ACTION or a --model is stopped")
			}
			in := &candorv1.StopActionRequest{Model: model, Reason: reason, RequestId: requestID}
			if len(args) > 0 {
				in.Action = args[0]
			}
			if in.RequestId == "" {
				in.RequestId = uuid.NewString()
			}
			if onTrip != "" {
				var err error
				if in.OnTrip, err = cli.ParseEnum[candorv1.OnTrip](onTrip); err != nil {
					return cli.Usage("write review or reject", "--on-trip: %v", err)
				}
			}
			return f.Call(cmd.Context(), func(ctx context.Context, conn *remote.Conn) error {
				resp, err := candorv1.NewLimitServiceClient(conn).StopAction(ctx, in)
				if err != nil {
					return err
				}
				l := resp.GetLimit()
				name := cli.Plain(shortLimit(l.GetName()))
				if l.GetStop() == nil {
					_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s was stopped by this request, and has been reset since\n", name)
					return err
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: stopped by %s at %s; candor limits reset %s releases it\n",
					name, cli.Plain(l.GetStop().GetBy()), cli.Time(l.GetStop().GetStopTime().AsTime()), name)
				return err
			})
		},
	}
	c.Flags().StringVar(&model, "model", "", "stop all answers of this model")
	c.Flags().StringVar(&reason, "reason", "", "what is wrong (required)")
	c.Flags().StringVar(&onTrip, "on-trip", "", "where answers go: review or reject (default: as the limits on the action say)")
	c.Flags().StringVar(&requestID, "request-id", "", "key that makes repetitions harmless (default: a fresh one)")
	return c
}

func limitsAckCommand(f *remote.Flags) *cobra.Command {
	var note string
	c := &cobra.Command{
		Use:     "ack LIMIT",
		Short:   "Say that you look after a trip, so that nobody else is told",
		Long:    "Say that you look after a trip, so that nobody else is told. The limit stays tripped.",
		Example: `  candor limits ack declines --note "calling risk"`,
		Args:    limitArg,
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.Call(cmd.Context(), func(ctx context.Context, conn *remote.Conn) error {
				resp, err := candorv1.NewLimitServiceClient(conn).AcknowledgeLimit(ctx, &candorv1.AcknowledgeLimitRequest{
					Name: longLimit(args[0]), Note: note, RequestId: uuid.NewString(),
				})
				if err != nil {
					return err
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s looks after %s\n", cli.Plain(resp.GetLimit().GetAcknowledgedBy()), cli.Plain(shortLimit(args[0])))
				return err
			})
		},
	}
	c.Flags().StringVar(&note, "note", "", "what you do about it")
	return c
}
