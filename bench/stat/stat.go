// Package stat has the statistics of the benchmark: medians, their bootstrap intervals, quantiles.
package stat

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// Median of values, which are not changed; NaN of none.
func Median(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	v := slices.Clone(values)
	slices.Sort(v)
	return sortedMedian(v)
}

func sortedMedian(v []float64) float64 {
	n := len(v)
	if n%2 == 1 {
		return v[n/2]
	}
	return (v[n/2-1] + v[n/2]) / 2
}

// Interval is a median with the bounds that a bootstrap puts around it.
type Interval struct {
	Median float64 `json:"median"`
	Low    float64 `json:"low"`
	High   float64 `json:"high"`
}

// Bootstrap: how often, and which part of the medians lies within the interval (Efron's percentile method).
const (
	resamples = 10_000
	level     = 0.95
)

// Bootstrap is the median of values with its 95 % interval: the middle 95 % of the medians of samples drawn from values with
// replacement. Of few values it is as wide as they are: with five it reaches from the least to the greatest or nearly so. The
// same values and seed give the same interval; no values NaN.
func Bootstrap(values []float64, seed uint64) Interval {
	if len(values) == 0 {
		return Interval{math.NaN(), math.NaN(), math.NaN()}
	}
	rng := rand.New(rand.NewPCG(seed, uint64(len(values))))
	medians := make([]float64, resamples)
	draw := make([]float64, len(values))
	for i := range medians {
		for j := range draw {
			draw[j] = values[rng.IntN(len(values))]
		}
		slices.Sort(draw)
		medians[i] = sortedMedian(draw)
	}
	slices.Sort(medians)
	return Interval{Median: Median(values), Low: quantile(medians, (1-level)/2), High: quantile(medians, (1+level)/2)}
}

// Quantiles of latencies by the nearest rank, exact; zeros of none. It sorts the latencies.
func Quantiles(latencies []time.Duration, qs ...float64) []time.Duration {
	slices.Sort(latencies)
	out := make([]time.Duration, len(qs))
	for i, q := range qs {
		if len(latencies) > 0 {
			out[i] = quantile(latencies, q)
		}
	}
	return out
}

// quantile by the nearest rank of what is sorted and not empty.
func quantile[T any](sorted []T, q float64) T {
	rank := int(math.Ceil(q * float64(len(sorted))))
	return sorted[min(max(rank, 1), len(sorted))-1]
}
