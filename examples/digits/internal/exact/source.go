package exact

import "math/rand/v2"

// Source is a stream of pseudo-random numbers that depends on nothing but its seed: PCG, whose algorithm is part of its
// name, and conversions written here, because those of rand.Rand may change between releases of Go.
type Source struct{ pcg *rand.PCG }

// NewSource starts a stream.
func NewSource(seed uint64) *Source {
	const stream = 0x64_69_67_69_74_73 // "digits"
	return &Source{rand.NewPCG(seed, stream)}
}

// IntN is in [0, n), n > 0. For the n of this data set the remainder's bias is below 2^-50.
func (s *Source) IntN(n int) int {
	return int(s.pcg.Uint64() % uint64(n))
}

// Symmetric is in [-1, 1).
func (s *Source) Symmetric() float64 {
	const bits = 52
	return float64(float64(s.pcg.Uint64()>>(64-bits-1))/(1<<bits)) - 1
}

// Perm is a permutation of the numbers below n (Fisher and Yates).
func (s *Source) Perm(n int) []int {
	p := make([]int, n)
	for i := range p {
		p[i] = i
	}
	for i := n - 1; i > 0; i-- {
		j := s.IntN(i + 1)
		p[i], p[j] = p[j], p[i]
	}
	return p
}
