package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/candor-gateway/candor/bench/measure"
	"github.com/candor-gateway/candor/bench/process"
	"github.com/candor-gateway/candor/bench/report"
	"github.com/candor-gateway/candor/bench/targets"
)

// options of the command line.
type options struct {
	rounds        int
	window        time.Duration
	only, regimes string
	seed          uint64
	out           string
	profile       bool
	short         bool
}

func parse(args []string) (options, error) {
	var o options
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.IntVar(&o.rounds, "rounds", 6, "how often every target is measured in every regime")
	f.DurationVar(&o.window, "window", 1500*time.Millisecond, "how long one measurement takes, after a warm-up of a fifth")
	f.StringVar(&o.only, "only", "", "targets, with commas between them; default: all of "+strings.Join(targets.Names(), ", "))
	f.StringVar(&o.regimes, "regimes", "", "regimes, with commas between them; default: all")
	f.Uint64Var(&o.seed, "seed", 0, "of the order of measurements; 0: a new one, which is printed")
	f.StringVar(&o.out, "out", "bench/out", "folder for report.json, the picture and the profiles")
	f.BoolVar(&o.profile, "profile", false, "write a CPU profile of Candor in each regime, after the measurements")
	f.BoolVar(&o.short, "short", false, "a few seconds that show whether everything works; the numbers mean nothing")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q; flags begin with -", f.Arg(0))
	}
	if o.rounds < 1 || o.window <= 0 {
		return o, errors.New("-rounds and -window must be positive")
	}
	if o.seed == 0 {
		o.seed = uint64(time.Now().UnixNano())
	}
	return o, nil
}

// bench is the whole benchmark.
func bench(ctx context.Context, args []string) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	want, err := choose(o.only, targets.Names(), "target")
	if err != nil {
		return err
	}
	var names []string
	for _, r := range measure.Regimes() {
		names = append(names, r.Name)
	}
	wantRegimes, err := choose(o.regimes, names, "regime")
	if err != nil {
		return err
	}
	regimes := slices.DeleteFunc(measure.Regimes(), func(r measure.Regime) bool { return !wantRegimes[r.Name] })

	dir, err := os.MkdirTemp("", "candor-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	candor := filepath.Join(dir, "candor")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", candor, "github.com/candor-gateway/candor/cmd/candor").CombinedOutput(); err != nil {
		return fmt.Errorf("go build of cmd/candor: %w\n%s", err, out)
	}
	proxyCore, loadCore, err := cores()
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if err := process.PinSelf(loadCore); err != nil {
		return err
	}
	set, err := targets.Start(ctx, targets.Options{
		Self: self, Candor: candor, Dir: dir, ProxyCore: proxyCore, LoadCore: loadCore, Pprof: o.profile,
	}, want)
	defer func() { _ = set.Stop() }()
	if err != nil {
		return err
	}
	fmt.Printf("seed %d\n", o.seed)
	config := measure.Config{Rounds: o.rounds, Warmup: o.window / 5, Window: o.window, Seed: o.seed, Progress: progress}
	samples, err := measure.Rounds(ctx, config, set, regimes)
	if err != nil {
		return err
	}
	run := report.Run{
		Seed: o.seed, Rounds: o.rounds, WindowSeconds: o.window.Seconds(), Machine: process.Machine(), Go: runtime.Version(),
		Absent: set.Absent, Short: o.short,
	}
	for _, t := range set.Targets {
		run.Targets = append(run.Targets, report.Target{Name: t.Name, About: t.About})
	}
	r := report.New(run, regimes, samples)
	if err := r.Text(os.Stdout); err != nil {
		return err
	}
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return err
	}
	if n := r.Failed(); n > 0 {
		return fmt.Errorf("%d requests failed", n)
	}
	return nil
}

func progress(s measure.Sample) {
	fmt.Printf("%d %-13s %-6s %8.1f us cpu %8.0f/s busy %3.0f%% load %5.1f stub %5.1f p50 %7.0f p99 %7.0f failed %d %s\n",
		s.Round, s.Target, s.Regime, s.CPUMicros, s.PerSecond, 100*s.Busy, s.LoadMicros, s.StubMicros, s.P50, s.P99, s.Failed, s.Error)
}

// cores chooses the CPUs: the last for what is measured, because the first has the machine's interrupts more often.
func cores() (proxy, load int, err error) {
	all, err := process.Cores()
	if err != nil {
		return 0, 0, err
	}
	if len(all) < 2 {
		return 0, 0, fmt.Errorf("this machine lets the benchmark use %d core; it needs two: one for what is measured, one for the load", len(all))
	}
	return all[len(all)-1], all[0], nil
}

// choose reads a list of names.
func choose(list string, all []string, what string) (map[string]bool, error) {
	want := map[string]bool{}
	if list == "" {
		for _, name := range all {
			want[name] = true
		}
		return want, nil
	}
	for name := range strings.SplitSeq(list, ",") {
		if !slices.Contains(all, name) {
			return nil, fmt.Errorf("there is no %s %q; there are %s", what, name, strings.Join(all, ", "))
		}
		want[name] = true
	}
	return want, nil
}
