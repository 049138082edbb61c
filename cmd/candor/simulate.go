package main

import (
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/candor-gateway/candor/calibration/simulate"
	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
)

// What simulate plays when nothing else is said.
const (
	simulatedAlpha = 0.05
	simulatedDelta = 0.05
	simulatedAudit = 0.1
	simulatedRows  = 20_000
	simulatedDay   = 1000
	picturePoints  = 100
)

// simulateFlags of candor simulate; those that are a number of the stream go right into its Config.
type simulateFlags struct {
	stream            simulate.Config
	observe           bool
	config, model     string
	recorded, picture string
	json              bool
}

func simulateCommand() *cobra.Command {
	f := &simulateFlags{}
	c := &cobra.Command{
		Use:   "simulate",
		Short: "What a promise would cost: a stream through policy, certificate and reviewers",
		Long: `Play a stream of rows through a policy with an error promise, its certificate, and a
team of reviewers, faster than real time: how much is accepted and when, what people
have to look at, and what callers would see.

Without --recorded the rows come from a world whose risks are known: X is uniform on
(-3,3), P(y=1) = 1/(1+exp(-2X)), and the model says max(p,1-p). --flip and --drift-at
make answers worse than the model thinks. --recorded plays your own rows instead: CSV
with the columns confidence and correct, or JSON objects with these fields, one a line.

--config and --model take alpha, delta, audit, thresholds, mode, fallback and the
review's deadline from a policy; flags override them. The same seed plays the same
stream.`,
		Example: `  candor simulate
  candor simulate --alpha 0.02 --audit 0.2 --per-day 5000 --reviewers 3 --per-hour 20
  candor simulate --drift-at 12000 --drift 0.1 --picture drift.svg
  candor simulate --config candor.yaml --model spam --recorded last-month.csv
  candor simulate promise      # in how many of many streams is the promise broken?
  candor simulate drift        # how long does a change go unnoticed?`,
		Args: cli.Args(),
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	f.register(c)
	c.AddCommand(simulatePromiseCommand(), simulateDriftCommand())
	return c
}

func (f *simulateFlags) register(c *cobra.Command) {
	fl, s := c.Flags(), &f.stream
	fl.StringVar(&f.config, "config", "", "take the promise from this configuration")
	fl.StringVar(&f.model, "model", "", "and from the policy of this model")
	fl.StringVar(&f.recorded, "recorded", "", "play the rows of this CSV or JSONL file (confidence, correct)")
	fl.IntVar(&s.Rows, "rows", simulatedRows, "rows to play; recorded ones: all")
	fl.Float64Var(&s.PerDay, "per-day", simulatedDay, "rows that come in a day")
	fl.Float64Var(&s.Policy.Alpha, "alpha", simulatedAlpha, "promised error rate of what is accepted")
	fl.Float64Var(&s.Policy.Delta, "delta", simulatedDelta, "probability with which the promise may fail")
	fl.Float64Var(&s.Policy.Audit, "audit", simulatedAudit, "random share of rows that is judged whatever becomes of them")
	fl.BoolVar(&f.observe, "observe", false, "mode observe: answers pass, rows are only audited (default: enforce)")
	fl.BoolVar(&s.Policy.Fallback, "fallback", false, "other models answer what isn't accepted, not people")
	fl.DurationVar(&s.Policy.StaleAfter, "stale-after", 0, "accept nothing while an audit waits longer; 0: never, which is the default")
	fl.IntVar(&s.Team.Reviewers, "reviewers", 0, "reviewers, around the clock")
	fl.Float64Var(&s.Team.PerHour, "per-hour", 0, "rows that each judges in an hour (default: without limit)")
	fl.Float64Var(&s.Team.PerDay, "capacity", 0, "rows a day that may be sent to them (default: what they can do)")
	fl.Float64Var(&s.Team.Error, "reviewer-error", 0, "probability that a verdict is wrong")
	fl.DurationVar(&s.Team.Delay, "delay", 0, "mean time that a verdict takes beside the queue")
	fl.Float64Var(&s.Team.Slower, "wrong-slower", 1, "times as long for a wrong answer")
	fl.DurationVar(&s.Team.Deadline, "deadline", 0, "a row without a verdict by then ends without one; 0: never, which is the default")
	fl.Float64Var(&s.World.Flip, "flip", 0, "probability that an answer is turned over, right to wrong or back")
	fl.IntVar(&s.World.DriftRow, "drift-at", 0, "row from which --drift is in force (default: never)")
	fl.Float64Var(&s.World.DriftFlip, "drift", simulatedDrift, "flip from then on")
	fl.IntVar(&s.World.Batch, "batch", 1, "rows of a call, which share one fate")
	fl.Uint64Var(&s.Seed, "seed", 1, "seed of the stream")
	fl.StringVar(&f.picture, "picture", "", "draw what happened into this SVG file")
	fl.BoolVar(&f.json, "json", false, "write JSON")
}

// simulatedDrift is the flip of a drift of which nothing more is said.
const simulatedDrift = 0.1

func (f *simulateFlags) run(cmd *cobra.Command) error {
	if err := f.checkNumbers(cmd.Flags()); err != nil {
		return err
	}
	cfg := f.stream
	cfg.Points = picturePoints
	cfg.Policy.Enforce = !f.observe
	if f.config != "" || f.model != "" {
		if err := f.fromPolicy(cmd, &cfg); err != nil {
			return err
		}
	}
	if f.recorded != "" {
		if err := f.record(cmd, &cfg); err != nil {
			return err
		}
	}
	if cfg.World.DriftRow == 0 {
		cfg.World.DriftFlip = 0
	}
	result, err := simulate.Run(cfg)
	if err != nil {
		return cli.Usage("candor simulate --help lists the flags", "%v", err)
	}
	if f.picture != "" {
		if err := writeFile(f.picture, func(w io.Writer) error { return result.SVG(w, describe(&cfg, result), cfg.Policy.Alpha) }); err != nil {
			return err
		}
	}
	if f.json {
		return cli.Value(cmd.OutOrStdout(), result)
	}
	return summarise(cmd.OutOrStdout(), &cfg, result)
}

func (f *simulateFlags) record(cmd *cobra.Command, cfg *simulate.Config) error {
	file, err := os.Open(f.recorded)
	if err != nil {
		return cli.Fail("name a file of rows that were played", "%w", err)
	}
	defer file.Close()
	if cfg.World.Recorded, err = simulate.ReadRecording(file); err != nil {
		return cli.Fail("correct the file", "%s: %w", f.recorded, err)
	}
	if !cmd.Flags().Changed("rows") {
		cfg.Rows = 0
	}
	return nil
}

// writeFile leaves no half of a file behind that looks whole.
func writeFile(name string, write func(io.Writer) error) error {
	file, err := os.Create(name)
	if err != nil {
		return cli.Fail("name a file that may be written", "%w", err)
	}
	err = write(file)
	if cerr := file.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		_ = os.Remove(name) // the first error is the one to tell
	}
	return err
}
