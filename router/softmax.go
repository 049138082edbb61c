package router

import "math"

// Softmax makes probabilities of finite logits. It subtracts the largest first, so that no exponential overflows.
func Softmax(logits []float64) []float64 {
	largest := math.Inf(-1)
	for _, v := range logits {
		largest = math.Max(largest, v)
	}
	out := make([]float64, len(logits))
	sum := 0.0
	for i, v := range logits {
		out[i] = math.Exp(v - largest)
		sum += out[i]
	}
	for i := range out {
		out[i] /= sum
	}
	return out
}

// Sigmoid is 1/(1+e^-x), without overflow on either side.
func Sigmoid(x float64) float64 {
	if x >= 0 {
		return 1 / (1 + math.Exp(-x))
	}
	e := math.Exp(x)
	return e / (1 + e)
}

// Entropy is -Σ p ln p in nats, with 0·ln 0 = 0.
func Entropy(probs []float64) float64 {
	h := 0.0
	for _, p := range probs {
		if p > 0 {
			h -= p * math.Log(p)
		}
	}
	return h
}

// NormalizedEntropy is H(p)/ln K in [0,1]; 0 for fewer than two labels.
func NormalizedEntropy(probs []float64) float64 {
	if len(probs) < 2 {
		return 0
	}
	// Rounding can leave the uniform distribution a hair above 1.
	return math.Min(1, math.Max(0, Entropy(probs)/math.Log(float64(len(probs)))))
}

// topTwo answers the index of the largest (the first of equals) and the second largest value. It wants at least one.
func topTwo(probs []float64) (top int, second float64) {
	for i, p := range probs {
		if p > probs[top] {
			top = i
		}
	}
	for i, p := range probs {
		if i != top && p > second {
			second = p
		}
	}
	return top, second
}
