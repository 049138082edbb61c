package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	"github.com/candor-gateway/candor/cmd/candor/internal/remote"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

func configCommand() *cobra.Command {
	var f remote.Flags
	var asJSON bool
	c := &cobra.Command{
		Use:   "config",
		Short: "Show which configuration is in force, and why another was refused",
		Long: `Show since when a gateway's configuration is in force, its digest, what came of the last
reload, and the digest of each model's policy, which its decisions carry. Where the files hold another configuration that was
refused, its faults are listed. You need the role operator or auditor.

Gateways that share a database reload each for themselves: ask each.`,
		Example: `  candor config
  candor config --json`,
		Args: cli.Args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.Call(cmd.Context(), func(ctx context.Context, conn *remote.Conn) error {
				resp, err := candorv1.NewExplainServiceClient(conn).GetConfiguration(ctx, &candorv1.GetConfigurationRequest{})
				if err != nil {
					return err
				}
				if asJSON {
					return cli.JSON(cmd.OutOrStdout(), resp)
				}
				return writeConfig(cmd.OutOrStdout(), resp)
			})
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	f.Register(c.Flags())
	return c
}

func writeConfig(w io.Writer, resp *candorv1.GetConfigurationResponse) error {
	if _, err := fmt.Fprintf(w, "in force since %s\ndigest %s\n", cli.Time(resp.GetLoadTime().AsTime()), resp.GetDigest()); err != nil {
		return err
	}
	if at := resp.GetReloadTime(); at != nil {
		if _, err := fmt.Fprintf(w, "last reload %s: %s\n", cli.Time(at.AsTime()), strings.ToLower(cli.Enum(resp.GetReloadResult()))); err != nil {
			return err
		}
	}
	table := [][]string{{"MODEL", "POLICY"}}
	for _, m := range resp.GetModels() {
		table = append(table, []string{m.GetModel(), m.GetPolicyDigest()})
	}
	if err := cli.Table(w, table); err != nil || resp.GetRefuseTime() == nil {
		return err
	}
	if _, err := fmt.Fprintf(w, "another configuration was refused at %s:\n", cli.Time(resp.GetRefuseTime().AsTime())); err != nil {
		return err
	}
	for _, fault := range resp.GetFaults() {
		if _, err := fmt.Fprintln(w, fault); err != nil {
			return err
		}
	}
	return nil
}
