package calibration

import (
	"errors"
	"math"
	"slices"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// FitBeta fits σ(a·ln s - b·ln(1-s) + c) with a, b >= 0 by maximum likelihood (Kull, Silva Filho & Flach, AISTATS 2017). The
// bounds keep the map monotone; where the free optimum breaks one, that coefficient is 0 in the bounded optimum, for the
// likelihood is concave.
func FitBeta(s Sample) (*candorv1.BetaCalibration, error) {
	p, err := s.onePair()
	if err != nil {
		return nil, err
	}
	targets := make([]float64, len(p.p))
	for i, hit := range p.hit {
		if hit {
			targets[i] = 1
		}
	}
	best, least := (*candorv1.BetaCalibration)(nil), math.Inf(1)
	var failed error
	for _, use := range [][2]bool{{true, true}, {true, false}, {false, true}} {
		features := make([][]float64, len(p.p))
		for i := range p.p {
			if use[0] {
				features[i] = append(features[i], math.Log(math.Max(p.p[i], floor)))
			}
			if use[1] {
				features[i] = append(features[i], -math.Log(math.Max(p.rest[i], floor)))
			}
			features[i] = append(features[i], 1)
		}
		w, err := fitLogistic(features, targets)
		if err != nil {
			failed = err
			continue
		}
		slopes := w[:len(w)-1]
		if slices.Min(slopes) < 0 {
			continue
		}
		if loss := logisticLoss(features, targets, w); loss < least {
			b := &candorv1.BetaCalibration{C: w[len(w)-1]}
			if use[0] {
				b.A = w[0]
			}
			if use[1] {
				b.B = slopes[len(slopes)-1]
			}
			best, least = b, loss
		}
		if use[0] && use[1] {
			break // The free optimum is within the bounds.
		}
	}
	switch {
	case best != nil:
		return best, nil
	case failed != nil:
		return nil, failed
	}
	return nil, errors.New("the probability of being right falls as the score rises; check the order of the labels")
}

// betaCurve maps a probability and its complement.
type betaCurve struct{ a, b, c float64 }

func (f betaCurve) at(p, rest float64) float64 {
	return sigmoid(f.a*math.Log(math.Max(p, floor)) - f.b*math.Log(math.Max(rest, floor)) + f.c)
}
