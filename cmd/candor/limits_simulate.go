package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/spf13/cobra"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	"github.com/candor-gateway/candor/cmd/candor/internal/datadir"
	"github.com/candor-gateway/candor/cmd/candor/internal/server"
	"github.com/candor-gateway/candor/cmd/candor/internal/stores"
	"github.com/candor-gateway/candor/gateway"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/limits"
)

// whole in parts per million.
const whole = 1e6

// simulateLimit is the flags of candor limits simulate.
type simulateLimit struct {
	config, dataDir, limit  string
	action, model, consumer string
	maxCount                int64
	maxShare                float64
	window, resetAfter      time.Duration
	share                   float64
	since, until            string
	json                    bool
}

func limitsSimulateCommand() *cobra.Command {
	var f simulateLimit
	c := &cobra.Command{
		Use:   "simulate (--limit NAME --config FILE | --action ACTION --max-count N --window SPAN --data-dir DIR)",
		Short: "Would this limit have tripped last week? Say when, and which would not have",
		Long: `Replay the decision log through a limit: when it would have tripped, how much it would
have withheld, and which bound would not have tripped. The limit is one of a
configuration's, or, where it counts answers, is given by flags; flags change what the
configuration says. It reads a store, beside the gateway that serves from it or without one, and changes nothing.

Every answer with the action counts at the time of its decision, or of its verdict; those
that limits withheld at the time are taken as if they had been on their way, too. People
are taken to reset each trip after --reset-after; then a probation begins, as --probation
says. The amounts and keys of a sum, a ratio or a key are in the log from when a limit
asked for them: answers from before are left out, and counted.`,
		Example: `  candor limits simulate --config candor.yaml --limit declines
  candor limits simulate --config candor.yaml --limit declines --max-count 300 --since 30d
  candor limits simulate --data-dir /var/lib/candor --action decline --max-count 100 --window 10m --json`,
		Args: cli.Args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			def, reader, err := f.open(cmd)
			if err != nil {
				return err
			}
			report, err := f.run(cmd.Context(), def, reader)
			if err := errors.Join(err, reader.Close(context.WithoutCancel(cmd.Context()))); err != nil {
				return err
			}
			if f.json {
				return cli.Value(cmd.OutOrStdout(), report)
			}
			return report.write(cmd.OutOrStdout())
		},
	}
	fs := c.Flags()
	fs.StringVar(&f.config, "config", "", "the configuration: its limit, and its store")
	fs.StringVar(&f.dataDir, "data-dir", "", "the store: its file, or a folder that holds one (default: the configuration's)")
	fs.StringVar(&f.limit, "limit", "", "name of one of the configuration's limits")
	fs.StringVar(&f.action, "action", "", "the action that is bounded")
	fs.StringVar(&f.model, "model", "", "only this model (default: all)")
	fs.StringVar(&f.consumer, "consumer", "", "only this consumer (default: all)")
	fs.Int64Var(&f.maxCount, "max-count", 0, "the bound: answers, 1 to 1000000; of a sum, units")
	fs.Float64Var(&f.maxShare, "max-share", 0, "the bound of a ratio, between 0 and 1")
	fs.DurationVar(&f.window, "window", 0, "the sliding window")
	fs.Float64Var(&f.share, "probation", 0.5, "part of the limit that holds after a reset, for one window or as long as the configuration says")
	fs.DurationVar(&f.resetAfter, "reset-after", time.Hour, "how long after a trip people reset it; 0: never")
	fs.StringVar(&f.since, "since", "7d", "answers since then: a span before now (90m, 2h, 7d) or a time (RFC 3339)")
	fs.StringVar(&f.until, "until", "", "answers until then, in the same forms (default: now)")
	fs.BoolVar(&f.json, "json", false, "write JSON")
	return c
}

// open finds the limit and its store.
func (f *simulateLimit) open(cmd *cobra.Command) (limits.Definition, stores.Reader, error) {
	fail := func(err error) (limits.Definition, stores.Reader, error) { return limits.Definition{}, nil, err }
	if f.config == "" && f.dataDir == "" {
		return fail(cli.Usage("candor limits simulate --config candor.yaml --limit NAME", "--config or --data-dir is missing"))
	}
	if f.limit != "" && f.config == "" {
		return fail(cli.Usage("name the configuration that has it", "--limit without --config"))
	}
	var cfg *candorv1.Config
	if f.config != "" {
		var err error
		if cfg, err = server.Load(f.config, cmd.ErrOrStderr()); err != nil {
			return fail(err)
		}
	}
	def, err := f.definition(cmd, cfg)
	if err != nil {
		return fail(err)
	}
	if f.dataDir != "" {
		reader, err := datadir.Open(cmd.Context(), f.dataDir)
		if err != nil {
			return fail(err)
		}
		return def, reader, nil
	}
	reader, err := stores.Read(cmd.Context(), cfg)
	return def, reader, err
}

// definition is the configuration's limit, changed by the flags that are given.
func (f *simulateLimit) definition(cmd *cobra.Command, cfg *candorv1.Config) (limits.Definition, error) {
	def := limits.Definition{Name: f.limit}
	if f.limit == "" {
		def.Name = "simulated"
	} else {
		l := cfg.GetLimits()[f.limit]
		if l == nil {
			return def, cli.Usage("name one of its limits", "--limit: %s has no limit %q", f.config, f.limit)
		}
		def = gateway.LimitDefinition(f.limit, l)
		if !cmd.Flags().Changed("probation") {
			f.share = l.GetProbation().GetShare()
		}
	}
	for _, change := range []struct{ into, value *string }{{&def.Action, &f.action}, {&def.Model, &f.model}, {&def.Consumer, &f.consumer}} {
		if *change.value != "" {
			*change.into = *change.value
		}
	}
	changed := cmd.Flags().Changed
	if changed("max-count") {
		def.MaxCount = f.maxCount
	}
	if changed("window") {
		def.Window = f.window
	}
	if changed("max-share") && def.Ratio != nil {
		def.Ratio.SharePPM = int64(math.Round(f.maxShare * whole))
	}
	most := int64(1_000_000)
	if def.Amount != "" {
		most = 1_000_000_000_000_000
	}
	switch {
	case def.Action == "":
		return def, cli.Usage("name the action that is bounded, or a limit of the configuration with --limit", "--action is missing")
	case changed("max-share") && def.Ratio == nil:
		return def, cli.Usage("name a limit of the configuration that is a ratio, with --limit", "--max-share: the limit is no ratio")
	case changed("max-share") && !(f.maxShare >= 1/whole && f.maxShare <= 1-1/whole):
		return def, cli.Usage("write a number between 0 and 1", "--max-share is %v", f.maxShare)
	case def.Ratio != nil && def.Ratio.SharePPM*def.Ratio.MinCount < whole:
		least := math.Ceil(whole/float64(def.Ratio.MinCount)) / whole
		return def, cli.Usage(fmt.Sprintf("write at least %v, or give the limit a larger min_count", least),
			"--max-share is %v: of min_count %d that is less than one answer, and the first would trip the limit", f.maxShare, def.Ratio.MinCount)
	case def.Ratio != nil && changed("max-count"):
		return def, cli.Usage("change it by --max-share", "--max-count: the limit is a ratio")
	case def.Ratio == nil && (def.MaxCount < 1 || def.MaxCount > most):
		return def, cli.Usage(fmt.Sprintf("write 1 to %d", most), "--max-count is %d", def.MaxCount)
	case def.Window <= 0:
		return def, cli.Usage("write a span such as 10m", "--window is %v", def.Window)
	case !(f.share > 0 && f.share <= 1):
		return def, cli.Usage("write a number above 0 and at most 1", "--probation is %v", f.share)
	case f.resetAfter < 0:
		return def, cli.Usage("write a span such as 1h, or 0 for never", "--reset-after is %v", f.resetAfter)
	}
	def.After.SharePPM = uint32(math.Round(f.share * whole))
	if def.After.For == 0 {
		def.After.For = def.Window
	}
	return def, nil
}

func (f *simulateLimit) run(ctx context.Context, def limits.Definition, reader stores.Reader) (*simulatedLimit, error) {
	now := time.Now()
	until := now
	var err error
	if f.until != "" {
		if until, err = cli.Moment("--until", f.until, now); err != nil {
			return nil, err
		}
	}
	since, err := cli.Moment("--since", f.since, now)
	if err != nil {
		return nil, err
	}
	if !since.Before(until) {
		return nil, cli.Usage("give a --since that lies before --until", "the span of time is empty")
	}
	d := demand{def: def, reader: reader}
	if err := d.read(ctx, since, until); err != nil {
		return nil, err
	}
	s, err := limits.Simulate(def, d.offers, f.resetAfter)
	if err != nil {
		return nil, err
	}
	out := &simulatedLimit{
		Action: def.Action, Model: def.Model, Consumer: def.Consumer, MaxCount: def.MaxCount, Window: def.Window.Seconds(), ResetAfter: f.resetAfter.Seconds(),
		Since: since.UTC(), Until: until.UTC(), Answers: s.Offered, WithheldThen: d.withheld, Withheld: s.Withheld, Peak: s.Peak, Trips: simulatedTrips(def, d.offers, s.Trips),
		Unit: def.Unit, Key: gateway.SourceWords(def.Key), Uncounted: d.uncounted, PeakKey: s.PeakKey,
	}
	if def.Ratio != nil {
		out.Share, out.Others = float64(def.Ratio.SharePPM)/whole, s.Others
		out.PeakShare = float64(s.PeakPPM) / whole
	}
	if s.Offered > 0 {
		out.PeakEnd = &s.PeakEnd
	}
	return out, nil
}
