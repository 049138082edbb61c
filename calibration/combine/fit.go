package combine

import (
	"errors"
	"fmt"
	"math"

	"gonum.org/v1/gonum/optimize"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// Example is one held-out row: what each member said, and the index of the label that is true.
type Example struct {
	Members [][]float64
	Label   int
}

// DefaultL2 is the strength of the penalty on stacking coefficients when nobody says otherwise: 1, as scikit-learn's C = 1.
const DefaultL2 = 1

// Params is what [Fit] makes: one of the two is set.
type Params struct {
	Weights  *candorv1.EnsembleWeights
	Stacking *candorv1.Stacking
}

// Fit fits what a combiner wants on held-out rows, by maximum likelihood: the weights of weighted_mean or log_pool on the simplex,
// or the multinomial logistic model of stacking, with the penalty l2/2·Σ coefficient² (intercepts are free). weighted_vote gets
// weighted_mean's weights. The rows must not be those that the members were trained on: on these the most overfitted member looks
// best.
//
// Errors: no rows, rows of unequal size, numbers that are no probabilities, a combiner that has nothing to fit.
func Fit(combiner candorv1.Combiner, rows []Example, l2 float64) (Params, error) {
	if err := check(rows); err != nil {
		return Params{}, err
	}
	switch combiner {
	case candorv1.Combiner_COMBINER_WEIGHTED_MEAN, candorv1.Combiner_COMBINER_WEIGHTED_VOTE:
		w, err := onSimplex(len(rows[0].Members), func(w, gradient []float64) float64 { return meanLoss(rows, w, gradient) })
		return Params{Weights: w}, err
	case candorv1.Combiner_COMBINER_LOG_POOL:
		logs := logarithms(rows)
		w, err := onSimplex(len(rows[0].Members), func(w, gradient []float64) float64 { return logPoolLoss(logs, w, gradient) })
		return Params{Weights: w}, err
	case candorv1.Combiner_COMBINER_STACKING:
		if !(l2 >= 0) || math.IsInf(l2, 0) {
			return Params{}, fmt.Errorf("l2: is %v; write a number of at least 0", l2)
		}
		s, err := fitStacking(rows, l2)
		return Params{Stacking: s}, err
	}
	return Params{}, fmt.Errorf("combiner: %v has nothing to fit; write weighted_mean, log_pool, weighted_vote or stacking", combiner)
}

// sumTolerance is how far a row's probabilities may be from 1: as far as a model's card lets them by default.
const sumTolerance = 1e-3

func check(rows []Example) error {
	if len(rows) == 0 {
		return errors.New("there are no rows; give some that no member was trained on")
	}
	members := len(rows[0].Members)
	if members == 0 || len(rows[0].Members[0]) < 2 {
		return errors.New("row 1: wants at least one member and two labels")
	}
	labels := len(rows[0].Members[0])
	for i, r := range rows {
		if len(r.Members) != members {
			return fmt.Errorf("row %d: has %d members, the first row has %d", i+1, len(r.Members), members)
		}
		if r.Label < 0 || r.Label >= labels {
			return fmt.Errorf("row %d: label %d is none of %d", i+1, r.Label, labels)
		}
		for m, p := range r.Members {
			sum := 0.0
			for _, v := range p {
				if !(v >= 0 && v <= 1+sumTolerance) {
					return fmt.Errorf("row %d, member %d: %v is no probability", i+1, m+1, v)
				}
				sum += v
			}
			if len(p) != labels || math.Abs(sum-1) > sumTolerance {
				return fmt.Errorf("row %d, member %d: %d probabilities that sum to %v, want %d that sum to 1", i+1, m+1, len(p), sum, labels)
			}
		}
	}
	return nil
}

// onSimplex minimises a convex loss over weights w ≥ 0, Σ w = 1. loss fills the gradient by w. The search is over θ with
// w = softmax(θ): where its gradient is 0 inside, all partial derivatives by w are equal, which is the optimum on the simplex.
func onSimplex(members int, loss func(w, gradient []float64) float64) (*candorv1.EnsembleWeights, error) {
	if members == 1 {
		return &candorv1.EnsembleWeights{Weights: []float64{1}}, nil
	}
	byWeight := make([]float64, members)
	at := func(theta []float64) ([]float64, float64) {
		w := softmax(append([]float64(nil), theta...))
		return w, loss(w, byWeight)
	}
	theta, err := minimise(make([]float64, members), func(theta []float64) float64 {
		_, v := at(theta)
		return v
	}, func(gradient, theta []float64) {
		w, _ := at(theta)
		mean := 0.0
		for m := range w {
			mean += w[m] * byWeight[m]
		}
		for m := range w {
			gradient[m] = w[m] * (byWeight[m] - mean)
		}
	})
	if err != nil {
		return nil, err
	}
	return &candorv1.EnsembleWeights{Weights: softmax(theta)}, nil
}

// meanLoss is the mean of -ln Σ w·p of the true label.
func meanLoss(rows []Example, w, gradient []float64) float64 {
	clear(gradient)
	loss, n := 0.0, float64(len(rows))
	for _, r := range rows {
		p := 0.0
		for m := range w {
			p += w[m] * math.Max(r.Members[m][r.Label], LeastProbability)
		}
		loss -= math.Log(p) / n
		for m := range w {
			gradient[m] -= math.Max(r.Members[m][r.Label], LeastProbability) / p / n
		}
	}
	return loss
}

// logarithms are the rows with ln p for p.
func logarithms(rows []Example) []Example {
	out := make([]Example, len(rows))
	for i, r := range rows {
		out[i].Label = r.Label
		for _, p := range r.Members {
			logs := make([]float64, len(p))
			for k, v := range p {
				logs[k] = logOf(v)
			}
			out[i].Members = append(out[i].Members, logs)
		}
	}
	return out
}

// logPoolLoss is the mean of -Σ w·ln p of the true label + ln Z(w), which is convex in w.
func logPoolLoss(rows []Example, w, gradient []float64) float64 {
	clear(gradient)
	loss, n := 0.0, float64(len(rows))
	z := make([]float64, len(rows[0].Members[0]))
	for _, r := range rows {
		clear(z)
		for m, logs := range r.Members {
			for k, v := range logs {
				z[k] += w[m] * v
			}
		}
		softmax(z)
		loss -= math.Log(math.Max(z[r.Label], math.SmallestNonzeroFloat64)) / n
		for m, logs := range r.Members {
			expected := 0.0
			for k, v := range logs {
				expected += z[k] * v
			}
			gradient[m] += (expected - logs[r.Label]) / n
		}
	}
	return loss
}

// minimise runs L-BFGS to where it can't do better.
func minimise(start []float64, value func([]float64) float64, gradient func(g, x []float64)) ([]float64, error) {
	const (
		small      = 1e-9  // gradient of a mean loss: far below what a held-out set can tell
		steps      = 5_000 // a convex problem of this size takes some hundred
		nothingNew = 100
	)
	result, err := optimize.Minimize(optimize.Problem{Func: value, Grad: gradient}, start, &optimize.Settings{
		GradientThreshold: small, MajorIterations: steps,
		Converger: &optimize.FunctionConverge{Absolute: 1e-13, Iterations: nothingNew},
	}, &optimize.LBFGS{})
	if result == nil || len(result.X) == 0 {
		return nil, fmt.Errorf("the fit did not start: %w", err)
	}
	// A line search that finds no better point near the optimum is an end, not a failure; the gradient tells which it was.
	g := make([]float64, len(result.X))
	gradient(g, result.X)
	largest := 0.0
	for i := range g {
		largest = math.Max(largest, math.Abs(g[i]))
	}
	if !(largest <= 1e-5) {
		return nil, fmt.Errorf("the fit did not converge (gradient %.3g): give more rows, or more l2", largest)
	}
	return result.X, nil
}
