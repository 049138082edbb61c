package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	"github.com/candor-gateway/candor/cmd/candor/internal/remote"
)

func healthcheckCommand() *cobra.Command {
	var f remote.Flags
	c := &cobra.Command{
		Use:   "healthcheck",
		Short: "Say whether a gateway takes calls",
		Long: `Ask a gateway's grpc.health.v1 service. The exit status is 0 when it is SERVING, and 1
when it is not, drains, or doesn't answer. It needs no credentials. The container
image's health check is this command.`,
		Example: `  candor healthcheck
  candor healthcheck --server gateway.internal:8433 --ca-file ca.pem --timeout 2s`,
		Args: cli.Args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.Call(cmd.Context(), func(ctx context.Context, conn *remote.Conn) error {
				resp, err := healthpb.NewHealthClient(conn).Check(ctx, &healthpb.HealthCheckRequest{})
				if err != nil {
					return err
				}
				if resp.GetStatus() != healthpb.HealthCheckResponse_SERVING {
					return cli.Fail("it drains or has not begun; another replica will answer", "%s is %s", f.Server(), resp.GetStatus())
				}
				_, err = fmt.Fprintln(cmd.OutOrStdout(), resp.GetStatus())
				return err
			})
		},
	}
	f.Register(c.Flags())
	return c
}
