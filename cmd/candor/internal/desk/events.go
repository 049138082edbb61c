package desk

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

func eventsCommand(f *remote.Flags) *cobra.Command {
	req := &candorv1.ListReviewEventsRequest{}
	var limit int
	var asJSON bool
	c := &cobra.Command{
		Use:   "events ITEM",
		Short: "Say what happened to an item, oldest first",
		Long: `Say what happened to an item, oldest first: every claim, lost lease, answer, change and
hand-over, with who and when. Needs senior, operator or auditor; a reviewer gets it when
the item is final.`,
		Example: `  candor review events ` + exampleItem + `
  candor review events ` + exampleItem + ` --json`,
		Args: cli.Args("ITEM"),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, err := itemName(args[0])
			if err != nil {
				return err
			}
			if err := atLeastOne(limit); err != nil {
				return err
			}
			req.Name = name
			all := &candorv1.ListReviewEventsResponse{}
			if err := call(cmd, f, func(ctx context.Context, client candorv1.ReviewServiceClient) error {
				return listEvents(ctx, client, req, limit, all)
			}); err != nil {
				return err
			}
			if asJSON {
				return cli.JSON(cmd.OutOrStdout(), all)
			}
			return writeEvents(cmd.OutOrStdout(), all)
		},
	}
	limitFlags(c, &limit, &req.PageToken, maxPage)
	c.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	return c
}

func listEvents(ctx context.Context, client candorv1.ReviewServiceClient, req *candorv1.ListReviewEventsRequest, limit int, all *candorv1.ListReviewEventsResponse) error {
	return pages(limit, &req.PageSize, &req.PageToken, func() (int, string, error) {
		page, err := client.ListReviewEvents(ctx, req)
		all.Events = append(all.Events, page.GetEvents()...)
		all.NextPageToken = page.GetNextPageToken()
		return len(all.Events), all.NextPageToken, err
	})
}

func writeEvents(w io.Writer, all *candorv1.ListReviewEventsResponse) error {
	if len(all.GetEvents()) == 0 {
		_, err := fmt.Fprintln(w, "nothing is on record")
		return err
	}
	table := [][]string{{"WHEN", "WHAT", "WHO", "QUEUE", "EPOCH", "ANSWER", "SAID"}}
	for _, e := range all.GetEvents() {
		epoch := ""
		if e.GetEpoch() > 0 {
			epoch = fmt.Sprint(e.GetEpoch())
		}
		said := e.GetNote()
		if v := e.GetVerdict(); said == "" && v != nil {
			said = strings.TrimSpace(strings.Join([]string{v.GetReason(), v.GetNote()}, "  "))
		}
		table = append(table, []string{
			cli.Time(e.GetCreateTime().AsTime()), strings.ToLower(strings.ReplaceAll(cli.Enum(e.GetKind()), "_", " ")), e.GetActor(), e.GetQueue(), epoch,
			verdictText(e.GetVerdict()), said,
		})
	}
	if err := cli.Table(w, table); err != nil {
		return err
	}
	if all.GetNextPageToken() != "" {
		_, err := fmt.Fprintln(w, strings.TrimPrefix(more(all.GetNextPageToken()), "; "))
		return err
	}
	return nil
}
