package explain

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/candor-gateway/candor/audit"
	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	"github.com/candor-gateway/candor/cmd/candor/internal/remote"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// log is a decision log, wherever it is read.
type log interface {
	// find answers all that is known of a prediction.
	find(ctx context.Context, id string) (source, error)
	// summarize counts; an Until of zero is the log's own now.
	summarize(ctx context.Context, q audit.Query) (audit.Summary, error)
	close() error
}

// flags of the command.
type flags struct {
	remote                                   remote.Flags
	dataDir, config                          string
	json                                     bool
	row                                      int
	since, until, model, consumer, action, r string
	by                                       []string
}

// Command is candor explain.
func Command() *cobra.Command {
	var f flags
	c := &cobra.Command{
		Use:   "explain (PREDICTION | --since SPAN)",
		Short: "Say what happened to a prediction, or what changed among all of them",
		Long: `Say what happened, and why.

With the id of a prediction it tells the whole story: who asked, every stage that was
asked with its version, its age and its milliseconds, the numbers that were compared,
the reasons, the action and its limit, the review and its verdict, and where the record
stands in the decision log.

With --since it counts rows beside those of the span of equal length before, and names
the group that changed most: the answer to "why did declines double?".

Both ask a gateway (as the consumer who made the prediction, or as an operator with any
role), or, with --data-dir or --config, read its store: also while nobody serves from it.`,
		Example: `  candor explain 01939d4e-6a5c-7c3f-8f57-1f0a6c3e9b11
  candor explain 01939d4e-6a5c-7c3f-8f57-1f0a6c3e9b11 --json
  candor explain --since 2h --action decline --by reason,version
  candor explain --since 2026-11-20T00:00:00Z --until 2026-11-21T00:00:00Z --route defer --by model
  candor explain --since 1h --by route,stage --data-dir /var/lib/candor`,
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, args) },
	}
	fs := c.Flags()
	fs.StringVar(&f.dataDir, "data-dir", "", "read this store (its file, or a folder that holds one) instead of asking a gateway")
	fs.StringVar(&f.config, "config", "", "read the store of this configuration, also one in PostgreSQL, instead of asking a gateway")
	fs.BoolVar(&f.json, "json", false, "write JSON")
	fs.IntVar(&f.row, "row", -1, "tell this row of a batch only, from 0")
	fs.StringVar(&f.since, "since", "", "count since then: a span before now (90m, 2h, 7d) or a time (RFC 3339)")
	fs.StringVar(&f.until, "until", "", "count until then, in the same forms (default: now)")
	fs.StringVar(&f.model, "model", "", "count this model only")
	fs.StringVar(&f.consumer, "consumer", "", "count this consumer only")
	fs.StringVar(&f.action, "action", "", "count rows that mean this action only")
	fs.StringVar(&f.r, "route", "", "count this route only: accept, fallback, defer, reject")
	fs.StringSliceVar(&f.by, "by", []string{"reason", "version"}, "group by up to four of reason, version, model, consumer, route, action, stage")
	f.remote.Register(fs)
	return c
}

func (f *flags) run(cmd *cobra.Command, args []string) error {
	switch {
	case len(args) > 1:
		return cli.Usage("candor explain ID, one at a time", "%d predictions are named", len(args))
	case (len(args) == 1) == (f.since != ""):
		return cli.Usage("candor explain PREDICTION tells one story, candor explain --since 2h counts", "name a prediction or a span of time")
	case cmd.Flags().Changed("row") && f.since != "":
		return cli.Usage("leave it out with --since", "--row is about one prediction")
	case cmd.Flags().Changed("row") && f.row < 0:
		return cli.Usage("rows count from 0", "--row is %d", f.row)
	}
	var query audit.Query
	if f.since != "" {
		var err error
		if query, err = f.query(); err != nil {
			return err
		}
	}
	log, err := f.open(cmd)
	if err != nil {
		return err
	}
	if f.since != "" {
		err = f.count(cmd, log, query)
	} else {
		err = f.tell(cmd, log, args[0])
	}
	return errors.Join(err, log.close())
}

func (f *flags) open(cmd *cobra.Command) (log, error) {
	switch {
	case f.dataDir != "" && f.config != "":
		return nil, cli.Usage("give one of them", "--data-dir and --config both name a store")
	case f.dataDir != "":
		return openStore(cmd.Context(), f.dataDir)
	case f.config != "":
		return openConfigured(cmd.Context(), f.config, cmd.ErrOrStderr())
	}
	conn, err := f.remote.Dial()
	if err != nil {
		return nil, err
	}
	return &gatewayLog{conn, candorv1.NewExplainServiceClient(conn)}, nil
}

func (f *flags) tell(cmd *cobra.Command, log log, id string) error {
	if _, err := uuid.Parse(id); err != nil {
		return cli.Usage("copy it from the reply's candor_prediction_id, such as 01939d4e-6a5c-7c3f-8f57-1f0a6c3e9b11", "%q is not the id of a prediction", id)
	}
	known, err := log.find(cmd.Context(), id)
	if err != nil {
		return err
	}
	s := tell(known)
	if f.row >= 0 {
		rows := 0
		if n := len(s.Rows); n > 0 {
			rows = s.Rows[n-1].Row + 1
		}
		if f.row >= rows {
			return cli.Usage("rows count from 0", "--row %d: the prediction has %s", f.row, cli.Count(rows, "row"))
		}
		s = s.only(f.row)
	}
	if f.json {
		return cli.Value(cmd.OutOrStdout(), s)
	}
	return write(cmd.OutOrStdout(), s)
}

func (f *flags) count(cmd *cobra.Command, log log, q audit.Query) error {
	sum, err := log.summarize(cmd.Context(), q)
	if err != nil {
		return err
	}
	until := q.Until
	if until.IsZero() {
		until = time.Now()
	}
	s := summarize(sum, q.Since, until, f.by)
	if f.json {
		return cli.Value(cmd.OutOrStdout(), s)
	}
	return writeSummary(cmd.OutOrStdout(), s, f.what())
}

// what says which rows are counted.
func (f *flags) what() string {
	var with []string
	for _, c := range []struct{ name, value string }{{"model", f.model}, {"consumer", f.consumer}, {"action", f.action}, {"route", f.r}} {
		if c.value != "" {
			with = append(with, fmt.Sprintf("%s %s", c.name, cli.Plain(c.value)))
		}
	}
	if len(with) == 0 {
		return "rows"
	}
	return "rows with " + strings.Join(with, ", ")
}
