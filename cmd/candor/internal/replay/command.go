package replay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	"github.com/candor-gateway/candor/cmd/candor/internal/datadir"
	"github.com/candor-gateway/candor/cmd/candor/internal/server"
	"github.com/candor-gateway/candor/cmd/candor/internal/stores"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/replay"
)

// What a replay looks at when nothing else is said.
const (
	defaultSince = "7d"
	defaultLimit = 20
)

// flags of the command.
type flags struct {
	config, dataDir, since, until, model string
	was, thresholds                      []string
	certificates                         string
	limit                                int
	json                                 bool
}

// Command is candor replay.
func Command() *cobra.Command {
	var f flags
	c := &cobra.Command{
		Use:   "replay --config FILE",
		Short: "Decide recorded predictions again under another configuration, before it is applied",
		Long: `Decide recorded predictions again under another configuration: which rows would change,
and what that would do to errors, reviews and actions. It reads a store, beside the
gateway that serves from it or without one, asks no model, and writes nothing.

Only what the log holds is decided again. Rows that another model version, calibrator or
confidence would have decided are counted as UNDECIDED, with the cause. A row that would go
to a fallback that was not asked about it is ASK: what the fallback would have said is not
known. --was names the configuration that the rows were recorded under, where it still
exists: then conditions and scales that both have alike are told by the log.

A promise is replayed with the thresholds that the store's certificates license now; where
there is none, nothing is accepted. --threshold states another one, on the confidence scale
from 0 to 1. Error rates come from verdicts, weighted by the recorded probability with which
a row was chosen to be judged; all intervals are at 95 %. Limits are left aside.`,
		Example: `  candor replay --config next-week.yaml
  candor replay --config next-week.yaml --was candor.yaml --since 14d --model fraud
  candor replay --config next-week.yaml --data-dir /var/lib/candor --since 2026-11-20T00:00:00Z --json
  candor replay --config candor.yaml --threshold fraud/xgb=0.97 --limit 0`,
		Args: cli.Args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			return f.run(ctx, cmd)
		},
	}
	fs := c.Flags()
	fs.StringVar(&f.config, "config", "", "the configuration to try (required)")
	fs.StringVar(&f.dataDir, "data-dir", "", "the store: its file, or a folder that holds one (default: the configuration's)")
	fs.StringVar(&f.since, "since", defaultSince, "predictions since then: a span before now (90m, 2h, 7d) or a time (RFC 3339)")
	fs.StringVar(&f.until, "until", "", "predictions until then, in the same forms (default: now)")
	fs.StringVar(&f.model, "model", "", "this model only")
	fs.StringArrayVar(&f.was, "was", nil, "a configuration that rows were recorded under; may be given again")
	fs.StringArrayVar(&f.thresholds, "threshold", nil, "model/stage=0.97: the threshold of a stage; may be given again")
	fs.StringVar(&f.certificates, "certificates", "current", "certificates behind a promise: current, or none as at the start")
	fs.IntVar(&f.limit, "limit", defaultLimit, "changed rows to list for each model")
	fs.BoolVar(&f.json, "json", false, "write JSON")
	return c
}

func (f *flags) run(ctx context.Context, cmd *cobra.Command) error {
	switch {
	case f.config == "":
		return cli.Usage("candor replay --config next-week.yaml", "--config is missing")
	case f.limit < 0:
		return cli.Usage("write 0 for none", "--limit is %d", f.limit)
	case f.certificates != current && f.certificates != none:
		return cli.Usage("write current or none", "--certificates: %q is neither", f.certificates)
	}
	now := time.Now()
	since, until, err := f.span(now)
	if err != nil {
		return err
	}
	stated, err := statedThresholds(f.thresholds)
	if err != nil {
		return err
	}
	cfg, err := server.Load(f.config, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	if cfg.GetModels()[f.model] == nil && f.model != "" {
		return cli.Usage("name one of the configuration's models", "--model: %s has no model %q", f.config, f.model)
	}
	var was []*candorv1.Config
	for _, file := range f.was {
		old, err := server.Load(file, cmd.ErrOrStderr())
		if err != nil {
			return err
		}
		was = append(was, old)
	}
	store, err := f.open(ctx, cfg)
	if err != nil {
		return err
	}
	report, err := f.replay(ctx, cfg, was, store, stated, since, until, cmd.ErrOrStderr())
	if err := errors.Join(err, store.Close(context.WithoutCancel(ctx))); err != nil {
		return err
	}
	if f.json {
		return cli.Value(cmd.OutOrStdout(), report)
	}
	return write(cmd.OutOrStdout(), report, f.limit)
}

// open opens the store of --data-dir, or that of the configuration.
func (f *flags) open(ctx context.Context, cfg *candorv1.Config) (stores.Reader, error) {
	if f.dataDir != "" {
		return datadir.Open(ctx, f.dataDir)
	}
	if path := cfg.GetStore().GetSqlite().GetPath(); path != "" {
		if _, err := os.Stat(path); err != nil {
			return nil, cli.Fail("name the store by --data-dir, or run candor init --config "+f.config+" for a new gateway", "the store of %s: %w", f.config, err)
		}
	}
	return stores.Read(ctx, cfg)
}

func (f *flags) span(now time.Time) (since, until time.Time, err error) {
	until = now
	if f.until != "" {
		if until, err = cli.Moment("--until", f.until, now); err != nil {
			return since, until, err
		}
	}
	if since, err = cli.Moment("--since", f.since, now); err != nil {
		return since, until, err
	}
	if !since.Before(until) {
		return since, until, cli.Usage("give a --since that lies before --until", "the span of time is empty")
	}
	return since, until, nil
}

func (f *flags) replay(
	ctx context.Context, cfg *candorv1.Config, was []*candorv1.Config, store stores.Reader, stated map[string]float64, since, until time.Time, progress io.Writer,
) (*replay.Report, error) {
	models, err := f.models(ctx, cfg, was, store, stated)
	if err != nil {
		return nil, err
	}
	// Verdicts come after the span, too.
	later, err := store.Scan(ctx, since, time.Time{})
	if err != nil {
		return nil, err
	}
	span, err := store.Scan(ctx, since, until)
	if err != nil {
		return nil, err
	}
	r := replay.New(models, replay.Options{Limit: f.limit, Until: until, Model: f.model})
	b := newBar(progress, later.Records+span.Records)
	defer b.end()
	for rec, err := range later.All(ctx) {
		if err != nil {
			return nil, err
		}
		r.Learn(rec)
		b.step()
	}
	for rec, err := range span.All(ctx) {
		if err != nil {
			return nil, err
		}
		r.Decide(rec)
		b.step()
	}
	return r.Report(), nil
}

// bar tells on a terminal how far a long log was read.
type bar struct {
	w         io.Writer
	done, all uint64
	shown     bool
}

// barEvery is how many records are read between two looks at the bar; shorter logs have none.
const barEvery = 20_000

func newBar(w io.Writer, all uint64) *bar {
	if !cli.IsTerminal(w) {
		w = io.Discard
	}
	return &bar{w: w, all: all}
}

func (b *bar) step() {
	if b.done++; b.done%barEvery == 0 {
		b.shown = true
		_, _ = fmt.Fprintf(b.w, "\r%d of %d records", b.done, b.all)
	}
}

func (b *bar) end() {
	if b.shown {
		_, _ = fmt.Fprintln(b.w)
	}
}
