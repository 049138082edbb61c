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

const queuePrefix = "queues/"

func queuesCommand(f *remote.Flags) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "queues",
		Short: "Say how each queue stands: depth, age, expected wait, who is at work",
		Long: `Say how each queue stands. WAIT is how long an item that comes now waits for its claim, by
the queue's staff and pace; AT RISK counts pending items whose deadline passes before they
are reached. DONE, EXPIRED and PACE (the median from claim to verdict) are of the last 24
hours. LEFT is what today's budget has left for deferred rows, SHED how many rows took the
fallback today because they could not be reviewed in time.`,
		Example: `  candor review queues
  candor review queues --json`,
		Args: cli.Args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return call(cmd, f, func(ctx context.Context, client candorv1.ReviewServiceClient) error {
				resp, err := client.ListReviewQueues(ctx, &candorv1.ListReviewQueuesRequest{})
				if err != nil {
					return err
				}
				if asJSON {
					return cli.JSON(cmd.OutOrStdout(), resp)
				}
				return writeQueues(cmd, resp.GetQueues(), time.Now())
			})
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	return c
}

func writeQueues(cmd *cobra.Command, queues []*candorv1.ReviewQueue, now time.Time) error {
	w := cmd.OutOrStdout()
	if len(queues) == 0 {
		_, err := fmt.Fprintln(w, "there is no queue that you may see")
		return err
	}
	table := [][]string{{"QUEUE", "NOW", "PENDING", "OLDEST", "WAIT", "AT RISK", "CLAIMED", "DONE", "EXPIRED", "PACE", "LEFT", "SHED", "YOURS", "ESCALATES TO"}}
	holders := [][]string{{"HOLDER", "ITEM", "QUEUE", "UNTIL"}}
	for _, q := range queues {
		name := strings.TrimPrefix(q.GetName(), queuePrefix)
		table = append(table, queueCells(name, q, now))
		for _, h := range q.GetHolders() {
			holders = append(holders, []string{h.GetReviewer(), review.IDOf(h.GetItem()), name, cli.Time(h.GetLeaseExpireTime().AsTime())})
		}
	}
	if err := cli.Table(w, table); err != nil {
		return err
	}
	if len(holders) == 1 {
		return nil
	}
	if _, err := fmt.Fprintln(w); err != nil {
		return err
	}
	return cli.Table(w, holders)
}

func queueCells(name string, q *candorv1.ReviewQueue, now time.Time) []string {
	open, oldest, wait, pace, left, yours := "closed", "", "", "", "", "no"
	if q.GetOpen() {
		open = "open"
	}
	if t := q.GetOldestTime(); t != nil {
		oldest = cli.Span(until(now, t.AsTime()))
	}
	if d := q.GetExpectedWait(); d != nil {
		wait = cli.Span(d.AsDuration())
	}
	if d := q.GetServiceTime(); d != nil {
		pace = cli.Span(d.AsDuration())
	}
	if q.BudgetLeft != nil {
		left = fmt.Sprint(q.GetBudgetLeft())
	}
	if q.GetMember() {
		yours = "yes"
	}
	return []string{
		name, open, fmt.Sprint(q.GetPendingCount()), oldest, wait, fmt.Sprint(q.GetAtRiskCount()), fmt.Sprint(q.GetClaimedCount()),
		fmt.Sprint(q.GetResolvedCount()), fmt.Sprint(q.GetExpiredCount()), pace, left, fmt.Sprint(q.GetShedCount()), yours,
		strings.Join(q.GetEscalateTo(), ","),
	}
}
