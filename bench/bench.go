package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"github.com/candor-gateway/candor/bench/measure"
	"github.com/candor-gateway/candor/bench/process"
	"github.com/candor-gateway/candor/bench/report"
	"github.com/candor-gateway/candor/bench/targets"
)

// bench is the whole benchmark.
func bench(ctx context.Context, args []string) (err error) {
	o, err := parse(args)
	if err != nil {
		return err
	}
	want, regimes, err := o.plan()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "candor-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	set, err := start(ctx, o, dir, want)
	if set != nil {
		defer func() { err = errors.Join(err, set.Stop()) }()
	}
	if err != nil {
		return err
	}
	fmt.Printf("%d targets, %d regimes, %d rounds; seed %d\n", len(set.Targets), len(regimes), o.rounds, o.seed)
	samples, err := measure.Rounds(ctx, measure.Config{
		Rounds: o.rounds, Warmup: o.window / warmupShare, Window: o.window, Seed: o.seed, Progress: progress,
	}, set, regimes)
	if err != nil {
		return err
	}
	r := report.New(o.about(set), regimes, samples)
	if r.Routes, err = measure.Routes(ctx, set); err != nil {
		return err
	}
	if err := write(r, o.out); err != nil {
		return err
	}
	if o.profile {
		if err := profiles(ctx, o.out, set, r, regimes); err != nil {
			return err
		}
	}
	if n := r.Failed(); n > 0 {
		return fmt.Errorf("%d requests failed", n)
	}
	return nil
}

// start builds Candor and starts what is measured. The set, when there is one, must be stopped, whatever the error.
func start(ctx context.Context, o options, dir string, want map[string]bool) (*targets.Set, error) {
	candor := filepath.Join(dir, "candor")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", candor, "github.com/candor-gateway/candor/cmd/candor").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("go build of cmd/candor: %w\n%s", err, out)
	}
	proxyCore, loadCore, err := cores()
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	if err := process.PinSelf(loadCore); err != nil {
		return nil, err
	}
	rest()
	return targets.Start(ctx, targets.Options{
		Self: self, Candor: candor, Dir: dir, ProxyCore: proxyCore, LoadCore: loadCore, Pprof: o.profile,
	}, want)
}

// about describes the run.
func (o options) about(set *targets.Set) report.Run {
	run := report.Run{
		Seed: o.seed, Rounds: o.rounds, WindowSeconds: o.window.Seconds(), Machine: process.Machine(), Go: runtime.Version(),
		Absent: set.Absent, Short: o.short,
	}
	for _, t := range set.Targets {
		run.Targets = append(run.Targets, report.Target{Name: t.Name, About: t.About})
	}
	return run
}

// write prints the report and puts its files into a folder.
func write(r *report.Report, folder string) error {
	if err := r.Text(os.Stdout); err != nil {
		return err
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	for name, form := range map[string]func(io.Writer) error{"report.txt": r.Text, "report.json": r.JSON, "report.svg": r.SVG} {
		f, err := os.Create(filepath.Join(folder, name))
		if err != nil {
			return err
		}
		if err := errors.Join(form(f), f.Close()); err != nil {
			return err
		}
	}
	fmt.Printf("\nwrote report.txt, report.json and report.svg to %s\n", folder)
	return nil
}

func progress(s measure.Sample) {
	fmt.Fprintf(os.Stderr, "round %d  %-13s %-6s %8.1f µs %8.0f req/s  %s\n", s.Round+1, s.Target, s.Regime, s.CPUMicros, s.PerSecond, s.Error)
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
