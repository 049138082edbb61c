package calibration

import "math"

// Floors of probabilities before a logarithm.
const (
	// floor is of one number p and its complement: below 2^-53 the double 1-p is 1, so that the two sides would be cut at
	// different places. It bounds log-odds to ±36.8.
	floor = 0x1p-53
	// vectorFloor is of the entries of a vector: the smallest positive FP32 number, which is what most model servers answer,
	// so that a 0 says "below it". A larger one would give the tail of a long vector a mass that it hasn't.
	vectorFloor = 0x1p-149
)

// sigmoid is 1/(1+e^-x), without overflow on either side.
func sigmoid(x float64) float64 {
	if x >= 0 {
		return 1 / (1 + math.Exp(-x))
	}
	e := math.Exp(x)
	return e / (1 + e)
}

// softplus is ln(1+e^x), without overflow.
func softplus(x float64) float64 {
	return math.Max(x, 0) + math.Log1p(math.Exp(-math.Abs(x)))
}

// logOdds of p, whose complement is rest.
func logOdds(p, rest float64) float64 {
	return math.Log(math.Max(p, floor)) - math.Log(math.Max(rest, floor))
}
