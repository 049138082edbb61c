package main

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/candor-gateway/candor/bench/measure"
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

const (
	// warmupShare of the window comes before it: caches fill, windows open, a collector finds its pace.
	warmupShare = 5
	// shortWindow and shortTargets are what a short run is made of: everything that is ours, and the reference.
	shortWindow  = 300 * time.Millisecond
	shortTargets = "direct,candor,candor-mixed,candor-pass,stream,unary,tuned,typed"
)

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
	if o.short {
		o.rounds, o.window = 1, shortWindow
		if o.only == "" {
			o.only = shortTargets
		}
	}
	if o.rounds < 1 || o.window <= 0 {
		return o, errors.New("-rounds and -window must be positive")
	}
	if o.seed == 0 {
		o.seed = rand.Uint64()
	}
	return o, nil
}

// plan is which targets are started, and which regimes they are measured in.
func (o options) plan() (map[string]bool, []measure.Regime, error) {
	want, err := choose(o.only, targets.Names(), "target")
	if err != nil {
		return nil, nil, err
	}
	if o.profile && !want[profiled] {
		return nil, nil, fmt.Errorf("-profile needs the target %s among -only", profiled)
	}
	regimes := measure.Regimes()
	if o.short {
		regimes = measure.Lighter(regimes)
	}
	var names []string
	for _, r := range regimes {
		names = append(names, r.Name)
	}
	wantRegimes, err := choose(o.regimes, names, "regime")
	if err != nil {
		return nil, nil, err
	}
	return want, slices.DeleteFunc(regimes, func(r measure.Regime) bool { return !wantRegimes[r.Name] }), nil
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
