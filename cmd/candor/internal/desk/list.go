package desk

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	"github.com/candor-gateway/candor/cmd/candor/internal/remote"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

// maxPage is the most entries that the service answers at a time.
const maxPage = 1000

func listCommand(f *remote.Flags) *cobra.Command {
	req := &candorv1.ListReviewItemsRequest{}
	var state string
	var mine, asJSON bool
	var limit int
	c := &cobra.Command{
		Use:   "list",
		Short: "List review items, newest first",
		Long: `List review items, newest first, and how many wait in the queue. Inputs are left out;
candor review show has them. --mine lists what you hold or have answered. A list that is
longer than --limit ends with the token that --after goes on from.`,
		Example: `  candor review list
  candor review list --queue fraud --state claimed
  candor review list --mine --state any --model cards
  candor review list --state any --limit 1000 --json`,
		Args: cli.Args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if state != "any" {
				var err error
				if req.State, err = cli.ParseEnum[candorv1.ReviewState](state); err != nil {
					return cli.Usage("", "--state: %v, any", err)
				}
			}
			if mine && req.Reviewer != "" {
				return cli.Usage("give one of them", "--mine and --reviewer both say whose")
			}
			if mine {
				req.Reviewer = "me"
			}
			if err := atLeastOne(limit); err != nil {
				return err
			}
			all := &candorv1.ListReviewItemsResponse{}
			err := call(cmd, f, func(ctx context.Context, client candorv1.ReviewServiceClient) error {
				return pages(limit, &req.PageSize, &req.PageToken, func() (int, string, error) {
					page, err := client.ListReviewItems(ctx, req)
					all.Items = append(all.Items, page.GetItems()...)
					all.NextPageToken, all.PendingCount, all.ClaimedCount = page.GetNextPageToken(), page.GetPendingCount(), page.GetClaimedCount()
					return len(all.Items), page.GetNextPageToken(), err
				})
			})
			if err != nil {
				return err
			}
			if asJSON {
				return cli.JSON(cmd.OutOrStdout(), all)
			}
			return writeList(cmd, all, time.Now())
		},
	}
	c.Flags().StringVar(&req.Queue, "queue", "", "this queue only")
	c.Flags().StringVar(&state, "state", "pending", "this state only: pending, claimed, resolved, expired, withdrawn, any")
	c.Flags().BoolVar(&mine, "mine", false, "only what you hold or gave a verdict on")
	c.Flags().StringVar(&req.Reviewer, "reviewer", "", "only what this reviewer holds or gave a verdict on")
	c.Flags().StringVar(&req.Model, "model", "", "this model only")
	limitFlags(c, &limit, &req.PageToken, 50)
	c.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	return c
}

// limitFlags are those of a list that may have several pages.
func limitFlags(c *cobra.Command, limit *int, after *string, usual int) {
	c.Flags().IntVar(limit, "limit", usual, "at most so many")
	c.Flags().StringVar(after, "after", "", "go on where a list ended: its next_page_token")
}

func atLeastOne(limit int) error {
	if limit < 1 {
		return cli.Usage("write 1 or more", "--limit is %d", limit)
	}
	return nil
}

// pages asks for pages until there are limit entries or no more. next makes one call with the request's size and token, and answers
// how many entries there are by now, and the token of the next page.
func pages(limit int, size *int32, token *string, next func() (int, string, error)) error {
	have := 0
	for {
		*size = int32(min(limit-have, maxPage))
		var err error
		if have, *token, err = next(); err != nil || *token == "" || have >= limit {
			return err
		}
	}
}

func writeList(cmd *cobra.Command, all *candorv1.ListReviewItemsResponse, now time.Time) error {
	w := cmd.OutOrStdout()
	if len(all.GetItems()) > 0 {
		table := [][]string{{"ITEM", "QUEUE", "STATE", "MODEL", "REASONS", "LOSS", "AGE", "DUE IN", "BY"}}
		for _, i := range all.GetItems() {
			table = append(table, []string{
				review.IDOf(i.GetName()), i.GetQueue(), stateText(i), strings.TrimSpace(i.GetModel() + " " + i.GetModelVersion()), reasons(i.GetReasons()),
				loss(i), cli.Span(now.Sub(i.GetCreateTime().AsTime())), dueIn(i, now), whose(i),
			})
		}
		if err := cli.Table(w, table); err != nil {
			return err
		}
	}
	if _, err := fmt.Fprintf(w, "%s pending, %d claimed%s\n", cli.Count(all.GetPendingCount(), "item"), all.GetClaimedCount(), more(all.GetNextPageToken())); err != nil {
		return err
	}
	return nil
}

// loss is empty where who asks may not know it.
func loss(i *candorv1.ReviewItem) string {
	if i.GetReasons() == nil {
		return ""
	}
	return cli.Number(i.GetExpectedLoss())
}

// more says how a list that was cut goes on; empty: it is complete.
func more(token string) string {
	if token == "" {
		return ""
	}
	return "; there are more than these: raise --limit, or go on with --after " + cli.Plain(token)
}

// stateText is the state, and for an answer that isn't final or isn't out, that.
func stateText(i *candorv1.ReviewItem) string {
	text := cli.Enum(i.GetState())
	switch {
	case i.GetHeldBy() != "":
		return text + ", held"
	case i.GetUndoUntil() != nil:
		return text + ", not final"
	case i.GetAdjudication() && !finished(i):
		return text + ", for a senior"
	}
	return text
}

// whose is who answered an item, or who holds it.
func whose(i *candorv1.ReviewItem) string {
	if v := i.GetVerdict(); v != nil {
		return v.GetAuthor()
	}
	return i.GetHolder()
}

// dueIn is how long an open item still may wait.
func dueIn(i *candorv1.ReviewItem, now time.Time) string {
	if finished(i) {
		return ""
	}
	return cli.Span(i.GetExpireTime().AsTime().Sub(now))
}

func finished(i *candorv1.ReviewItem) bool {
	switch i.GetState() {
	case candorv1.ReviewState_REVIEW_STATE_RESOLVED, candorv1.ReviewState_REVIEW_STATE_EXPIRED, candorv1.ReviewState_REVIEW_STATE_WITHDRAWN:
		return true
	}
	return false
}

func reasons(rs []candorv1.Reason) string {
	names := make([]string, len(rs))
	for i, r := range rs {
		names[i] = cli.Enum(r)
	}
	return strings.Join(names, ",")
}
