package desk

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	"github.com/candor-gateway/candor/cmd/candor/internal/remote"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// goldenFlags say what the questions have in common; they go before what a file says of one.
type goldenFlags struct {
	item, json, csv, tensor, label, requestID string
	value                                     float64
	common                                    candorv1.GoldenItem
	asJSON                                    bool
}

func goldenAddCommand(f *remote.Flags) *cobra.Command {
	var g goldenFlags
	c := &cobra.Command{
		Use:   "add (--item ITEM | --json-file FILE | --csv FILE)",
		Short: "Make golden items: of an item that was answered, or of a file",
		Long: `Make golden items, of one of three:

--item ITEM: its input is copied; the answer is its final verdict, unless --label or
--value says another.

--json-file FILE ("-": standard input): a golden item as candor review golden list --json
writes it, a list of them, or a payload (as in "payload" there) with --queue, --model and
--label or --value.

--csv FILE ("-": standard input): a line is a question. The first line names the columns:
"answer" has the answer, a label, or, with a column "tolerance" or --tolerance, a value;
the others are the features of the tensor --tensor.

The same again adds nothing.`,
		Example: `  candor review golden add --item ` + exampleItem + ` --label fraud
  candor review golden add --csv known.csv --queue fraud --model cards --tensor features
  candor review golden list --json | candor review golden add --json-file - --queue other`,
		Args: cli.Args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			reqs, err := g.requests(cmd)
			if err != nil {
				return err
			}
			conn, client, err := dial(f)
			if err != nil {
				return err
			}
			defer conn.Close()
			for i, req := range reqs {
				ctx, cancel := conn.Context(cmd.Context())
				resp, err := client.CreateGoldenItem(ctx, req)
				cancel()
				if err != nil {
					return stopped(err, i, len(reqs))
				}
				if err := g.written(cmd, resp.GetGolden()); err != nil {
					return err
				}
			}
			return nil
		},
	}
	fs := c.Flags()
	fs.StringVar(&g.item, "item", "", "make it of this review item")
	fs.StringVar(&g.json, "json-file", "", "make them of this JSON file")
	fs.StringVar(&g.csv, "csv", "", "make them of this CSV file")
	fs.StringVar(&g.tensor, "tensor", "features", "with --csv: name of the input")
	fs.StringVar(&g.common.Queue, "queue", "", "the queue that shows them (default: as the item or file says)")
	fs.StringVar(&g.common.Model, "model", "", "the model that they are about (default: as the item or file says)")
	fs.StringVar(&g.common.Field, "field", "", "the field, where the model has several")
	fs.StringVar(&g.label, "label", "", "the right answer, for labels")
	fs.Float64Var(&g.value, "value", 0, "the right answer, for values")
	fs.Float64Var(&g.common.Tolerance, "tolerance", 0, "how far a value may be from it")
	requestIDFlag(c, &g.requestID, "one made of what is added")
	fs.BoolVar(&g.asJSON, "json", false, "write what was made as JSON lines")
	return c
}

func (g *goldenFlags) written(cmd *cobra.Command, made *candorv1.GoldenItem) error {
	if g.asJSON {
		return cli.JSONLine(cmd.OutOrStdout(), made)
	}
	_, err := fmt.Fprintf(cmd.OutOrStdout(), "added %s: %q in queue %s\n", strings.TrimPrefix(made.GetName(), goldenPrefix), answerText(made.GetAnswer()), cli.Plain(made.GetQueue()))
	return err
}

// stopped says how far a file got before the gateway refused.
func stopped(err error, done, all int) error {
	if all == 1 {
		return err
	}
	return &cli.Error{What: fmt.Sprintf("question %d of %d: %v", done+1, all, err), Remedy: "those before it are stored; correct the file and run it again: they are not added twice", Err: err}
}

// requests reads the flags and the file that they name.
func (g *goldenFlags) requests(cmd *cobra.Command) ([]*candorv1.CreateGoldenItemRequest, error) {
	sources := 0
	for _, s := range []string{g.item, g.json, g.csv} {
		if s != "" {
			sources++
		}
	}
	if sources != 1 {
		return nil, cli.Usage("candor review golden add --help has examples", "give one of --item, --json-file and --csv")
	}
	answer, err := g.answer(cmd)
	if err != nil {
		return nil, err
	}
	common := proto.CloneOf(&g.common)
	common.Answer = answer
	if g.item != "" {
		name, err := itemName(g.item)
		if err != nil {
			return nil, err
		}
		return g.identified([]*candorv1.CreateGoldenItemRequest{{Item: name, Golden: common}})
	}
	var golden []*candorv1.GoldenItem
	path := g.json + g.csv
	data, err := readFile(cmd, path)
	if err != nil {
		return nil, err
	}
	if g.json != "" {
		golden, err = goldenOfJSON(data)
	} else {
		golden, err = goldenOfCSV(data, g.tensor, cmd.Flags().Changed("tolerance"))
	}
	if err != nil {
		return nil, cli.Fail("candor review golden add --help says what the file holds", "%s: %w", path, err)
	}
	var reqs []*candorv1.CreateGoldenItemRequest
	for i, q := range golden {
		overlay(q, common)
		if cmd.Flags().Changed("tolerance") {
			q.Tolerance = common.GetTolerance() // a merge would leave the file's where 0 is said
		}
		if q.GetAnswer() == nil {
			return nil, cli.Fail("put it into the file, or give --label or --value", "%s: question %d has no answer", path, i+1)
		}
		if q.GetQueue() == "" || q.GetModel() == "" {
			return nil, cli.Usage("give --queue and --model", "%s: question %d doesn't say its queue and model", path, i+1)
		}
		reqs = append(reqs, &candorv1.CreateGoldenItemRequest{Golden: q})
	}
	return g.identified(reqs)
}

// overlay lays what the command line says over a question of a file. What a store gave it when it was made first isn't its own.
func overlay(q, flags *candorv1.GoldenItem) {
	q.Name, q.Author, q.CreateTime, q.Shown, q.Right = "", "", nil, 0, 0
	proto.Merge(q, flags)
}

// identified gives each request its id.
func (g *goldenFlags) identified(reqs []*candorv1.CreateGoldenItemRequest) ([]*candorv1.CreateGoldenItemRequest, error) {
	for i, req := range reqs {
		switch {
		case g.requestID == "":
			req.RequestId = requestIDOf(0, req)
		case len(reqs) > 1:
			req.RequestId = fmt.Sprintf("%s-%d", g.requestID, i+1)
		default:
			req.RequestId = g.requestID
		}
	}
	return reqs, nil
}

func (g *goldenFlags) answer(cmd *cobra.Command) (*candorv1.VerdictAnswer, error) {
	label, value := cmd.Flags().Changed("label"), cmd.Flags().Changed("value")
	switch {
	case label && value:
		return nil, cli.Usage("give one of them", "--label and --value are two answers")
	case label:
		return &candorv1.VerdictAnswer{Answer: &candorv1.VerdictAnswer_Label{Label: g.label}}, nil
	case value:
		return &candorv1.VerdictAnswer{Answer: &candorv1.VerdictAnswer_Value{Value: g.value}}, nil
	}
	return nil, nil
}
