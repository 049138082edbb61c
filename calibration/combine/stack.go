package combine

import (
	"fmt"
	"math"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// Stack is stacked generalisation (Wolpert 1992): a multinomial logistic model over the members' log-probabilities. The model must
// have passed [CheckStacking] for this number of members and labels.
func Stack(s *candorv1.Stacking, members [][]float64) []float64 {
	labels := len(members[0])
	features := len(members) * labels
	z := make([]float64, labels)
	for k := range z {
		z[k] = s.GetIntercepts()[k]
		row := s.GetCoefficients()[k*features : (k+1)*features]
		for m, p := range members {
			for j, v := range p {
				z[k] += row[m*labels+j] * logOf(v)
			}
		}
	}
	return softmax(z)
}

// CheckStacking says why a stacking model isn't one for this number of members and labels.
func CheckStacking(s *candorv1.Stacking, members, labels int) error {
	if n, want := len(s.GetCoefficients()), labels*members*labels; n != want {
		return fmt.Errorf("stacking.coefficients: there are %d, and %d members with %d labels have %d; fit it again for this ensemble", n, members, labels, want)
	}
	if n := len(s.GetIntercepts()); n != labels {
		return fmt.Errorf("stacking.intercepts: there are %d for %d labels; fit it again for this ensemble", n, labels)
	}
	// So large a coefficient that a sum of them overflows comes from no fit.
	const largest = 1e12
	for _, list := range [][]float64{s.GetCoefficients(), s.GetIntercepts()} {
		for i, v := range list {
			if !(math.Abs(v) <= largest) {
				return fmt.Errorf("stacking: number %d is %v; fit it again", i, v)
			}
		}
	}
	return nil
}

// CheckWeights says why fitted weights aren't those of this number of members.
func CheckWeights(w *candorv1.EnsembleWeights, members int) error {
	if n := len(w.GetWeights()); n != members {
		return fmt.Errorf("weights.weights: there are %d for %d members; fit them again for this ensemble", n, members)
	}
	sum := 0.0
	for i, v := range w.GetWeights() {
		if !(v >= 0 && v <= 1) {
			return fmt.Errorf("weights.weights[%d]: is %v, not in [0,1]; fit them again", i, v)
		}
		sum += v
	}
	if math.Abs(sum-1) > 1e-6 {
		return fmt.Errorf("weights.weights: sum to %v, not to 1; fit them again", sum)
	}
	return nil
}
