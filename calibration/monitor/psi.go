package monitor

import (
	"math"
	"slices"
)

// psiBins of equal mass in the reference; fewer when many of its values are the same.
const psiBins = 10

// halfRow stands for the count of an empty bin, whose logarithm would be infinite.
const halfRow = 0.5

// deciles are the buckets that end the bins of equal mass of a reference. A bucket that fills more than one bin by itself gets
// a bin of its own, so that a move to either side of it is seen.
func deciles(reference *sketch) []int {
	var ends []int
	for i := 1; i < psiBins; i++ {
		end := reference.bucketAt(float64(reference.n) * float64(i) / psiBins)
		if n := len(ends); n > 0 && ends[n-1] == end {
			end--
		}
		ends = append(ends, end)
	}
	slices.Sort(ends)
	return slices.Compact(ends)
}

// binned counts a sketch by bins that end with these buckets; there is one bin more than ends.
func binned(s *sketch, ends []int) []uint32 {
	counts, bin := make([]uint32, len(ends)+1), 0
	for i, c := range s.counts {
		for bin < len(ends) && i > ends[bin] {
			bin++
		}
		counts[bin] += c
	}
	return counts
}

// psi is the population stability index, Σ (b−a)·ln(b/a) over the shares a and b of bins in two samples, which is the symmetric
// divergence of Jeffreys (1946), at least 0. Bins that are empty in both are left out.
//
// p is the probability of bins that differ as much when nothing changed. psi / (1/n + 1/m) is then about χ² with one degree of
// freedom less than there are bins (Yurdakul, Statistical Properties of Population Stability Index, 2018), as Pearson's statistic
// is; p is that of Pearson's, because the logarithm's tail is heavier where bins are small.
func psi(a, b []uint32) (value, p float64) {
	bins, total := pairs(a, b)
	if total.a == 0 || total.b == 0 {
		return 0, 1
	}
	for _, bin := range bins {
		shareA, shareB := max(bin.a, halfRow)/total.a, max(bin.b, halfRow)/total.b
		value += (shareB - shareA) * math.Log(shareB/shareA)
	}
	_, _, p = pearson(bins, total)
	return value, p
}
