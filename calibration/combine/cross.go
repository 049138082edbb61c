package combine

import (
	"fmt"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// Folds are how many parts CrossValidate makes of the rows.
const Folds = 5

// CrossValidate is what a fitted combiner is worth on rows that it was not fitted on: each of five parts of the rows (every fifth
// row) is scored by a fit on the other four. Scores of a fit on its own rows flatter it. Errors as of [Fit], and fewer than five rows.
func CrossValidate(combiner candorv1.Combiner, rows []Example, l2 float64) (Scores, error) {
	if len(rows) < Folds {
		return Scores{}, fmt.Errorf("%d rows can't be cut into %d parts; give more", len(rows), Folds)
	}
	var sum Scores
	for part := range Folds {
		var fit, score []Example
		for i, r := range rows {
			if i%Folds == part {
				score = append(score, r)
			} else {
				fit = append(fit, r)
			}
		}
		p, err := Fit(combiner, fit, l2)
		if err != nil {
			return Scores{}, err
		}
		s := Evaluate(score, p.Combined(combiner))
		w := float64(len(score)) / float64(len(rows))
		sum.Accuracy += w * s.Accuracy
		sum.NLL += w * s.NLL
		sum.Brier += w * s.Brier
	}
	return sum, nil
}

// Combined is the combination with these parameters. A weighted vote's is the share of weight that names each label.
func (p Params) Combined(combiner candorv1.Combiner) func(members [][]float64) []float64 {
	w := p.Weights.GetWeights()
	switch combiner {
	case candorv1.Combiner_COMBINER_STACKING:
		return func(m [][]float64) []float64 { return Stack(p.Stacking, m) }
	case candorv1.Combiner_COMBINER_LOG_POOL:
		return func(m [][]float64) []float64 { return LogPool(m, w) }
	case candorv1.Combiner_COMBINER_WEIGHTED_VOTE:
		return func(m [][]float64) []float64 {
			votes := make([]float64, len(m[0]))
			for i, q := range m {
				votes[Top(q)] += w[i]
			}
			return votes
		}
	}
	return func(m [][]float64) []float64 { return Mean(m, w) }
}
