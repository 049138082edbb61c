package monitor

import (
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// expected sums the probabilities with which answers are right by their own account.
type expected struct {
	n         uint64
	sum, sum2 float64
}

func (e *expected) add(p float64) {
	e.n++
	e.sum += p
	e.sum2 += p * p
}

// mean is the accuracy to expect, in [0,1].
func (e *expected) mean() float64 { return e.sum / float64(e.n) }

// margin is half the width of the interval in which 95 % of the accuracies of as many rows lie if the probabilities are right:
// the count of right answers is Poisson-binomial, with variance Σ p(1−p).
func (e *expected) margin() float64 {
	const z95 = 1.959963984540054
	return z95 * math.Sqrt(max(e.sum-e.sum2, 0)) / float64(e.n)
}

// variance of the mean, over samples of rows.
func (e *expected) variance() float64 {
	n := float64(e.n)
	return max(e.sum2-e.sum*e.sum/n, 0) / (n - 1) / n
}

// fell is the p-value of "the expected accuracy of b is not below that of a" (one-sided z-test of two means). Both have two rows
// or more.
func fell(a, b *expected) float64 {
	drop, se := a.mean()-b.mean(), math.Sqrt(a.variance()+b.variance())
	// Sums of equal numbers differ in their last digits.
	const rounding = 1e-12
	switch {
	case drop <= rounding:
		return max(0.5, distuv.UnitNormal.CDF(-drop/max(se, rounding)))
	case se < rounding:
		return 0
	}
	return distuv.UnitNormal.Survival(drop / se)
}
