package certificate

import "math"

// LabelsWithoutError is about how many verdicts without one error certify a threshold at (alpha, delta) while every row is judged:
// the largest bet alone has to earn its share of 1/delta.
func LabelsWithoutError(alpha, delta float64) float64 {
	n := float64(len(bets))
	best := math.Inf(1)
	for _, bet := range bets {
		best = math.Min(best, math.Log(n/delta)/math.Log1p(bet*alpha/(1-alpha)))
	}
	return math.Ceil(best)
}
