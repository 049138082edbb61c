package calibration

import (
	"errors"
	"math"

	"gonum.org/v1/gonum/mat"
)

// Bounds of Newton's method. It needs about 10 steps where the optimum is finite; where scores separate the classes it walks
// off for ever.
const (
	newtonSteps   = 200
	newtonGain    = 1e-14
	separatedNorm = 1e6
)

var errSeparated = errors.New("the scores separate the right rows from the wrong ones, so that no curve is the best; use more rows, or method platt or isotonic")

// fitLogistic answers the w with the least cross entropy between targets in [0,1] and σ(w·x), by Newton's method with step
// halving (Lin, Lin & Weng 2007). The last feature is the constant.
func fitLogistic(x [][]float64, targets []float64) ([]float64, error) {
	k := len(x[0])
	w := make([]float64, k)
	loss := logisticLoss(x, targets, w)
	gradient := make([]float64, k)
	for range newtonSteps {
		hessian := mat.NewSymDense(k, nil)
		clear(gradient)
		for i, row := range x {
			p := sigmoid(dot(w, row))
			for a, v := range row {
				gradient[a] += (p - targets[i]) * v
				for b := a; b < k; b++ {
					hessian.SetSym(a, b, hessian.At(a, b)+p*(1-p)*v*row[b])
				}
			}
		}
		// A hair of ridge keeps columns that are almost the same solvable, and leaves the optimum where it is.
		for a := range k {
			hessian.SetSym(a, a, hessian.At(a, a)*(1+1e-12)+1e-12)
		}
		var chol mat.Cholesky
		if !chol.Factorize(hessian) {
			return nil, errSeparated
		}
		var step mat.VecDense
		if err := chol.SolveVecTo(&step, mat.NewVecDense(k, gradient)); err != nil && !errors.As(err, new(mat.Condition)) {
			return nil, errSeparated
		}
		decrement := dot(gradient, step.RawVector().Data)
		next, scale := make([]float64, k), 1.0
		nextLoss := math.Inf(1)
		for ; scale > 1e-10; scale /= 2 {
			for a := range w {
				next[a] = w[a] - scale*step.AtVec(a)
			}
			nextLoss = logisticLoss(x, targets, next)
			if nextLoss <= loss-1e-4*scale*decrement {
				break
			}
		}
		gain := loss - nextLoss
		if !(gain > 0) {
			return w, nil // Rounding alone is left.
		}
		w, loss = next, nextLoss
		if norm(w) > separatedNorm {
			return nil, errSeparated
		}
		if decrement < newtonGain*(1+loss) {
			return w, nil
		}
	}
	return nil, errSeparated
}

// logisticLoss is the sum of cross entropies.
func logisticLoss(x [][]float64, targets, w []float64) float64 {
	sum := 0.0
	for i, row := range x {
		f := dot(w, row)
		sum += softplus(f) - targets[i]*f
	}
	return sum
}

func dot(a, b []float64) float64 {
	sum := 0.0
	for i := range a {
		sum += a[i] * b[i]
	}
	return sum
}

func norm(w []float64) float64 {
	most := 0.0
	for _, v := range w {
		if math.IsNaN(v) {
			return math.Inf(1)
		}
		most = math.Max(most, math.Abs(v))
	}
	return most
}
