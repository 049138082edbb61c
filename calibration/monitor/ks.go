package monitor

import "math"

// ks is the two-sample Kolmogorov-Smirnov distance in [0,1], and its p-value.
//
// It looks at the two distribution functions at the ends of buckets only. That can make the distance smaller, by at most what one
// bucket holds, and never larger: the p-value is never too small for it.
func ks(a, b *sketch) (distance, p float64) {
	if a.n == 0 || b.n == 0 {
		return 0, 1
	}
	var sumA, sumB uint64
	n, m := float64(a.n), float64(b.n)
	for i := range a.counts {
		sumA, sumB = sumA+uint64(a.counts[i]), sumB+uint64(b.counts[i])
		distance = max(distance, math.Abs(float64(sumA)/n-float64(sumB)/m))
	}
	return distance, kolmogorov(math.Sqrt(n*m/(n+m)) * distance)
}

const (
	// theta is where the two series for the same function are about equally short.
	theta = 1.18
	// terms are enough for either on its side: the first that is left out is below 1e-30.
	terms = 5
)

// kolmogorov is P(K > x) for the limit of √(nm/(n+m))·D when both samples are of one continuous distribution (Kolmogorov 1933).
// Both series are in Marsaglia, Tsang & Wang, Evaluating Kolmogorov's Distribution, J. Stat. Softw. 8 (2003).
func kolmogorov(x float64) float64 {
	switch {
	case x <= 0:
		return 1
	case x < theta:
		below := 0.0
		for k := 1; k <= terms; k++ {
			odd := float64(2*k - 1)
			below += math.Exp(-odd * odd * math.Pi * math.Pi / (8 * x * x))
		}
		return 1 - math.Sqrt(2*math.Pi)/x*below
	}
	above, sign := 0.0, 1.0
	for k := 1; k <= terms; k++ {
		above += sign * math.Exp(-2*float64(k*k)*x*x)
		sign = -sign
	}
	return min(2*above, 1)
}
