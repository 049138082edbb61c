package desk

import (
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
	var showAnswer, asJSON bool
	c := &cobra.Command{
		Use:   "show ITEM",
		Short: "Show one review item with its input",
		Long: `Show one review item with its input, without claiming it. The answers of the models stay
hidden until the item has its verdict, unless --show-answer asks for them; --json has
everything.`,
		Example: `  candor review show 01939d4e-6a5c-7c3f-8f57-1f0a6c3e9b11`,
		Args:    cli.Args("ITEM"),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, err := itemName(args[0])
			if err != nil {
				return err
			}
			conn, client, err := dial(f)
			if err != nil {
				return err
			}
			defer conn.Close()
			ctx, cancel := conn.Context(cmd.Context())
			defer cancel()
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
				return writeAnswers(w, item)
			}
			return nil
		},
	}
	c.Flags().BoolVar(&showAnswer, "show-answer", false, "show what the models answered, too")
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
	field := func(name, format string, args ...any) {
		if text := cli.Plain(fmt.Sprintf(format, args...)); text != "" {
			fmt.Fprintf(&b, "  %-10s %s\n", name, text)
		}
	}
	fmt.Fprintf(&b, "item %s\n", review.IDOf(i.GetName()))
	state := strings.ToLower(cli.Enum(i.GetState()))
	if finished(i) {
		// Until there is an answer every item is held; that says nothing.
		state += ", " + strings.ToLower(cli.Enum(i.GetReleaseState()))
	}
	field("queue", "%s, %s", i.GetQueue(), state)
	field("from", "%s version %s, asked by %s", i.GetModel(), i.GetModelVersion(), i.GetConsumer())
	field("because", "%s", reasons(i.GetReasons()))
	field("prediction", "%s, row %d", i.GetPredictionId(), i.GetRow())
	if i.GetField() != "" {
		field("field", "%s", i.GetField())
	}
	field("created", "%s", cli.Time(i.GetCreateTime().AsTime()))
	field("deadline", "%s, then %s", cli.Time(i.GetExpireTime().AsTime()), strings.ToLower(cli.Enum(i.GetOnExpire())))
	if i.GetState() == candorv1.ReviewState_REVIEW_STATE_CLAIMED {
		field("claimed", "by %s until %s, epoch %d", i.GetHolder(), cli.Time(i.GetLeaseExpireTime().AsTime()), i.GetEpoch())
	}
	if v := i.GetVerdict(); v != nil {
		field("verdict", "%q by %s at %s", verdictText(v), v.GetAuthor(), cli.Time(v.GetCreateTime().AsTime()))
		field("reason", "%s", v.GetReason())
		field("note", "%s", v.GetNote())
	}
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
		_, err := fmt.Fprintln(w, "\nno stage had a usable answer")
		return err
	}
	if _, err := fmt.Fprintln(w); err != nil {
		return err
	}
	return cli.Table(w, rows)
}

func verdictText(v *candorv1.Verdict) string {
	if a, ok := v.GetAnswer().(*candorv1.Verdict_Value); ok {
		return cli.Quantity(a.Value)
	}
	return v.GetLabel()
}
