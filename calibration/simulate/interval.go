package simulate

import "gonum.org/v1/gonum/mathext"

// confidenceLevel of the intervals in tables.
const confidenceLevel = 0.95

// Interval is the exact two-sided confidence interval of a share of which k of n were seen (Clopper and Pearson 1934), at 95 %.
func Interval(k, n int) (low, high float64) {
	const tail = (1 - confidenceLevel) / 2
	low, high = 0, 1
	if k > 0 {
		low = mathext.InvRegIncBeta(float64(k), float64(n-k+1), tail)
	}
	if k < n {
		high = mathext.InvRegIncBeta(float64(k+1), float64(n-k), 1-tail)
	}
	return low, high
}
