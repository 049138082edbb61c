package exact

import (
	"math"
	"slices"
	"testing"
)

func TestExp(t *testing.T) {
	for x := -707.9; x < 709; x += 0.37 {
		got, want := Exp(x), math.Exp(x)
		if math.Abs(got-want) > 4e-16*want {
			t.Fatalf("Exp(%v) = %v, want %v", x, got, want)
		}
	}
	for x, want := range map[float64]float64{0: 1, -1000: 0, 1000: math.Inf(1), math.Inf(-1): 0} {
		if got := Exp(x); got != want {
			t.Errorf("Exp(%v) = %v, want %v", x, got, want)
		}
	}
	if got := Exp(math.NaN()); !math.IsNaN(got) {
		t.Errorf("Exp(NaN) = %v", got)
	}
}

// The bits, not just the values: this is what makes training reproducible elsewhere. A failure on one architecture
// means that something was fused, or that an operation isn't IEEE 754's.
func TestBitsAreTheSameEverywhere(t *testing.T) {
	for x, want := range map[float64]uint64{
		1:      0x4005bf0a8b14576a,
		-0.1:   0x3fecf46d99d52b3a,
		-37.25: 0x3c93278bcd70e981,
	} {
		if got := math.Float64bits(Exp(x)); got != want {
			t.Errorf("Exp(%v) = %#x, want %#x", x, got, want)
		}
	}
	// Without the rounding of each product this sum is 2^-53-ish apart.
	a, b := []float64{1 + 0x1p-30, -1}, []float64{1 + 0x1p-30, 1 + 0x1p-29}
	if got := Dot(a, b); got != 0 {
		t.Errorf("Dot fused a product into the sum: %v", got)
	}
	source := NewSource(1998)
	if got, want := source.Perm(10), []int{9, 5, 7, 8, 4, 2, 0, 6, 1, 3}; !slices.Equal(got, want) {
		t.Errorf("Perm(10) = %v, want %v", got, want)
	}
}

func TestSoftmaxSumsToOneWithoutOverflow(t *testing.T) {
	p := []float64{1000, 999, -1000}
	Softmax(p, p)
	if sum := p[0] + p[1] + p[2]; math.Abs(sum-1) > 1e-15 || p[0] <= p[1] || p[2] != 0 {
		t.Errorf("%v", p)
	}
}

func TestSourceStaysInRange(t *testing.T) {
	s := NewSource(7)
	low, high := 1.0, -1.0
	for range 10000 {
		v := s.Symmetric()
		low, high = min(low, v), max(high, v)
		if n := s.IntN(3); n < 0 || n > 2 {
			t.Fatalf("IntN(3) = %d", n)
		}
	}
	if low < -1 || high >= 1 || low > -0.99 || high < 0.99 {
		t.Errorf("Symmetric spans [%v, %v]", low, high)
	}
}

func TestSquaredDistance(t *testing.T) {
	if got := SquaredDistance([]float64{0, 3}, []float64{4, 0}); got != 25 {
		t.Errorf("got %v", got)
	}
}
