// Package exact is the arithmetic of the digit models: the few functions that they need, written so that training gives
// the same bits on every architecture.
//
// Two things make floating-point results differ between machines. The compiler may fuse x*y + z into one instruction
// with one rounding (it does on arm64, not on amd64); the language forbids that across an explicit conversion, hence
// float64(x*y) + z everywhere. And math.Exp is assembly of its own on several architectures; [Exp] is not. What is left
// is +, -, *, / and the order of the sums, which IEEE 754 and the loops fix.
package exact

import "math"

// Dot is the sum of a[i]*b[i], from the first to the last. The slices must be of equal length.
func Dot(a, b []float64) float64 {
	b = b[:len(a)]
	var sum float64
	for i, x := range a {
		sum += float64(x * b[i])
	}
	return sum
}

// SquaredDistance is the sum of (a[i]-b[i])², from the first to the last. The slices must be of equal length.
func SquaredDistance(a, b []float64) float64 {
	b = b[:len(a)]
	var sum float64
	for i, x := range a {
		d := x - b[i]
		sum += float64(d * d)
	}
	return sum
}

// Softmax writes e^x[i] / Σ e^x into out, which may be x itself.
func Softmax(x, out []float64) {
	largest := math.Inf(-1)
	for _, v := range x {
		largest = max(largest, v)
	}
	var sum float64
	for i, v := range x {
		out[i] = Exp(v - largest)
		sum += out[i]
	}
	for i := range out {
		out[i] /= sum
	}
}

// Cody and Waite's split of ln 2: the high part has trailing zeros, so that k*ln2High is exact for every exponent k.
const (
	ln2High = 6.93147180369123816490e-01
	ln2Low  = 1.90821492927058770002e-10
)

// expTerms of the Taylor series bring the error within |r| ≤ ln(2)/2 below the rounding of a float64.
const expTerms = 14

// Exp is e^x to within a few units in the last place; 0 below -708, where results would lose precision, and +Inf above
// 709.
func Exp(x float64) float64 {
	switch {
	case math.IsNaN(x):
		return x
	case x < -708:
		return 0
	case x > 709:
		return math.Inf(1)
	}
	k := math.Floor(float64(x*math.Log2E) + 0.5)
	r := (x - float64(k*ln2High)) - float64(k*ln2Low)
	sum := 1.0
	for n := expTerms; n > 0; n-- {
		sum = 1 + float64(r*sum)/float64(n)
	}
	return math.Ldexp(sum, int(k))
}
