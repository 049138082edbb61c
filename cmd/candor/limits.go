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

const limitPrefix = "limits/"

func limitsCommand() *cobra.Command {
	f := &remote.Flags{}
	c := &cobra.Command{
		Use:   "limits",
		Short: "Look at action limits, and reset one that has tripped",
		Long: `Look at action limits, and reset one that has tripped.

A limit bounds how often an action may leave within a sliding window. When an answer
would pass it, it trips: the answer is withheld, and so are all that follow, until a
named operator resets the limit with a reason. Neither time nor a restart does.`,
		Example: `  candor limits list
  candor limits reset declines --reason "checked 20 of them with risk, INC-4711"`,
		RunE: cli.Group,
	}
	f.Register(c.PersistentFlags())
	c.AddCommand(limitsListCommand(f), limitsResetCommand(f))
	return c
}

func limitsListCommand(f *remote.Flags) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "list",
		Short: "List action limits: how much is used, which have tripped",
		Args:  cli.Args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			conn, err := f.Dial()
			if err != nil {
				return err
			}
			defer conn.Close()
			all := &candorv1.ListLimitsResponse{}
			const page = 1000
			req := &candorv1.ListLimitsRequest{PageSize: page}
			for {
				ctx, cancel := conn.Context(cmd.Context())
				resp, err := candorv1.NewLimitServiceClient(conn).ListLimits(ctx, req)
				cancel()
				if err != nil {
					return err
				}
				all.Limits = append(all.Limits, resp.GetLimits()...)
				if req.PageToken = resp.GetNextPageToken(); req.PageToken == "" {
					break
				}
			}
			if asJSON {
				return cli.JSON(cmd.OutOrStdout(), all)
			}
			if len(all.GetLimits()) == 0 {
				_, err := fmt.Fprintln(cmd.OutOrStdout(), "the configuration has no limits")
				return err
			}
			table := [][]string{{"LIMIT", "ACTION", "MODEL", "CONSUMER", "USED", "WINDOW", "STATE", "SINCE", "WITHHELD", "LAST RESET"}}
			for _, l := range all.GetLimits() {
				table = append(table, limitCells(l))
			}
			return cli.Table(cmd.OutOrStdout(), table)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	return c
}

func limitCells(l *candorv1.Limit) []string {
	state, since, withheld, reset := "open", "", "", ""
	if l.GetTripped() {
		state, since, withheld = "TRIPPED", cli.Time(l.GetTripTime().AsTime()), fmt.Sprint(l.GetWithheldSinceTrip())
	}
	if l.GetDryRun() {
		state += " (dry run)"
	}
	if t := l.GetLastResetTime(); t != nil {
		reset = fmt.Sprintf("%s by %s: %s", cli.Time(t.AsTime()), l.GetLastResetBy(), l.GetLastResetReason())
	}
	return []string{
		strings.TrimPrefix(l.GetName(), limitPrefix), l.GetAction(), all(l.GetModel()), all(l.GetConsumer()),
		fmt.Sprintf("%d/%d", l.GetUsed(), l.GetMaxCount()), cli.Span(l.GetWindow().AsDuration()), state, since, withheld, reset,
	}
}

func all(name string) string {
	if name == "" {
		return "all"
	}
	return name
}

func limitsResetCommand(f *remote.Flags) *cobra.Command {
	var reason, requestID string
	c := &cobra.Command{
		Use:   "reset LIMIT --reason TEXT",
		Short: "Release the latch of a limit that has tripped",
		Long: `Release the latch of a limit that has tripped. You need an operator's token with the
role operator; your name and the reason go into the decision log.`,
		Example: `  candor limits reset declines --reason "checked 20 of them with risk, INC-4711"`,
		Args:    cli.Args("LIMIT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if strings.TrimSpace(reason) == "" {
				return cli.Usage(`--reason "what you found out"`, "--reason is missing")
			}
			if requestID == "" {
				requestID = uuid.NewString()
			}
			return f.Call(cmd.Context(), func(ctx context.Context, conn *remote.Conn) error {
				resp, err := candorv1.NewLimitServiceClient(conn).ResetLimit(ctx, &candorv1.ResetLimitRequest{
					Name: limitPrefix + strings.TrimPrefix(args[0], limitPrefix), Reason: reason, RequestId: requestID,
				})
				if err != nil {
					return err
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "reset %s by %s; it trips again when the window is full\n",
					strings.TrimPrefix(args[0], limitPrefix), cli.Plain(resp.GetLimit().GetLastResetBy()))
				return err
			})
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "what you found out (required)")
	c.Flags().StringVar(&requestID, "request-id", "", "key that makes repetitions harmless (default: a fresh one)")
	return c
}
