package desk

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	"github.com/candor-gateway/candor/cmd/candor/internal/draw"
	"github.com/candor-gateway/candor/cmd/candor/internal/remote"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

func showCommand(f *remote.Flags) *cobra.Command {
	var showAnswer, showEvents, asJSON bool
	c := &cobra.Command{
		Use:   "show ITEM",
		Short: "Show one review item with its input",
		Long: `Show one review item with its input, without claiming it. The answers of the models stay
hidden until the item has its verdict, unless --show-answer asks for them and you may see
them; --json has everything that you may see.`,
		Example: `  candor review show ` + exampleItem + `
  candor review show ` + exampleItem + ` --events`,
		Args: cli.Args("ITEM"),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, err := itemName(args[0])
			if err != nil {
				return err
			}
			if asJSON && showEvents {
				return cli.Usage("candor review events ITEM --json has the history", "--json and --events are two outputs")
			}
			return call(cmd, f, func(ctx context.Context, client candorv1.ReviewServiceClient) error {
				resp, err := client.GetReviewItem(ctx, &candorv1.GetReviewItemRequest{Name: name})
				if err != nil {
					return err
				}
				w, item := cmd.OutOrStdout(), resp.GetItem()
				if asJSON {
					return cli.JSON(w, item)
				}
				if err := writeItem(w, item, showsColour(w)); err != nil {
					return err
				}
				if showAnswer || finished(item) {
					if err := writeAnswers(w, item); err != nil {
						return err
					}
				}
				if !showEvents {
					return nil
				}
				all := &candorv1.ListReviewEventsResponse{}
				if err := listEvents(ctx, client, &candorv1.ListReviewEventsRequest{Name: name}, maxPage, all); err != nil {
					return err
				}
				if _, err := fmt.Fprintln(w); err != nil {
					return err
				}
				return writeEvents(w, all)
			})
		},
	}
	c.Flags().BoolVar(&showAnswer, "show-answer", false, "show what the models answered, too")
	c.Flags().BoolVar(&showEvents, "events", false, "and what happened to it")
	c.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	return c
}

// showsColour says whether shades of grey and half blocks can be drawn: on a terminal, unless its user doesn't want colour
// (no-color.org).
func showsColour(w io.Writer) bool {
	return cli.IsTerminal(w) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// writeItem shows an item and its input, and nothing of what the models answered.
func writeItem(w io.Writer, i *candorv1.ReviewItem, colour bool) error {
	var b strings.Builder
	writeFacts(&b, i)
	b.WriteByte('\n')
	if _, err := io.WriteString(w, b.String()); err != nil {
		return err
	}
	return draw.Payload(w, i.GetPayload(), colour)
}

// writeAnswers shows what every stage answered.
func writeAnswers(w io.Writer, i *candorv1.ReviewItem) error {
	rows := [][]string{{"STAGE", "VERSION", "ANSWER", "CONFIDENCE"}}
	for _, a := range i.GetAnswers() {
		answer, confidence := a.GetLabel(), ""
		if a.Value != nil {
			answer = cli.Quantity(a.GetValue())
			if i.GetUnit() != "" {
				answer += " " + i.GetUnit()
			}
		}
		if a.Confidence != nil {
			confidence = cli.Number(a.GetConfidence())
		}
		rows = append(rows, []string{a.GetStage(), a.GetVersion(), answer, confidence})
	}
	if len(rows) == 1 {
		text := "no stage had a usable answer"
		if !finished(i) && len(i.GetVerdicts()) == 0 {
			text = "what the models said is not shown before your verdict"
		}
		_, err := fmt.Fprintln(w, "\n"+text)
		return err
	}
	if _, err := fmt.Fprintln(w); err != nil {
		return err
	}
	return cli.Table(w, rows)
}

// verdictText is what a verdict says; empty: nothing.
func verdictText(v *candorv1.Verdict) string { return answerText(review.AnswerOf(v)) }

func answerText(a *candorv1.VerdictAnswer) string {
	if v, ok := a.GetAnswer().(*candorv1.VerdictAnswer_Value); ok {
		return cli.Quantity(v.Value)
	}
	return a.GetLabel()
}
