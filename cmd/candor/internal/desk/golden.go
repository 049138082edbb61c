package desk

import (
	"context"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	"github.com/candor-gateway/candor/cmd/candor/internal/remote"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

const goldenPrefix = "goldenItems/"

func goldenCommand(f *remote.Flags) *cobra.Command {
	c := &cobra.Command{
		Use:   "golden",
		Short: "Questions whose answer is known: add, list, remove (senior)",
		Long: `Golden items are questions whose answer is known. They are shown among the others and look
like them; what reviewers answer measures the reviewers. A queue shows them at the share
of claims that golden.share says.`,
		Example: `  candor review golden add --item ` + exampleItem + `
  candor review golden add --queue fraud --model cards --csv known.csv
  candor review golden list --queue fraud`,
		RunE: cli.Group,
	}
	c.AddCommand(goldenAddCommand(f), goldenListCommand(f), goldenRemoveCommand(f))
	return c
}

func goldenListCommand(f *remote.Flags) *cobra.Command {
	req := &candorv1.ListGoldenItemsRequest{}
	var limit int
	var asJSON bool
	c := &cobra.Command{
		Use:     "list",
		Short:   "List golden items, newest first, with how often they were answered rightly",
		Example: `  candor review golden list --queue fraud --json`,
		Args:    cli.Args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := atLeastOne(limit); err != nil {
				return err
			}
			all := &candorv1.ListGoldenItemsResponse{}
			if err := call(cmd, f, func(ctx context.Context, client candorv1.ReviewServiceClient) error {
				return pages(limit, &req.PageSize, &req.PageToken, func() (int, string, error) {
					page, err := client.ListGoldenItems(ctx, req)
					all.Golden = append(all.Golden, page.GetGolden()...)
					all.NextPageToken = page.GetNextPageToken()
					return len(all.Golden), all.NextPageToken, err
				})
			}); err != nil {
				return err
			}
			w := cmd.OutOrStdout()
			if asJSON {
				return cli.JSON(w, all)
			}
			if len(all.GetGolden()) == 0 {
				_, err := fmt.Fprintln(w, "there are no golden items; candor review golden add makes them")
				return err
			}
			table := [][]string{{"GOLDEN", "QUEUE", "MODEL", "FIELD", "ANSWER", "ANSWERED", "RIGHT", "BY", "SINCE"}}
			for _, g := range all.GetGolden() {
				answer := answerText(g.GetAnswer())
				if g.GetTolerance() > 0 {
					answer += " within " + cli.Quantity(g.GetTolerance())
				}
				table = append(table, []string{
					strings.TrimPrefix(g.GetName(), goldenPrefix), g.GetQueue(), g.GetModel(), g.GetField(), answer, fmt.Sprint(g.GetShown()), fmt.Sprint(g.GetRight()),
					g.GetAuthor(), cli.Time(g.GetCreateTime().AsTime()),
				})
			}
			if err := cli.Table(w, table); err != nil || all.GetNextPageToken() == "" {
				return err
			}
			_, err := fmt.Fprintln(w, strings.TrimPrefix(more(all.GetNextPageToken()), "; "))
			return err
		},
	}
	c.Flags().StringVar(&req.Queue, "queue", "", "this queue only")
	limitFlags(c, &limit, &req.PageToken, 50)
	c.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	return c
}

func goldenRemoveCommand(f *remote.Flags) *cobra.Command {
	return &cobra.Command{
		Use:     "remove GOLDEN",
		Short:   "Never show a golden item again; what was answered to it stays",
		Example: `  candor review golden remove ` + exampleItem,
		Args:    cli.Args("GOLDEN"),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := uuid.Parse(strings.TrimPrefix(args[0], goldenPrefix))
			if err != nil {
				return cli.Usage("copy it from candor review golden list", "%q is no golden item", args[0])
			}
			return call(cmd, f, func(ctx context.Context, client candorv1.ReviewServiceClient) error {
				if _, err := client.DeleteGoldenItem(ctx, &candorv1.DeleteGoldenItemRequest{Name: goldenPrefix + id.String()}); err != nil {
					return err
				}
				_, err := fmt.Fprintf(cmd.OutOrStdout(), "removed %s\n", id)
				return err
			})
		},
	}
}
