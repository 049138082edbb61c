package main

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// options of the command line.
type options struct {
	rounds   int
	window   time.Duration
	only     map[string]bool
	postgres string
	seed     uint64
	out      string
	short    bool
}

// claimers are how many people, or workers, there are at once.
var claimers = []int{1, 8, 32}

// subjects that are measured, in the order of the report.
var subjects = []string{"sqlite", "postgres", "gateway-sqlite", "gateway-postgres", "river"}

// shortWindow is what a short run measures for.
const shortWindow = 150 * time.Millisecond

func parse(args []string) (options, error) {
	o := options{only: map[string]bool{}}
	f := flag.NewFlagSet("bench/queue", flag.ContinueOnError)
	f.IntVar(&o.rounds, "rounds", 3, "how often everything is measured, in turn")
	f.DurationVar(&o.window, "window", 800*time.Millisecond, "how long one measurement takes at most; it ends when no item is left")
	only := f.String("only", "", "what to measure, with commas between them; default: all of "+strings.Join(subjects, ", "))
	f.StringVar(&o.postgres, "postgres", "", "URL of a server whose user may make databases; default: start one of our own")
	f.Uint64Var(&o.seed, "seed", 0, "of the order of measurements; 0: a new one, which is printed")
	f.StringVar(&o.out, "out", "bench/out", "folder for queue.json")
	f.BoolVar(&o.short, "short", false, "a few seconds that show whether everything works; the numbers mean nothing")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q; flags begin with -", f.Arg(0))
	}
	if o.short {
		o.rounds, o.window = 1, shortWindow
	}
	if o.rounds < 1 || o.window <= 0 {
		return o, errors.New("-rounds and -window must be positive")
	}
	if o.seed == 0 {
		o.seed = rand.Uint64()
	}
	list := subjects
	if *only != "" {
		list = strings.Split(*only, ",")
	}
	for _, name := range list {
		if !slices.Contains(subjects, name) {
			return o, fmt.Errorf("there is no %q to measure; there are %s", name, strings.Join(subjects, ", "))
		}
		o.only[name] = true
	}
	return o, nil
}
