package desk

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	"github.com/candor-gateway/candor/cmd/candor/internal/remote"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

func statsCommand(f *remote.Flags) *cobra.Command {
	req := &candorv1.GetReviewStatisticsRequest{}
	var since, until string
	var asJSON bool
	c := &cobra.Command{
		Use:   "stats",
		Short: "Say how people work: counts, pace, agreement, golden score, flips",
		Long: `Say how people work, by reviewer. PACE is the median from claim to first answer. AGREED
are verdicts that say what another reviewer of the same item said, KAPPA is Cohen's kappa
of them (agreement beyond chance). GOLDEN are right answers to questions whose answer is
known. Reviewers get their own; senior, operator and auditor everybody's.

The second table is about models: of first answers given blind, DIFFERED says how many
were not the model's, and TO MODEL how many of those were changed to the model's once it
was seen; AWAY the other way round. SIGHTED are verdicts given with the model's answer in
sight, SAME those that equal it. A share of flips toward the model that grows says that
people begin to follow it.`,
		Example: `  candor review stats
  candor review stats --since 7d --queue fraud
  candor review stats --since 2026-11-01T00:00:00Z --until 2026-12-01T00:00:00Z --json`,
		Args: cli.Args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, m := range []struct {
				flag, text string
				into       **timestamppb.Timestamp
			}{{"--since", since, &req.Since}, {"--until", until, &req.Until}} {
				if m.text == "" {
					continue
				}
				at, err := cli.Moment(m.flag, m.text, time.Now())
				if err != nil {
					return err
				}
				*m.into = timestamppb.New(at)
			}
			return call(cmd, f, func(ctx context.Context, client candorv1.ReviewServiceClient) error {
				resp, err := client.GetReviewStatistics(ctx, req)
				if err != nil {
					return err
				}
				if asJSON {
					return cli.JSON(cmd.OutOrStdout(), resp)
				}
				return writeStatistics(cmd.OutOrStdout(), resp)
			})
		},
	}
	c.Flags().StringVar(&since, "since", "", "from then: a span before now (90m, 2h, 7d) or a time (RFC 3339) (default: 24h)")
	c.Flags().StringVar(&until, "until", "", "until then, in the same forms (default: now)")
	c.Flags().StringVar(&req.Queue, "queue", "", "this queue only")
	c.Flags().StringVar(&req.Model, "model", "", "this model only")
	c.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	return c
}

func writeStatistics(w io.Writer, s *candorv1.GetReviewStatisticsResponse) error {
	if len(s.GetReviewers()) == 0 {
		_, err := fmt.Fprintln(w, "nobody gave a verdict in that time")
		return err
	}
	table := [][]string{{"REVIEWER", "VERDICTS", "PACE", "AGREED", "KAPPA", "GOLDEN", "SKIPPED", "ESCALATED", "FLIPPED TO MODEL"}}
	for _, r := range s.GetReviewers() {
		pace, kappa := "", ""
		if d := r.GetWorkTime(); d != nil {
			pace = cli.Span(d.AsDuration())
		}
		if r.Kappa != nil {
			kappa = fmt.Sprintf("%.2f", r.GetKappa())
		}
		var flipped, differed int64
		for _, m := range r.GetFlips() {
			flipped, differed = flipped+m.GetFlippedToModel(), differed+m.GetDiffered()
		}
		table = append(table, []string{
			r.GetReviewer(), fmt.Sprint(r.GetVerdicts()), pace, of(r.GetAgreed(), r.GetCompared()), kappa, of(r.GetGoldenRight(), r.GetGolden()),
			fmt.Sprint(r.GetSkipped()), fmt.Sprint(r.GetEscalated()), of(flipped, differed),
		})
	}
	if err := cli.Table(w, table); err != nil {
		return err
	}
	if len(s.GetFlips()) == 0 {
		return nil
	}
	flips := [][]string{{"MODEL", "BLIND", "DIFFERED", "TO MODEL", "AWAY", "SIGHTED", "SAME"}}
	for _, m := range s.GetFlips() {
		flips = append(flips, []string{
			m.GetModel(), fmt.Sprint(m.GetCompared()), of(m.GetDiffered(), m.GetCompared()), of(m.GetFlippedToModel(), m.GetDiffered()),
			of(m.GetFlippedAway(), m.GetCompared()-m.GetDiffered()), fmt.Sprint(m.GetSighted()), of(m.GetSightedSame(), m.GetSighted()),
		})
	}
	if _, err := fmt.Fprintln(w); err != nil {
		return err
	}
	return cli.Table(w, flips)
}

// of is a share with both of its counts: a percentage alone hides how few it may be of. Empty: of nothing.
func of(part, whole int64) string {
	if whole <= 0 {
		return ""
	}
	return fmt.Sprintf("%d/%d (%.0f %%)", part, whole, 100*float64(part)/float64(whole))
}
