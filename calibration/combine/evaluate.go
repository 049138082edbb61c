package combine

// Scores say what probabilities are worth on held-out rows.
type Scores struct {
	// Accuracy is the share of rows whose largest probability is the true label's, in [0,1].
	Accuracy float64
	// NLL is the mean of -ln p of the true label, in nats; a p of 0 counts as [LeastProbability].
	NLL float64
	// Brier is the mean over rows of Σ (p - 1{true})², in [0,2] (Brier 1950, for several labels).
	Brier float64
}

// Evaluate scores what combined says of each row; rows as for [Fit], at least one.
func Evaluate(rows []Example, combined func(members [][]float64) []float64) Scores {
	var s Scores
	n, right := float64(len(rows)), 0
	for _, r := range rows {
		p := combined(r.Members)
		if Top(p) == r.Label {
			right++
		}
		s.NLL -= logOf(p[r.Label]) / n
		for k, v := range p {
			d := v
			if k == r.Label {
				d--
			}
			s.Brier += d * d / n
		}
	}
	s.Accuracy = float64(right) / n
	return s
}

// Top is the index of the largest probability, of equals the first.
func Top(p []float64) int {
	top := 0
	for k, v := range p {
		if v > p[top] {
			top = k
		}
	}
	return top
}
