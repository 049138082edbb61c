package calibration

import (
	"math"

	"gonum.org/v1/gonum/mathext"
)

// BinomialTail is P(Bin(n, p) <= k), exactly, by the regularized incomplete beta function. n counts rows and k errors among them;
// p is in [0,1].
func BinomialTail(k, n uint64, p float64) float64 {
	switch {
	case math.IsNaN(p) || k >= n || p <= 0:
		return 1
	case p >= 1:
		return 0
	}
	return mathext.RegIncBeta(float64(n-k), float64(k)+1, 1-p)
}

// UpperBound is the Clopper-Pearson upper bound of a rate of which k of n were seen: it is below the true rate with probability at
// most delta. Without rows it is 1.
func UpperBound(k, n uint64, delta float64) float64 {
	if k >= n || !(delta > 0 && delta < 1) {
		return 1
	}
	if k == 0 {
		// Closed form, and the one that is asked for most.
		return -math.Expm1(math.Log(delta) / float64(n))
	}
	return mathext.InvRegIncBeta(float64(k)+1, float64(n-k), 1-delta)
}

// LowerBound is the Clopper-Pearson lower bound: it is above the true rate with probability at most delta.
func LowerBound(k, n uint64, delta float64) float64 {
	if k == 0 || n == 0 || !(delta > 0 && delta < 1) {
		return 0
	}
	return 1 - UpperBound(n-min(k, n), n, delta)
}

// RowsWithoutError is the least n with (1-alpha)^n <= delta: so many rows without an error are needed before an error rate above
// alpha can be ruled out. 0: alpha or delta is outside of (0,1).
func RowsWithoutError(alpha, delta float64) uint64 {
	if !(alpha > 0 && alpha < 1 && delta > 0 && delta < 1) {
		return 0
	}
	exact := math.Log(delta) / math.Log1p(-alpha)
	if exact > 1<<53 {
		return 1 << 53
	}
	n := math.Ceil(exact)
	// The quotient of two rounded logarithms can lie on either side of a whole number.
	if n > 1 && (n-1)*math.Log1p(-alpha) <= math.Log(delta) {
		n--
	}
	return uint64(max(1, n))
}
