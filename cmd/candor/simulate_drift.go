package main

import (
	"fmt"
	"io"
	"math"

	"github.com/spf13/cobra"

	"github.com/candor-gateway/candor/calibration/simulate"
	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
)

func simulateDriftCommand() *cobra.Command {
	s := simulate.DriftSuite{}
	var asJSON bool
	c := &cobra.Command{
		Use:   "drift",
		Short: "How long does a change go unnoticed?",
		Long: `Play streams in which answers turn worse at a known row, in enforce without a fallback and
with verdicts at once, until the alarm takes the certificate back: how many judged accepts
that takes (the median, and what 90 % of the streams don't exceed), what Candor says
beforehand that it takes, and how many wrong answers callers saw meanwhile.

The last line is the time between false alarms, in judged accepts, where the risk is
exactly alpha and nothing has changed.

Exit status 1: false alarms come more often than is promised.`,
		Example: `  candor simulate drift
  candor simulate drift --alpha 0.01 --run-length 5000 --streams 100`,
		Args: cli.Args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !(s.RunLength > 0) {
				return cli.Usage("write a number above 0, such as 10000", "--run-length is %v", s.RunLength)
			}
			done := progress(cmd.ErrOrStderr(), &s.Progress)
			table, err := simulate.Drift(cmd.Context(), s)
			done()
			if err != nil {
				return cli.Usage("candor simulate drift --help lists the flags", "%v", err)
			}
			if asJSON {
				err = cli.Value(cmd.OutOrStdout(), table)
			} else {
				err = writeDrift(cmd.OutOrStdout(), table)
			}
			if err == nil && !table.RunLength.Kept() {
				err = cli.Told(cli.StatusFailed)
			}
			return err
		},
	}
	fl := c.Flags()
	fl.IntVar(&s.Streams, "streams", 300, "streams of each case")
	fl.Float64Var(&s.Alpha, "alpha", simulatedAlpha, "promised error rate of what is accepted")
	fl.Float64Var(&s.Delta, "delta", simulatedDelta, "probability with which the promise may fail")
	fl.Float64Var(&s.RunLength, "run-length", 10000, "judged accepts between false alarms, at least, on average")
	fl.Uint64Var(&s.Seed, "seed", 1, "seed of the first stream")
	fl.BoolVar(&asJSON, "json", false, "write JSON")
	return c
}

func writeDrift(w io.Writer, t *simulate.DriftTable) error {
	table := [][]string{{"AUDIT", "FLIP", "RISK AFTER", "FOUND", "AUDITS", "90 %", "SAID", "ACCEPTED", "90 %", "WRONG", "90 %"}}
	for _, c := range t.Cases {
		row := []string{percent(c.Audit), percent(c.Flip), percent(c.Risk), fmt.Sprintf("%d/%d", c.Revoked, c.Streams)}
		for _, v := range []float64{c.AuditsMedian, c.AuditsMost, c.AuditsSaid, c.AcceptedMedian, c.AcceptedMost, c.ErrorsMedian, c.ErrorsMost} {
			if math.IsInf(v, 1) {
				row = append(row, "never")
				continue
			}
			row = append(row, cli.Quantity(v))
		}
		table = append(table, row)
	}
	if err := cli.Table(w, table); err != nil {
		return err
	}
	l := t.RunLength
	_, err := fmt.Fprintf(w, "\nFalse alarms: one in %.0f judged accepts (95 %%: %.0f to %.0f, %s); promised is at least %.0f\n", l.Mean, l.Low, l.High,
		cli.Count(l.Runs, "run"), l.Bound)
	return err
}
