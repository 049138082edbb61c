package main

import (
	"github.com/spf13/cobra"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	"github.com/candor-gateway/candor/config"
)

func checkCommand() *cobra.Command {
	var asJSON, strict bool
	c := &cobra.Command{
		Use:   "check FILE",
		Short: "List everything that is wrong with a configuration",
		Long: `List every fault of a configuration in one run: file, line, column, what is wrong, and
what to write instead.

Faults are written to standard output, and the exit status is 1 when there are any:
candor serve would refuse the file. A warning is about what a gateway can run with and
its operator surely doesn't want; --strict makes it fail, too.`,
		Example: `  candor check candor.yaml
  candor check candor.yaml --strict --json`,
		Args: cli.Args("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			_, faults := config.Check(args[0])
			report := config.Report
			if asJSON {
				report = config.ReportJSON
			}
			if err := report(cmd.OutOrStdout(), args[0], faults); err != nil {
				return err
			}
			if len(faults.Errors()) > 0 || strict && len(faults) > 0 {
				return cli.Told(cli.StatusFailed)
			}
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	c.Flags().BoolVar(&strict, "strict", false, "fail on warnings")
	return c
}
