package router

import "math"

// Calibrator maps class probabilities to calibrated ones. It is safe for concurrent use.
type Calibrator interface {
	// Name is name@version, as records tell it.
	Name() string
	// Apply makes calibrated probabilities of probs, in the order of the same labels, without changing probs. The result may use
	// dst, which has the length of probs. Of scores of kinds distance and margin it gets what Score's comment says.
	Apply(dst, probs []float64) []float64
}

// calibrationTolerance is how far calibrated probabilities may sum from 1: rounding, and no more.
const calibrationTolerance = 1e-6

// Calibrate applies c to class probabilities and answers the result in new memory. ok is false when what came out is no
// distribution over the same labels; then nothing may be made of it.
func Calibrate(c Calibrator, probs []float64) (calibrated []float64, ok bool) {
	out := c.Apply(make([]float64, len(probs)), probs)
	if len(out) != len(probs) || len(out) == 0 {
		return nil, false
	}
	sum := 0.0
	for _, p := range out {
		// Written so that NaN fails.
		if !(p >= 0 && p <= 1+calibrationTolerance) {
			return nil, false
		}
		sum += p
	}
	if math.Abs(sum-1) > calibrationTolerance {
		return nil, false
	}
	for i := range out {
		out[i] = math.Min(1, out[i]/sum)
	}
	return out, true
}
