package router

import "math"

// Scale holds the numbers by which a policy maps quantities that have no upper bound to a confidence in [0,1]. The zero Scale
// has none of them: what needs one then has no confidence.
type Scale struct {
	// Interval is the width, or the spread of members, that counts as no confidence, in the model's unit; 0: none.
	Interval float64
	// EnergyCenter is the energy that counts as half sure, in nats.
	EnergyCenter float64
	// Distance is where the confidence has fallen to 1/e, in the score's metric; 0: none.
	Distance float64
}

// WidthConfidence maps the width of an interval, or the spread of an ensemble's values, at least 0, to [0,1]: 1 - width/scale,
// at least 0. Both are in the model's unit; scale is above 0.
func WidthConfidence(width, scale float64) float64 { return math.Max(0, 1-width/scale) }

// EnergyConfidence maps an energy ln Σ exp(z), in nats, to [0,1] by the logistic function around center. It keeps the order of
// energies until both are some 36 nats above center, where FP64 has no number left between them and 1.
func EnergyConfidence(energy, center float64) float64 {
	if d := energy - center; !math.IsNaN(d) {
		return Sigmoid(d)
	}
	// Infinities of the same sign: nothing is known.
	return 0
}

// DistanceConfidence maps a distance, at least 0, to [0,1]: exp(-distance/scale). Scale is above 0, in the same metric.
func DistanceConfidence(distance, scale float64) float64 { return math.Exp(-distance / scale) }

// BoundaryConfidence maps a margin to the decision boundary, at least 0, to [0,1]: 2σ(m)-1, which is tanh(m/2). It is ordinal: 0
// on the boundary, and larger further off; no probability of anything. The order is kept up to a margin of some 38.
func BoundaryConfidence(margin float64) float64 { return math.Tanh(margin / 2) }

// DisagreementConfidence maps the mutual information of an ensemble, H(mean p) - mean H(p) in nats, to [0,1]: 1 minus its share of
// ln K, the most that members can disagree about K labels; 0 for fewer than two labels.
func DisagreementConfidence(nats float64, labels int) float64 {
	if labels < 2 {
		return 0
	}
	return math.Min(1, math.Max(0, 1-nats/math.Log(float64(labels))))
}

// Energy is ln Σ exp(z) of finite logits, in nats: the negated energy of Liu et al., "Energy-based Out-of-distribution Detection"
// (NeurIPS 2020), at temperature 1. It takes the largest out first, so that no exponential overflows. Of no logits it is -Inf.
func Energy(logits []float64) float64 {
	largest := math.Inf(-1)
	for _, z := range logits {
		largest = math.Max(largest, z)
	}
	if math.IsInf(largest, 0) {
		return largest
	}
	sum := 0.0
	for _, z := range logits {
		sum += math.Exp(z - largest)
	}
	return largest + math.Log(sum)
}
