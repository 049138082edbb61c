package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	"github.com/candor-gateway/candor/cmd/candor/internal/remote"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

func backendsCommand() *cobra.Command {
	var f remote.Flags
	var asJSON bool
	c := &cobra.Command{
		Use:   "backends",
		Short: "List backends: breaker, readiness, counts of failures, age of the model",
		Long: `List backends with the state of their breakers. CONTRACT counts answers that broke the
model's card. You need an operator's token with any role.`,
		Example: `  candor backends
  candor backends --json`,
		Args: cli.Args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.Call(cmd.Context(), func(ctx context.Context, conn *remote.Conn) error {
				resp, err := candorv1.NewExplainServiceClient(conn).ListBackends(ctx, &candorv1.ListBackendsRequest{})
				if err != nil {
					return err
				}
				if asJSON {
					return cli.JSON(cmd.OutOrStdout(), resp)
				}
				table := [][]string{{"BACKEND", "ADDRESS", "MODEL", "AGE", "BREAKER", "READY", "IN FLIGHT", "CALLS", "FAILED", "CONTRACT", "OPENED", "LAST FAILURE"}}
				for _, b := range resp.GetBackends() {
					table = append(table, backendCells(b, time.Now()))
				}
				return cli.Table(cmd.OutOrStdout(), table)
			})
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	f.Register(c.Flags())
	return c
}

func backendCells(b *candorv1.BackendStatus, now time.Time) []string {
	ready := "no"
	if b.GetReady() {
		ready = "yes"
	}
	return []string{
		b.GetName(), b.GetAddress(), b.GetModel() + " " + b.GetVersion(), cli.Span(now.Sub(b.GetCreateTime().AsTime())),
		cli.Enum(b.GetBreaker()), ready, fmt.Sprint(b.GetInFlight()), fmt.Sprint(b.GetCalls()), fmt.Sprint(b.GetFailures()),
		fmt.Sprint(b.GetContractFailures()), fmt.Sprint(b.GetBreakerOpened()), b.GetLastFailure(),
	}
}
