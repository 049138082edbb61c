package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	"github.com/candor-gateway/candor/cmd/candor/internal/remote"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// longestWait is what a gateway waits for final answers at most.
const longestWait = 10 * time.Minute

func getCommand() *cobra.Command {
	var f remote.Flags
	var asJSON bool
	var wait time.Duration
	c := &cobra.Command{
		Use:   "get PREDICTION",
		Short: "Get the newest state of a prediction",
		Long: `Get the newest state of a prediction, a line for each row: the final answer once a
review has one. You see your own predictions; operators see all. candor explain tells
how it came about. With --wait it answers when no row waits for a review any more, and
after that time in any case.`,
		Example: `  candor get 01939d4e-6a5c-7c3f-8f57-1f0a6c3e9b11
  candor get 01939d4e-6a5c-7c3f-8f57-1f0a6c3e9b11 --json
  candor get 01939d4e-6a5c-7c3f-8f57-1f0a6c3e9b11 --wait 5m`,
		Args: cli.Args("PREDICTION"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := uuid.Parse(args[0]); err != nil {
				return cli.Usage("copy it from the reply's candor_prediction_id", "%q is not the id of a prediction", args[0])
			}
			if wait < 0 || wait > longestWait {
				return cli.Usage("write a span up to 10m", "--wait is %v", wait)
			}
			req := &candorv1.GetPredictionRequest{PredictionId: args[0]}
			if wait > 0 {
				req.Wait = durationpb.New(wait)
				f.Await(wait)
			}
			return f.Call(cmd.Context(), func(ctx context.Context, conn *remote.Conn) error {
				resp, err := candorv1.NewPredictionServiceClient(conn).GetPrediction(ctx, req)
				if err != nil {
					return err
				}
				if asJSON {
					return cli.JSON(cmd.OutOrStdout(), resp)
				}
				table := [][]string{{"ROW", "STATE", "ANSWER", "CONFIDENCE", "ROUTE", "BY", "REASONS", "REVIEW"}}
				for _, p := range resp.GetPredictions() {
					table = append(table, predictionCells(p))
				}
				return cli.Table(cmd.OutOrStdout(), table)
			})
		},
	}
	c.Flags().DurationVar(&wait, "wait", 0, "wait so long for final answers, at most 10m")
	c.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	f.Register(c.Flags())
	return c
}

func predictionCells(p *candorv1.Prediction) []string {
	d := p.GetDecision()
	confidence := ""
	if d.Confidence != nil {
		confidence = cli.Number(d.GetConfidence())
	}
	reasons := make([]string, len(d.GetReasons()))
	for i, r := range d.GetReasons() {
		reasons[i] = cli.Enum(r)
	}
	return []string{
		place(p), cli.Enum(p.GetState()), answerOf(p), confidence, cli.Enum(d.GetRoute()), p.GetAnsweredBy(),
		strings.Join(reasons, ","), strings.TrimPrefix(d.GetReviewItem(), "reviewItems/"),
	}
}

// place is the row of a prediction, with its field where the model has several.
func place(p *candorv1.Prediction) string {
	if p.GetField() == "" {
		return fmt.Sprint(p.GetRow())
	}
	return fmt.Sprint(p.GetRow(), " ", cli.Plain(p.GetField()))
}

// answerOf is what a prediction answers, whatever its kind, on one line.
func answerOf(p *candorv1.Prediction) string {
	switch v := p.GetValue().(type) {
	case *candorv1.Prediction_ClassProbabilities:
		return v.ClassProbabilities.GetLabel()
	case *candorv1.Prediction_Logits:
		return v.Logits.GetLabel()
	case *candorv1.Prediction_LogOdds:
		return "log-odds " + cli.Quantity(v.LogOdds)
	case *candorv1.Prediction_Regression:
		return strings.TrimSpace(cli.Quantity(v.Regression.GetValue()) + " " + v.Regression.GetUnit())
	case *candorv1.Prediction_Interval:
		return strings.TrimSpace(cli.Quantity(v.Interval.GetLower()) + " to " + cli.Quantity(v.Interval.GetUpper()) + " " + v.Interval.GetUnit())
	case *candorv1.Prediction_Distance:
		return strings.TrimSpace(cli.Quantity(v.Distance.GetDistance()) + " " + v.Distance.GetMetric())
	case *candorv1.Prediction_EmbeddingMatch:
		return v.EmbeddingMatch.GetKey()
	case *candorv1.Prediction_Label:
		return v.Label
	}
	return ""
}

func watchCommand() *cobra.Command {
	var f remote.Flags
	var model, resume string
	var asJSON bool
	c := &cobra.Command{
		Use:   "watch",
		Short: "Follow the final answers of your deferred predictions",
		Long: `Follow the final answers of your deferred predictions, in the order in which they became
final, each once. It goes on until it is interrupted. With --json every line has a
resume_token: hand the last one that you have dealt with to --resume, and nothing is
missed or seen twice.`,
		Example: `  candor watch
  candor watch --model fraud --json >>answers.jsonl
  candor watch --json --resume "$(tail -1 answers.jsonl | jq -r .resume_token)"`,
		Args: cli.Args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			conn, err := f.Dial()
			if err != nil {
				return err
			}
			defer conn.Close()
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			stream, err := candorv1.NewPredictionServiceClient(conn).WatchPredictions(ctx, &candorv1.WatchPredictionsRequest{ResumeToken: resume, Model: model})
			if ctx.Err() != nil {
				return nil
			}
			if err != nil {
				return err
			}
			for {
				resp, err := stream.Recv()
				switch {
				case ctx.Err() != nil || errors.Is(err, io.EOF):
					return nil
				case err != nil:
					return err
				case asJSON:
					err = cli.JSONLine(cmd.OutOrStdout(), resp)
				default:
					err = writeFinal(cmd.OutOrStdout(), resp.GetPrediction())
				}
				if err != nil {
					return err
				}
			}
		},
	}
	c.Flags().StringVar(&model, "model", "", "of this model only")
	c.Flags().StringVar(&resume, "resume", "", "go on after this resume_token (default: from the beginning)")
	c.Flags().BoolVar(&asJSON, "json", false, "write a line of JSON for each")
	f.Register(c.Flags())
	return c
}

func writeFinal(w io.Writer, p *candorv1.Prediction) error {
	answer := "withheld"
	if p.GetState() == candorv1.AnswerState_ANSWER_STATE_FINAL {
		answer = fmt.Sprintf("%q", answerOf(p))
	}
	_, err := fmt.Fprintf(w, "%s  %s row %s  %s  %s by %s\n", cli.Time(p.GetFinalTime().AsTime()), p.GetPredictionId(), place(p),
		cli.Plain(p.GetModel()), answer, cli.Plain(p.GetAuthor()))
	return err
}
