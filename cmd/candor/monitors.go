package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	"github.com/candor-gateway/candor/cmd/candor/internal/remote"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

func monitorsCommand() *cobra.Command {
	var f remote.Flags
	var model string
	var asJSON bool
	c := &cobra.Command{
		Use:   "monitors",
		Short: "List monitors: how answers differ from before, by model and segment",
		Long: `List monitors: how a model's answers differ from its first ones, and from verdicts. They
only warn; no route and no certificate changes by them. A monitor looks once at every
full window of rows; until there is one, it has INSUFFICIENT_DATA. Those with a P warn
when it is at most BOUND, which is corrected for how many monitors there are; PSI must be
above its BOUND as well. A restart begins anew. You need an operator's token with any role.`,
		Example: `  candor monitors
  candor monitors --model fraud --json`,
		Args: cli.Args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.Call(cmd.Context(), func(ctx context.Context, conn *remote.Conn) error {
				resp, err := candorv1.NewExplainServiceClient(conn).ListMonitors(ctx, &candorv1.ListMonitorsRequest{Model: model})
				if err != nil {
					return err
				}
				if asJSON {
					return cli.JSON(cmd.OutOrStdout(), resp)
				}
				if len(resp.GetMonitors()) == 0 {
					_, err := fmt.Fprintln(cmd.OutOrStdout(), "nothing is watched: monitors are off")
					return err
				}
				table := [][]string{{"MODEL", "STAGE", "SEGMENT", "MONITOR", "STATE", "VALUE", "BOUND", "P", "REFERENCE", "WINDOW", "SAYS"}}
				for _, m := range resp.GetMonitors() {
					table = append(table, monitorCells(m))
				}
				return cli.Table(cmd.OutOrStdout(), table)
			})
		},
	}
	c.Flags().StringVar(&model, "model", "", "this model alone")
	c.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	f.Register(c.Flags())
	return c
}

// monitorCells leave out numbers that there are none of yet.
func monitorCells(m *candorv1.MonitorStatus) []string {
	value, bound, p := "", "", ""
	if m.GetState() != candorv1.MonitorState_MONITOR_STATE_INSUFFICIENT_DATA {
		value, bound = threeDigits(m.GetValue()), threeDigits(m.GetBound())
	}
	if m.PValue != nil {
		p = threeDigits(m.GetPValue())
	}
	return []string{
		m.GetModel(), strings.TrimSpace(m.GetStage() + " " + m.GetField()), m.GetSegment(), strings.ToLower(cli.Enum(m.GetKind())), cli.Enum(m.GetState()), value, bound, p,
		fmt.Sprint(m.GetReferenceRows()), fmt.Sprint(m.GetWindowRows()), m.GetSays(),
	}
}

// threeDigits are as many of a statistic as mean something to a reader.
func threeDigits(v float64) string { return fmt.Sprintf("%.3g", v) }
