package desk

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	"github.com/candor-gateway/candor/cmd/candor/internal/remote"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

// maxPage is the most items that the service answers at a time.
const maxPage = 1000

func listCommand(f *remote.Flags) *cobra.Command {
	var queue, state string
	var limit int
	var asJSON bool
	c := &cobra.Command{
		Use:   "list",
		Short: "List review items, newest first",
		Long: `List review items, newest first, and how many wait in the queue. Inputs are left out;
candor review show has them.`,
		Example: `  candor review list
  candor review list --queue fraud --state claimed
  candor review list --state any --limit 1000 --json`,
		Args: cli.Args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			req := &candorv1.ListReviewItemsRequest{Queue: queue}
			if state != "any" {
				var err error
				if req.State, err = cli.ParseEnum[candorv1.ReviewState](state); err != nil {
					return cli.Usage("", "--state: %v, any", err)
				}
			}
			if limit < 1 {
				return cli.Usage("give 1 or more", "--limit %d", limit)
			}
			conn, client, err := dial(f)
			if err != nil {
				return err
			}
			defer conn.Close()
			all := &candorv1.ListReviewItemsResponse{}
			for {
				req.PageSize = int32(min(limit-len(all.Items), maxPage))
				ctx, cancel := conn.Context(cmd.Context())
				page, err := client.ListReviewItems(ctx, req)
				cancel()
				if err != nil {
					return err
				}
				all.Items = append(all.Items, page.GetItems()...)
				all.NextPageToken, all.PendingCount, all.ClaimedCount = page.GetNextPageToken(), page.GetPendingCount(), page.GetClaimedCount()
				if req.PageToken = page.GetNextPageToken(); req.PageToken == "" || len(all.Items) >= limit {
					break
				}
			}
			if asJSON {
				return cli.JSON(cmd.OutOrStdout(), all)
			}
			return writeList(cmd, all, time.Now())
		},
	}
	c.Flags().StringVar(&queue, "queue", "", "this queue only")
	c.Flags().StringVar(&state, "state", "pending", "this state only: pending, claimed, resolved, expired, any")
	c.Flags().IntVar(&limit, "limit", 50, "at most so many")
	c.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	return c
}

func writeList(cmd *cobra.Command, all *candorv1.ListReviewItemsResponse, now time.Time) error {
	w := cmd.OutOrStdout()
	if len(all.GetItems()) > 0 {
		table := [][]string{{"ITEM", "QUEUE", "STATE", "MODEL", "REASONS", "LOSS", "AGE", "DUE IN", "BY"}}
		for _, i := range all.GetItems() {
			by := i.GetHolder()
			if v := i.GetVerdict(); v != nil {
				by = v.GetAuthor()
			}
			table = append(table, []string{
				review.IDOf(i.GetName()), i.GetQueue(), cli.Enum(i.GetState()), i.GetModel() + " " + i.GetModelVersion(), reasons(i.GetReasons()),
				cli.Number(i.GetExpectedLoss()), cli.Span(now.Sub(i.GetCreateTime().AsTime())), dueIn(i, now), by,
			})
		}
		if err := cli.Table(w, table); err != nil {
			return err
		}
	}
	more := ""
	if all.GetNextPageToken() != "" {
		more = "; there are more than these: raise --limit"
	}
	_, err := fmt.Fprintf(w, "%s pending, %d claimed%s\n", cli.Count(all.GetPendingCount(), "item"), all.GetClaimedCount(), more)
	return err
}

// dueIn is how long an open item still may wait.
func dueIn(i *candorv1.ReviewItem, now time.Time) string {
	if finished(i) {
		return ""
	}
	return cli.Span(i.GetExpireTime().AsTime().Sub(now))
}

func finished(i *candorv1.ReviewItem) bool {
	return i.GetState() == candorv1.ReviewState_REVIEW_STATE_RESOLVED || i.GetState() == candorv1.ReviewState_REVIEW_STATE_EXPIRED
}

func reasons(rs []candorv1.Reason) string {
	names := make([]string, len(rs))
	for i, r := range rs {
		names[i] = cli.Enum(r)
	}
	return strings.Join(names, ",")
}
