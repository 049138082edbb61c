package measure

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"time"

	"github.com/candor-gateway/candor/bench/targets"
)

// Config of the rounds.
type Config struct {
	Rounds         int
	Warmup, Window time.Duration
	// Seed of the order.
	Seed uint64
	// Progress, when not nil, gets every sample as it is made.
	Progress func(Sample)
}

// Rounds measures every target in every regime once a round, all targets running, one at a time under load. In each round
// the order is another, so that whatever else the machine does hits all alike; compare within a round. The error is about the
// benchmark itself; a cell that could not be measured is a sample with its error and no requests.
func Rounds(ctx context.Context, c Config, set *targets.Set, regimes []Regime) ([]Sample, error) {
	type pair struct {
		t *targets.Target
		r Regime
	}
	var cells []pair
	for _, t := range set.Targets {
		for _, r := range regimes {
			cells = append(cells, pair{t, r})
		}
	}
	rng := rand.New(rand.NewPCG(c.Seed, 0))
	var samples []Sample
	for round := range c.Rounds {
		rng.Shuffle(len(cells), func(i, j int) { cells[i], cells[j] = cells[j], cells[i] })
		for _, cell := range cells {
			runtime.GC() // of the load generator, where it harms nobody
			s, err := c.cell(ctx, set, cell.t, cell.r)
			if ctx.Err() != nil {
				return samples, fmt.Errorf("stopped in round %d: %w", round+1, context.Cause(ctx))
			}
			s.Round = round
			if err != nil {
				s.Failed, s.Error = s.Failed+1, err.Error()
			}
			samples = append(samples, s)
			if c.Progress != nil {
				c.Progress(s)
			}
		}
	}
	return samples, nil
}
