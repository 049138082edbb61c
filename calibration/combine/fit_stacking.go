package combine

import (
	"math"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// fitStacking minimises Σ -ln p(true label) + l2/2·Σ coefficient², divided by the number of rows: convex, and with l2 above 0 it has
// one optimum, up to a constant that all intercepts share. They are made to sum to 0.
func fitStacking(rows []Example, l2 float64) (*candorv1.Stacking, error) {
	rows = logarithms(rows)
	labels := len(rows[0].Members[0])
	features := len(rows[0].Members) * labels
	x := make([][]float64, len(rows))
	for i, r := range rows {
		for _, logs := range r.Members {
			x[i] = append(x[i], logs...)
		}
	}
	n := float64(len(rows))
	z := make([]float64, labels)
	// The parameters are the coefficients, row-major, then the intercepts.
	logits := func(at []float64, x []float64) {
		for k := range z {
			z[k] = at[labels*features+k]
			for j, v := range x {
				z[k] += at[k*features+j] * v
			}
		}
	}
	value := func(at []float64) float64 {
		loss := 0.0
		for _, c := range at[:labels*features] {
			loss += l2 / 2 * c * c
		}
		for i, r := range rows {
			logits(at, x[i])
			loss += logSum(z) - z[r.Label]
		}
		return loss / n
	}
	gradient := func(g, at []float64) {
		clear(g)
		for i, c := range at[:labels*features] {
			g[i] = l2 * c / n
		}
		for i, r := range rows {
			logits(at, x[i])
			softmax(z)
			for k := range z {
				d := z[k] / n
				if k == r.Label {
					d -= 1 / n
				}
				g[labels*features+k] += d
				for j, v := range x[i] {
					g[k*features+j] += d * v
				}
			}
		}
	}
	at, err := minimise(make([]float64, labels*features+labels), value, gradient)
	if err != nil {
		return nil, err
	}
	s := &candorv1.Stacking{Coefficients: at[:labels*features], Intercepts: at[labels*features:]}
	mean := 0.0
	for _, b := range s.Intercepts {
		mean += b / float64(labels)
	}
	for k := range s.Intercepts {
		s.Intercepts[k] -= mean
	}
	return s, nil
}

// logSum is ln Σ exp(z), without overflow.
func logSum(z []float64) float64 {
	largest := math.Inf(-1)
	for _, v := range z {
		largest = math.Max(largest, v)
	}
	sum := 0.0
	for _, v := range z {
		sum += math.Exp(v - largest)
	}
	return largest + math.Log(sum)
}
