package measure

import (
	"context"
	"fmt"
	"regexp"

	"github.com/candor-gateway/candor/bench/targets"
)

var decisions = regexp.MustCompile(`^candor_decisions_total\{applied="([A-Z_]+)",.*\broute="([A-Z_]+)"`)

// Routes are how many rows each Candor has decided how, over the whole run, by target: the proof that a policy did what the
// target's description says. A route that was decided and not applied, as in mode observe, is named with both.
func Routes(ctx context.Context, set *targets.Set) (map[string]map[string]uint64, error) {
	out := map[string]map[string]uint64{}
	for _, t := range set.Targets {
		if !t.Rewrites {
			continue
		}
		all, err := Scrape(ctx, t.Metrics)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", t.Name, err)
		}
		out[t.Name] = routes(all)
	}
	return out, nil
}

func routes(metrics map[string]float64) map[string]uint64 {
	sums := map[string]uint64{}
	for name, v := range metrics {
		if m := decisions.FindStringSubmatch(name); m != nil {
			route := m[2]
			if m[1] != route {
				route += " applied as " + m[1]
			}
			sums[route] += uint64(v)
		}
	}
	return sums
}
