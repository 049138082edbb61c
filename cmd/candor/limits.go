package main

import (
	"context"
	"fmt"
	"strings"
	"time"

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
		Short: "Look at action limits, reset one that has tripped, stop an action at once",
		Long: `Look at action limits, reset one that has tripped, stop an action at once.

A limit bounds how often an action may leave within a sliding window, or how much it may
come to (a sum), or its share of other answers (a ratio); with a key, for each value of
the key by itself, named LIMIT/keys/KEY. When an answer would pass it, it trips: the
answer is withheld, and so are all that follow, until a named operator resets the limit
with a reason, or two of them where it says so. Neither time nor a restart does. After a
reset less is released for a while.

A stop withholds an action, or all that a model answers, because a person says so. It is
named stop:action:NAME or stop:model:NAME among the limits, and is reset as they are.`,
		Example: `  candor limits list
  candor limits show declines
  candor limits ack declines --note "calling risk"
  candor limits reset declines --reason "checked 20 of them with risk, INC-4711"
  candor limits confirm declines
  candor limits stop decline --reason "the feed is wrong, INC-4712"
  candor limits count ITEM --amount 700000 --reason "by the invoice"
  candor limits simulate --config candor.yaml --limit declines --max-count 300 --since 7d`,
		RunE: cli.Group,
	}
	online := []*cobra.Command{
		limitsListCommand(f), limitsShowCommand(f), limitsAckCommand(f), limitsResetCommand(f), limitsConfirmCommand(f), limitsStopCommand(f),
		limitsCountCommand(f),
	}
	for _, one := range online {
		f.Register(one.Flags())
	}
	c.AddCommand(online...)
	c.AddCommand(limitsSimulateCommand())
	return c
}

func limitsListCommand(f *remote.Flags) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "list",
		Short: "List action limits and stops: how much is used, which have tripped",
		Example: `  candor limits list
  candor limits list --json`,
		Args: cli.Args(),
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
	since, withheld, reset, used, window := "", "", "", "", ""
	if l.GetTripped() {
		since, withheld = cli.Time(l.GetTripTime().AsTime()), fmt.Sprint(l.GetWithheldSinceTrip())
	}
	if t := l.GetLastResetTime(); t != nil {
		reset = fmt.Sprintf("%s by %s: %s", cli.Time(t.AsTime()), resetBy(l), l.GetLastResetReason())
	}
	if counted(l) {
		used, window = figure(l, l.GetUsed())+"/"+amount(l, l.GetBound()), cli.Span(l.GetWindow().AsDuration())
	}
	if l.GetKind() == candorv1.LimitKind_LIMIT_KIND_RATIO {
		used = usedShareWords(l) + ", at most " + shareWords(l.GetMaxShare())
	}
	if k := l.GetKeys(); k != nil {
		used += fmt.Sprintf(" (most used of %s)", cli.Count(k.GetLive(), "key"))
	}
	return []string{
		shortLimit(l.GetName()), all(l.GetAction()), all(l.GetModel()), all(l.GetConsumer()), used, window, limitState(l), since, withheld, reset,
	}
}

// limitState in a word or two.
func limitState(l *candorv1.Limit) string {
	state := "open"
	switch {
	case l.GetStop() != nil:
		state = "STOPPED"
	case l.GetTripped():
		state = "TRIPPED"
	case l.GetProbationEndTime() != nil:
		state = "open (probation)"
	}
	if n := l.GetKeys().GetTripped(); n > 0 && !l.GetTripped() {
		state = cli.Count(n, "key") + " TRIPPED"
	}
	if l.GetDryRun() {
		state += " (dry run)"
	}
	if l.GetPendingReset() != nil {
		state += ", reset asked"
	}
	return state
}

// resetBy names who did the last reset, both where it took two.
func resetBy(l *candorv1.Limit) string {
	if second := l.GetLastResetConfirmedBy(); second != "" {
		return l.GetLastResetBy() + " and " + second
	}
	return l.GetLastResetBy()
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
		Short: "Release the latch of a limit that has tripped, or a stop",
		Long: `Release the latch of a limit that has tripped, or a stop. You need an operator's token
with the role operator; your name and the reason go into the decision log.

Where the limit says people: 2, this asks for the reset: another operator confirms it
(candor limits confirm) before it expires. After the reset a part of the limit holds for
a while (probation), half of it for one window unless the configuration says otherwise.`,
		Example: `  candor limits reset declines --reason "checked 20 of them with risk, INC-4711"
  candor limits reset stop:action:decline --reason "the feed is right again"`,
		Args: limitArg,
		RunE: func(cmd *cobra.Command, args []string) error {
			if strings.TrimSpace(reason) == "" {
				return cli.Usage(`--reason "what you found out"`, "--reason is missing")
			}
			if requestID == "" {
				requestID = uuid.NewString()
			}
			return f.Call(cmd.Context(), func(ctx context.Context, conn *remote.Conn) error {
				resp, err := candorv1.NewLimitServiceClient(conn).ResetLimit(ctx, &candorv1.ResetLimitRequest{
					Name: longLimit(args[0]), Reason: reason, RequestId: requestID,
				})
				if err != nil {
					return err
				}
				return writeReset(cmd, args[0], resp.GetLimit())
			})
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "what you found out (required)")
	c.Flags().StringVar(&requestID, "request-id", "", "key that makes repetitions harmless (default: a fresh one)")
	return c
}

// writeReset says what holds after a reset, or who has to confirm it.
func writeReset(cmd *cobra.Command, name string, l *candorv1.Limit) error {
	name = cli.Plain(shortLimit(name))
	if p := l.GetPendingReset(); p != nil {
		_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s asked for a reset of %s; another operator confirms it before %s: candor limits confirm %s\n",
			cli.Plain(p.GetAskedBy()), name, cli.Time(p.GetExpireTime().AsTime()), name)
		return err
	}
	more := ""
	if end := l.GetProbationEndTime(); end != nil {
		more = fmt.Sprintf("; %s hold until %s", probationWords(l), cli.Time(end.AsTime()))
	}
	if room := l.GetRoomTime(); room != nil && room.AsTime().After(time.Now()) {
		more += fmt.Sprintf("; the window has no room until %s: an answer before trips it again", cli.Time(room.AsTime()))
	}
	_, err := fmt.Fprintf(cmd.OutOrStdout(), "reset %s by %s%s\n", name, cli.Plain(resetBy(l)), more)
	return err
}
