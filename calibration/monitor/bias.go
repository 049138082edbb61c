package monitor

import (
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// bias compares the probabilities of being right with verdicts. Rows weigh 1/q, where q is the probability with which the row
// was chosen to be judged (Horvitz & Thompson 1952; the means are Hájek's).
type bias struct {
	n                     uint64
	weight, claimed, real float64
	// variance of claimed − real if the probabilities are right: Σ w²p(1−p); largest is the largest weight.
	variance, largest float64
}

// add counts a verdict. p is in [0,1] and q in (0,1].
func (b *bias) add(p float64, correct bool, q float64) {
	w := 1 / q
	b.n++
	b.weight += w
	b.claimed += w * p
	if correct {
		b.real += w
	}
	b.variance += w * w * p * (1 - p)
	b.largest = max(b.largest, w)
}

// value is the mean probability minus the share that was right, in [-1,1]: above 0 the model is too sure of itself.
func (b *bias) value() float64 { return (b.claimed - b.real) / b.weight }

// sparse is the variance, in squares of the largest weight, below which the sum is too skewed to be called normal.
const sparse = 10

// p is the probability of a difference as large when the probabilities are right. Under that hypothesis the variance is known,
// and is not estimated: a hundred right answers in a row at 0.99 have a sample variance of next to nothing, and no bias. Where few
// errors are expected the normal tail is too thin, and Bernstein's inequality, which holds for any sample, takes its place.
func (b *bias) p() float64 {
	off := math.Abs(b.claimed - b.real)
	if off <= 1e-9*b.weight {
		return 1
	}
	normal := 0.0
	if b.variance > 0 {
		normal = 2 * distuv.UnitNormal.Survival(off/math.Sqrt(b.variance))
	}
	if b.variance >= sparse*b.largest*b.largest {
		return normal
	}
	return max(normal, min(1, 2*math.Exp(-off*off/2/(b.variance+b.largest*off/3))))
}
