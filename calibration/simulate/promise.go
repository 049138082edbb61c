package simulate

import (
	"context"
	"errors"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// Suite is how often, and with what numbers, the promise is put to the test.
type Suite struct {
	// Streams of each case, and Rows of each stream.
	Streams, Rows int
	// Alpha and Delta of the promise.
	Alpha, Delta float64
	Seed         uint64
	// Progress, when not nil, is told how many streams are done; from several goroutines.
	Progress func(done, all int)
}

// Case is a row of a table: a way to run the promise, and what came of it.
type Case struct {
	Name string `json:"name"`
	// Mutant is the mistake that stands in for the product's rule; empty: none.
	Mutant Mutant  `json:"mutant,omitempty"`
	Audit  float64 `json:"audit"`
	// Streams played; in Unsafe of them a threshold was licensed that breaks the promise. Low to High is what that says about
	// the probability, at 95 %.
	Streams int     `json:"streams"`
	Unsafe  int     `json:"unsafe"`
	Low     float64 `json:"low"`
	High    float64 `json:"high"`
	// Coverage after each checkpoint, on average over the streams, and the Oracle's.
	Coverage []float64 `json:"coverage"`
	Oracle   float64   `json:"oracle"`
	// Reviewed rows of a stream, on average.
	Reviewed float64 `json:"reviewed"`
	config   Config
}

// Table is the outcome of a suite.
type Table struct {
	Suite       Suite  `json:"-"`
	Checkpoints []int  `json:"checkpoints"`
	Cases       []Case `json:"cases"`
}

// Kept says that a case doesn't contradict the promise: the probability of an unsafe stream may be delta or less.
func (t *Table) Kept(c Case) bool { return c.Low <= t.Suite.Delta }

// Caught says that a case contradicts it.
func (t *Table) Caught(c Case) bool { return !t.Kept(c) }

// audits are the rates of the suite.
var audits = [...]float64{.05, .1, .2}

// batch is the rows of a call in cases of calls that share a fate.
const batch = 8

// delays of cases in which verdicts take their time: the mean for a right answer, a quarter of a day's rows.
const delay = 6 * time.Hour

// Promise plays the product's rule in every case: each audit rate, with verdicts at once, with wrong answers that take 3 and 10
// times longer to judge, with rows that share a fate, with a fallback in place of people, with some rows held and looked at for
// certain, with rows that expire, and, hardest, where every level's risk is a hair above alpha.
func Promise(ctx context.Context, s Suite) (*Table, error) {
	worlds := []Case{
		{Name: "plain"},
		{Name: "wrong 3x slower", config: Config{Team: Team{Delay: delay, Slower: 3}}},
		{Name: "wrong 10x slower", config: Config{Team: Team{Delay: delay, Slower: 10}}},
		{Name: "calls of 8, one fate", config: Config{World: World{Batch: batch}}},
		{Name: "fallback", config: Config{Policy: Policy{Fallback: true}}},
		{Name: "observe, held rows", config: held},
		{Name: "wrong ones expire", config: expiring},
		{Name: "risk just above alpha", config: s.edge()},
	}
	var cases []Case
	for _, w := range worlds {
		for _, audit := range audits {
			c := w
			c.Audit = audit
			cases = append(cases, c)
		}
	}
	return s.play(ctx, cases)
}

// Worlds that expose a mistake.
var (
	// held: people look at all that is very certain, which are the rows that go well.
	held = Config{World: World{Held: .98}, Policy: Policy{Fallback: true}}
	// expiring: most of the wrong answers' verdicts come too late.
	expiring = Config{Team: Team{Delay: delay, Slower: 10, Deadline: 24 * time.Hour}}
)

// edge is a world in which no threshold keeps alpha, by a hair.
func (s *Suite) edge() Config { return Config{World: World{Level: s.Alpha * 1.0001}} }

// Mutants plays every known mistake in a world that exposes it, after the product's rule in the same world.
func Mutants(ctx context.Context, s Suite) (*Table, error) {
	// One level, so that every row is evidence for it: the most that a certificate can be tempted.
	tiers := s.edge()
	tiers.Policy.Certificates, tiers.Policy.Grid = 12, &candorv1.ThresholdGrid{Levels: []float64{.5}}
	hopeless := Config{World: World{Flip: .1}}
	late := Config{Team: Team{Delay: delay, Slower: 10}}
	var cases []Case
	for _, w := range []struct {
		name    string
		mutants []Mutant
		config  Config
	}{
		{"plain", []Mutant{BestEmpirical}, Config{}},
		{"observe, held rows", []Mutant{Unweighted, OwnPropensity}, held},
		{"a tenth flipped", []Mutant{FailOpen}, hopeless},
		{"12 certificates at the edge", []Mutant{WholeDelta}, tiers},
		{"wrong ones expire", []Mutant{SilentDrops}, expiring},
		{"wrong 10x slower", []Mutant{ArrivalOrder}, late},
		{"calls of 8, one fate", []Mutant{RowsAsIfAlone}, Config{World: World{Batch: batch}}},
	} {
		for _, m := range append([]Mutant{None}, w.mutants...) {
			cases = append(cases, Case{Name: w.name, Mutant: m, Audit: .1, config: w.config})
		}
	}
	return s.play(ctx, cases)
}

// play fills in what came of the cases.
func (s Suite) play(ctx context.Context, cases []Case) (*Table, error) {
	if s.Streams < 1 || s.Streams > 1_000_000 {
		return nil, errors.New("streams is 1 to 1000000")
	}
	t := &Table{Suite: s, Cases: cases}
	for _, n := range []int{1000, 2000, 5000, 10000, 20000, 50000, 100000} {
		if n <= s.Rows {
			t.Checkpoints = append(t.Checkpoints, n)
		}
	}
	results := make([]Result, len(cases)*s.Streams)
	err := many(ctx, len(results), s.Progress, func(p *player, i int) error {
		c := &cases[i/s.Streams]
		cfg := c.config
		cfg.Rows, cfg.Mutant, cfg.Checkpoints = s.Rows, c.Mutant, t.Checkpoints
		cfg.Policy.Enforce = cfg.World.Held == 0
		cfg.Policy.Alpha, cfg.Policy.Delta, cfg.Policy.Audit = s.Alpha, s.Delta, c.Audit
		// The same streams for every case: seeds differ by the stream alone.
		cfg.Seed = s.Seed + uint64(i%s.Streams)
		r, err := p.run(cfg)
		if err == nil {
			results[i] = Result{Unsafe: r.Unsafe, Coverage: r.Coverage, Oracle: r.Oracle, Totals: r.Totals}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	for i := range cases {
		cases[i].sum(results[i*s.Streams:(i+1)*s.Streams], len(t.Checkpoints))
	}
	return t, nil
}

// sum adds up a case's streams.
func (c *Case) sum(results []Result, checkpoints int) {
	c.Streams, c.Coverage, c.Oracle = len(results), make([]float64, checkpoints), results[0].Oracle
	n := float64(len(results))
	for _, r := range results {
		if r.Unsafe {
			c.Unsafe++
		}
		for i, v := range r.Coverage {
			c.Coverage[i] += v / n
		}
		c.Reviewed += float64(r.Totals.Reviewed) / n
	}
	c.Low, c.High = Interval(c.Unsafe, c.Streams)
}
