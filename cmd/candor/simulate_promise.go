package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/candor-gateway/candor/calibration/simulate"
	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
)

func simulatePromiseCommand() *cobra.Command {
	s := simulate.Suite{}
	var mutants, asJSON bool
	c := &cobra.Command{
		Use:   "promise",
		Short: "In how many of many streams is the promise broken?",
		Long: `Play many seeded streams of a world whose risks are known, and count those in which at any
time a threshold was in force whose risk is above alpha. The promise is that this happens
with probability delta at most. UNSAFE has the count, 95 % the interval of the probability
(Clopper and Pearson); then the share of rows accepted after so many rows, on average, and
the most that anybody could accept who knows the world.

--mutants plays certificates with a known mistake in place of Candor's: the test must find
each, in a world where Candor's keeps the promise.

Exit status 1: a case contradicts the promise, or a mistake wasn't found.`,
		Example: `  candor simulate promise
  candor simulate promise --streams 200 --rows 10000
  candor simulate promise --mutants`,
		Args: cli.Args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			play := simulate.Promise
			if mutants {
				play = simulate.Mutants
			}
			done := progress(cmd.ErrOrStderr(), &s.Progress)
			table, err := play(cmd.Context(), s)
			done()
			if err != nil {
				return cli.Usage("candor simulate promise --help lists the flags", "%v", err)
			}
			if asJSON {
				err = cli.Value(cmd.OutOrStdout(), table)
			} else {
				err = cli.Table(cmd.OutOrStdout(), promiseTable(table, mutants))
			}
			if err != nil {
				return err
			}
			for _, c := range table.Cases {
				if (c.Mutant == simulate.None) != table.Kept(c) {
					return cli.Told(cli.StatusFailed)
				}
			}
			return nil
		},
	}
	fl := c.Flags()
	fl.IntVar(&s.Streams, "streams", 1000, "streams of each case")
	fl.IntVar(&s.Rows, "rows", simulatedRows, "rows of each stream")
	fl.Float64Var(&s.Alpha, "alpha", simulatedAlpha, "promised error rate of what is accepted")
	fl.Float64Var(&s.Delta, "delta", simulatedDelta, "probability with which the promise may fail")
	fl.Uint64Var(&s.Seed, "seed", 1, "seed of the first stream")
	fl.BoolVar(&mutants, "mutants", false, "play known mistakes")
	fl.BoolVar(&asJSON, "json", false, "write JSON")
	return c
}

func promiseTable(t *simulate.Table, mutants bool) [][]string {
	head := []string{"WORLD"}
	if mutants {
		head = append(head, "RULE")
	}
	head = append(head, "AUDIT", "UNSAFE", "SHARE", "95 %", "PROMISE")
	for _, n := range t.Checkpoints {
		head = append(head, "AT "+strconv.Itoa(n))
	}
	table := [][]string{append(head, "BEST", "REVIEWED")}
	for _, c := range t.Cases {
		row := []string{c.Name}
		says := "kept"
		if mutants {
			rule := string(c.Mutant)
			if c.Mutant == simulate.None {
				rule = "Candor's"
			}
			row = append(row, rule)
		}
		if t.Caught(c) {
			says = "broken"
		}
		row = append(row, percent(c.Audit), fmt.Sprintf("%d/%d", c.Unsafe, c.Streams), share(c.Unsafe, c.Streams),
			percent(c.Low)+" to "+percent(c.High), says)
		for _, v := range c.Coverage {
			row = append(row, percent(v))
		}
		table = append(table, append(row, percent(c.Oracle), strconv.FormatFloat(c.Reviewed, 'f', 0, 64)))
	}
	return table
}

// progress draws a bar on a terminal; what it answers removes it.
func progress(w io.Writer, told *func(done, all int)) (done func()) {
	if !cli.IsTerminal(w) {
		return func() {}
	}
	const width = 40
	var mu sync.Mutex
	last := -1
	*told = func(done, all int) {
		mu.Lock()
		defer mu.Unlock()
		if now := done * width / all; now > last {
			last = now
			_, _ = fmt.Fprintf(w, "\r[%s%s] %d %%", strings.Repeat("#", now), strings.Repeat(".", width-now), done*100/all)
		}
	}
	return func() { _, _ = fmt.Fprint(w, "\r"+strings.Repeat(" ", width+10)+"\r") }
}
