package main

import (
	"context"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	"github.com/candor-gateway/candor/cmd/candor/internal/remote"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/limits"
)

// shownEvents of a limit's history, where nothing else is said.
const shownEvents = 20

func limitsShowCommand(f *remote.Flags) *cobra.Command {
	var asJSON bool
	var n int32
	c := &cobra.Command{
		Use:   "show LIMIT",
		Short: "Show a limit or a stop: what holds, who was told, and its history",
		Long: `Show a limit or a stop: what holds, who was told of a trip, and its history: trips,
acknowledgements, resets and stops, by whom and why, the newest first.`,
		Example: `  candor limits show declines
  candor limits show stop:action:decline --events 100 --json`,
		Args: limitArg,
		RunE: func(cmd *cobra.Command, args []string) error {
			const most = 1000
			if n < 1 || n > most {
				return cli.Usage("write 1 to 1000", "--events is %d", n)
			}
			return f.Call(cmd.Context(), func(ctx context.Context, conn *remote.Conn) error {
				client := candorv1.NewLimitServiceClient(conn)
				limit, err := client.GetLimit(ctx, &candorv1.GetLimitRequest{Name: longLimit(args[0])})
				if err != nil {
					return err
				}
				history, err := client.ListLimitEvents(ctx, &candorv1.ListLimitEventsRequest{Name: longLimit(args[0]), PageSize: n})
				if err != nil {
					return err
				}
				if asJSON {
					if err := cli.JSON(cmd.OutOrStdout(), limit); err != nil {
						return err
					}
					return cli.JSON(cmd.OutOrStdout(), history)
				}
				return writeLimit(cmd, limit.GetLimit(), history.GetEvents())
			})
		},
	}
	c.Flags().Int32Var(&n, "events", shownEvents, "entries of the history, at most 1000")
	c.Flags().BoolVar(&asJSON, "json", false, "write JSON: the limit, then its history")
	return c
}

func writeLimit(cmd *cobra.Command, l *candorv1.Limit, events []*candorv1.LimitHistory) error {
	w := cmd.OutOrStdout()
	rows := [][]string{{"limit", shortLimit(l.GetName())}, {"state", limitState(l)}, {"action", all(l.GetAction())}, {"model", all(l.GetModel())}, {"consumer", all(l.GetConsumer())}}
	if v := l.GetKeyValue(); v != "" {
		rows = append(rows, []string{"key", v})
	}
	if counted(l) {
		rows = append(rows, []string{"allows", boundWords(l)}, []string{"used", usedWords(l)})
	}
	if k := l.GetKeys(); k != nil {
		rows = append(rows, []string{"keys", keyWords(k)})
	}
	if end := l.GetProbationEndTime(); end != nil {
		rows = append(rows, []string{"probation", fmt.Sprintf("%s until %s", probationWords(l), cli.Time(end.AsTime()))})
	}
	if room := l.GetRoomTime(); room != nil {
		rows = append(rows, []string{"room", "from " + cli.Time(room.AsTime())})
	}
	rows = append(rows, []string{"reset", cli.Count(l.GetResetPeople(), "operator")})
	if s := l.GetStop(); s != nil {
		rows = append(rows, []string{"stopped", fmt.Sprintf("%s by %s: %s", cli.Time(s.GetStopTime().AsTime()), s.GetBy(), s.GetReason())})
	} else if l.GetTripped() {
		rows = append(rows, []string{"tripped", cli.Time(l.GetTripTime().AsTime())})
	}
	if l.GetTripped() {
		rows = append(rows, []string{"withheld", strconv.FormatInt(l.GetWithheldSinceTrip(), 10)}, []string{"looked after", looksAfter(l)})
	}
	if p := l.GetPendingReset(); p != nil {
		rows = append(rows, []string{"asked", fmt.Sprintf("%s wants it reset, until %s: %s", p.GetAskedBy(), cli.Time(p.GetExpireTime().AsTime()), p.GetReason())})
	}
	for _, a := range l.GetAlerts() {
		rows = append(rows, []string{"told", alertWords(a)})
	}
	if err := cli.Columns(w, rows); err != nil {
		return err
	}
	if err := writeKeys(w, l); err != nil {
		return err
	}
	if len(events) == 0 {
		_, err := fmt.Fprintln(w, "\nnothing has happened to it yet")
		return err
	}
	table := [][]string{{"TIME", "EVENT", "BY", "COUNT", "WHY"}}
	for _, e := range events {
		table = append(table, historyCells(e))
	}
	if _, err := fmt.Fprintln(w); err != nil {
		return err
	}
	return cli.Table(w, table)
}

// writeKeys lists the keys that have used most.
func writeKeys(w io.Writer, l *candorv1.Limit) error {
	if len(l.GetKeys().GetLargest()) == 0 {
		return nil
	}
	table := [][]string{{"KEY", "USED", "STATE", "LIMIT"}}
	for _, k := range l.GetKeys().GetLargest() {
		state := "open"
		if k.GetTripped() {
			state = "TRIPPED"
		}
		table = append(table, []string{k.GetKeyValue(), figure(l, k.GetUsed()) + "/" + amount(l, k.GetBound()), state, shortLimit(k.GetName())})
	}
	if _, err := fmt.Fprintln(w); err != nil {
		return err
	}
	return cli.Table(w, table)
}

func looksAfter(l *candorv1.Limit) string {
	if l.GetAcknowledgedBy() == "" {
		return "by nobody; candor limits ack " + shortLimit(l.GetName())
	}
	return fmt.Sprintf("by %s since %s", l.GetAcknowledgedBy(), cli.Time(l.GetAcknowledgeTime().AsTime()))
}

func alertWords(a *candorv1.LimitAlert) string {
	out := a.GetReceiver() + ", of the trip"
	if a.GetResolved() {
		out = a.GetReceiver() + ", of the reset"
	}
	if t := a.GetDeliverTime(); t != nil {
		return out + ": " + cli.Time(t.AsTime())
	}
	out += fmt.Sprintf(": not yet, after %s", cli.Count(a.GetAttempts(), "attempt"))
	if t := a.GetWaitTime(); t != nil {
		out += " since " + cli.Time(t.AsTime())
	}
	if t := a.GetNextAttemptTime(); t != nil {
		out += ", the next at " + cli.Time(t.AsTime())
	}
	if a.GetError() != "" {
		out += ": " + a.GetError()
	}
	return out
}

func historyCells(e *candorv1.LimitHistory) []string {
	by, count, why := e.GetBy(), "", e.GetReason()
	if e.GetAskedBy() != "" {
		by = e.GetAskedBy() + " and " + by
	}
	if e.GetMaxCount() > 0 {
		count = limits.Figure(e.GetCount(), e.GetUnit()) + "/" + limits.Words(e.GetMaxCount(), e.GetUnit())
	}
	if e.GetAmount() > 0 {
		count += ", and " + limits.Figure(e.GetAmount(), e.GetUnit()) + " more"
	}
	if e.GetDenominator() > 0 {
		count += " among " + limits.Words(e.GetDenominator(), "")
	}
	if e.GetProbationShare() > 0 {
		why += fmt.Sprintf(" (%s of it until %s)", cli.Number(e.GetProbationShare()), cli.Time(e.GetProbationEndTime().AsTime()))
	}
	if e.GetPredictionId() != "" {
		why = "prediction " + e.GetPredictionId()
	}
	return []string{cli.Time(e.GetTime().AsTime()), cli.Enum(e.GetEvent()), by, count, why}
}
