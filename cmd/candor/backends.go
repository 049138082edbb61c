package main

import (
	"context"
	"fmt"
	"strings"
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
		Use:   "backends [NAME]",
		Short: "List backends: dialect, breaker, readiness, counts of failures, age of the model",
		Long: `List backends with the state of their breakers. CONTRACT counts answers that broke the
model's card, RETRIES attempts that repeated another, HEDGES those made beside a slow
one, with the ones that won before them. IN FLIGHT has the measured limit behind it,
WAIT calls that wait for a place below it, SHED those that got none (docs/faults.md).
DIALECT is how the gateway speaks with the model server: as stated in the configuration,
as detected, or, where neither is known, as the published protocol. Replicas of a backend
that has several are listed below it: docs/replicas.md. With a name all of that backend is
shown, what has happened to its breaker and replicas included. You need an operator's token
with any role.`,
		Example: `  candor backends
  candor backends fraud-net
  candor backends --json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.Call(cmd.Context(), func(ctx context.Context, conn *remote.Conn) error {
				resp, err := candorv1.NewExplainServiceClient(conn).ListBackends(ctx, &candorv1.ListBackendsRequest{})
				if err != nil {
					return err
				}
				if len(args) > 0 {
					one, err := oneBackend(resp.GetBackends(), args[0])
					if err != nil {
						return err
					}
					if !asJSON {
						return writeBackend(cmd.OutOrStdout(), one, time.Now())
					}
					resp.Backends = []*candorv1.BackendStatus{one}
				}
				if asJSON {
					return cli.JSON(cmd.OutOrStdout(), resp)
				}
				table := [][]string{{"BACKEND", "ADDRESS", "MODEL", "DIALECT", "AGE", "BREAKER", "READY", "IN FLIGHT", "WAIT", "SHED", "CALLS", "RETRIES", "HEDGES", "FAILED", "CONTRACT", "OPENED", "LAST FAILURE"}}
				for _, b := range resp.GetBackends() {
					table = append(table, backendCells(b, time.Now()))
				}
				if err := cli.Table(cmd.OutOrStdout(), table); err != nil {
					return err
				}
				return writeReplicas(cmd.OutOrStdout(), resp.GetBackends(), time.Now())
			})
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	f.Register(c.Flags())
	return c
}

// dialectCell is the dialect, how it is known, and what the model server calls itself.
func dialectCell(b *candorv1.BackendStatus) string {
	how := strings.ToLower(cli.Enum(b.GetDialectSource()))
	if b.GetDialectSource() == candorv1.DialectSource_DIALECT_SOURCE_UNSPECIFIED {
		how = "unknown"
	}
	if b.GetServer() != "" {
		how += ", " + b.GetServer()
	}
	if b.GetDialect() == candorv1.Dialect_DIALECT_UNSPECIFIED {
		return "oip (" + how + ")"
	}
	return strings.ToLower(cli.Enum(b.GetDialect())) + " (" + how + ")"
}

func backendCells(b *candorv1.BackendStatus, now time.Time) []string {
	ready := "no"
	if b.GetReady() {
		ready = "yes"
	}
	return []string{
		b.GetName(), b.GetAddress(), b.GetModel() + " " + b.GetVersion(), dialectCell(b), cli.Span(now.Sub(b.GetCreateTime().AsTime())),
		cli.Enum(b.GetBreaker()), ready, fmt.Sprintf("%d/%d", b.GetInFlight(), b.GetLimit()),
		fmt.Sprint(b.GetQueued()), fmt.Sprint(b.GetShedLow() + b.GetShedNormal() + b.GetShedHigh()), fmt.Sprint(b.GetCalls()), fmt.Sprint(b.GetRetries()), fmt.Sprintf("%d/%d", b.GetHedgesWon(), b.GetHedges()), fmt.Sprint(b.GetFailures()),
		fmt.Sprint(b.GetContractFailures()), fmt.Sprint(b.GetBreakerOpened()), b.GetLastFailure(),
	}
}
