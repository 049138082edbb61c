package webhooks

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	"github.com/candor-gateway/candor/cmd/candor/internal/remote"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

func listCommand(f *remote.Flags) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "list",
		Short: "List receivers: what waits, what failed, which are disabled",
		Example: `  candor webhooks list
  candor webhooks list --json`,
		Args: cli.Args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.Call(cmd.Context(), func(ctx context.Context, conn *remote.Conn) error {
				resp, err := candorv1.NewWebhookServiceClient(conn).ListWebhooks(ctx, &candorv1.ListWebhooksRequest{})
				if err != nil {
					return err
				}
				if asJSON {
					return cli.JSON(cmd.OutOrStdout(), resp)
				}
				if len(resp.GetWebhooks()) == 0 {
					_, err := fmt.Fprintln(cmd.OutOrStdout(), "the configuration has no webhooks")
					return err
				}
				table := [][]string{{"WEBHOOK", "STATE", "PENDING", "FAILED", "LAST SUCCESS", "LAST FAILURE", "SECRETS", "URL", "WHY"}}
				for _, w := range resp.GetWebhooks() {
					table = append(table, endpointCells(w))
				}
				return cli.Table(cmd.OutOrStdout(), table)
			})
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	return c
}

func endpointCells(w *candorv1.WebhookEndpoint) []string {
	state, why := "enabled", w.GetLastError()
	switch {
	case w.GetDisabledReason() != "":
		state, why = "DISABLED", w.GetDisabledReason()
	case len(w.GetSecretHints()) == 0:
		state = "NO SECRET"
	}
	return []string{
		strings.TrimPrefix(w.GetName(), prefix), state, fmt.Sprint(w.GetPendingCount()), fmt.Sprint(w.GetFailedCount()), since(w.GetLastSuccessTime()),
		since(w.GetLastFailureTime()), strings.Join(w.GetSecretHints(), " "), w.GetUrl(), why,
	}
}

// since writes a time that may be absent.
func since(t *timestamppb.Timestamp) string {
	if t == nil {
		return ""
	}
	return cli.Time(t.AsTime())
}

func deliveriesCommand(f *remote.Flags) *cobra.Command {
	var asJSON bool
	var state, page string
	var limit int32
	c := &cobra.Command{
		Use:   "deliveries WEBHOOK",
		Short: "List deliveries to one receiver, newest first",
		Example: `  candor webhooks deliveries payments
  candor webhooks deliveries payments --state failed --json`,
		Args: cli.Args("WEBHOOK"),
		RunE: func(cmd *cobra.Command, args []string) error {
			const most = 1000
			if cmd.Flags().Changed("limit") && (limit < 1 || limit > most) {
				return cli.Usage("write 1 to 1000", "--limit is %d", limit)
			}
			req := &candorv1.ListWebhookDeliveriesRequest{Webhook: args[0], PageSize: limit, PageToken: page}
			if state != "" {
				var err error
				if req.State, err = cli.ParseEnum[candorv1.WebhookDeliveryState](state); err != nil {
					return cli.Usage("name one of these", "--state: %v", err)
				}
			}
			return f.Call(cmd.Context(), func(ctx context.Context, conn *remote.Conn) error {
				resp, err := candorv1.NewWebhookServiceClient(conn).ListWebhookDeliveries(ctx, req)
				if err != nil {
					return err
				}
				if asJSON {
					return cli.JSON(cmd.OutOrStdout(), resp)
				}
				table := [][]string{{"DELIVERY", "PREDICTION", "STATE", "ATTEMPTS", "CREATED", "DELIVERED", "NEXT", "STATUS", "ERROR"}}
				for _, d := range resp.GetDeliveries() {
					status := ""
					if d.GetLastStatus() > 0 {
						status = fmt.Sprint(d.GetLastStatus())
					}
					table = append(table, []string{
						d.GetId(), d.GetPredictionId(), cli.Enum(d.GetState()), fmt.Sprint(d.GetAttempts()), since(d.GetCreateTime()),
						since(d.GetDeliverTime()), since(d.GetNextAttemptTime()), status, d.GetLastError(),
					})
				}
				if err := cli.Table(cmd.OutOrStdout(), table); err != nil || resp.GetNextPageToken() == "" {
					return err
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "there are more: --page %s\n", resp.GetNextPageToken())
				return err
			})
		},
	}
	c.Flags().StringVar(&state, "state", "", "only pending, delivered or failed ones")
	c.Flags().Int32Var(&limit, "limit", 0, "how many, at most 1000 (default: as many as the gateway thinks fit)")
	c.Flags().StringVar(&page, "page", "", "go on where a list before ended")
	c.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	return c
}
