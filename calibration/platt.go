package calibration

import (
	"errors"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// FitPlatt fits σ(a·f + b) to the log-odds f of the second label, or of the top one of more than two (Platt 1999). The
// targets are his, (n₊+1)/(n₊+2) and 1/(n₋+2), which keep a and b finite where the classes are separated.
func FitPlatt(s Sample) (*candorv1.Platt, error) {
	p, err := s.onePair()
	if err != nil {
		return nil, err
	}
	hits := float64(p.hits())
	misses := float64(len(p.hit)) - hits
	high, low := (hits+1)/(hits+2), 1/(misses+2)
	features := make([][]float64, len(p.p))
	targets := make([]float64, len(p.p))
	for i := range p.p {
		features[i] = []float64{logOdds(p.p[i], p.rest[i]), 1}
		targets[i] = low
		if p.hit[i] {
			targets[i] = high
		}
	}
	w, err := fitLogistic(features, targets)
	if err != nil {
		return nil, err
	}
	if !(w[0] > 0) {
		return nil, errors.New("the probability of being right falls as the score rises; check the order of the labels")
	}
	return &candorv1.Platt{A: w[0], B: w[1]}, nil
}
