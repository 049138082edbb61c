package combine

import "math"

// LeastProbability is what a probability of 0 counts as where its logarithm is taken. It is about the spacing of FP32 below 1, so
// that a model server's underflow isn't a veto; and small enough that a member who is that sure still has nearly the last word.
const LeastProbability = 1e-7

// Mean is the linear opinion pool Σ w·p (Stone 1961). Weights are at least 0, with a sum above 0, by which they are divided; nil:
// equal ones.
func Mean(members [][]float64, weights []float64) []float64 {
	out := make([]float64, len(members[0]))
	for m, p := range members {
		w := share(weights, m, len(members))
		for k, v := range p {
			out[k] += w * v
		}
	}
	return normalise(out)
}

// LogPool is the logarithmic opinion pool Π p^w / Z (Genest & Zidek 1986), made in logarithms. Weights as for [Mean].
func LogPool(members [][]float64, weights []float64) []float64 {
	z := make([]float64, len(members[0]))
	sum := 0.0
	for m := range members {
		sum += share(weights, m, len(members))
	}
	for m, p := range members {
		w := share(weights, m, len(members)) / sum
		for k, v := range p {
			z[k] += w * logOf(v)
		}
	}
	return softmax(z)
}

// logOf is ln p with the floor.
func logOf(p float64) float64 { return math.Log(math.Max(p, LeastProbability)) }

func share(weights []float64, m, members int) float64 {
	if weights == nil {
		return 1 / float64(members)
	}
	return weights[m]
}

func normalise(p []float64) []float64 {
	sum := 0.0
	for _, v := range p {
		sum += v
	}
	for k := range p {
		p[k] /= sum
	}
	return p
}

// softmax replaces logits by probabilities.
func softmax(z []float64) []float64 {
	largest := math.Inf(-1)
	for _, v := range z {
		largest = math.Max(largest, v)
	}
	for k, v := range z {
		z[k] = math.Exp(v - largest)
	}
	return normalise(z)
}
