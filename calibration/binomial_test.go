package calibration

import (
	"math"
	"math/rand/v2"
	"testing"
)

// The numbers of uncertainty by hand: 0.95^59 = 0.0485 <= 0.05 < 0.95^58, and so on.
func TestRowsWithoutError(t *testing.T) {
	for _, tc := range []struct {
		alpha, delta float64
		want         uint64
	}{
		{.05, .05, 59}, {.01, .05, 299}, {.1, .05, 29}, {.05, .01, 90}, {.5, .5, 1}, {.5, .25, 2}, {.5, .125, 3}, {.9, .1, 1}, {.001, .001, 6905},
		{0, .05, 0}, {1, .05, 0}, {.05, 0, 0}, {.05, 1, 0}, {math.NaN(), .05, 0},
	} {
		if got := RowsWithoutError(tc.alpha, tc.delta); got != tc.want {
			t.Errorf("alpha %v, delta %v: %d, want %d", tc.alpha, tc.delta, got, tc.want)
		}
	}
	if got := RowsToCertify(.05, .05); got != 236 {
		t.Errorf("rows to certify: %d, want 4 * 59", got)
	}
}

// The sum itself, for small n.
func TestBinomialTailIsTheSum(t *testing.T) {
	for n := range uint64(25) {
		for _, p := range []float64{.001, .05, .3, .5, .9} {
			sum, term := 0.0, math.Pow(1-p, float64(n))
			for k := range n + 1 {
				sum += term
				term *= float64(n-k) / float64(k+1) * p / (1 - p)
				near(t, "tail", BinomialTail(k, n, p), sum, 1e-11)
			}
		}
	}
	for _, tc := range []struct{ got, want float64 }{
		{BinomialTail(0, 10, 0), 1}, {BinomialTail(0, 10, 1), 0}, {BinomialTail(10, 10, 1), 1}, {BinomialTail(0, 0, .5), 1}, {BinomialTail(3, 10, math.NaN()), 1},
		{UpperBound(0, 0, .05), 1}, {UpperBound(5, 5, .05), 1}, {UpperBound(7, 5, .05), 1}, {UpperBound(1, 5, 0), 1}, {LowerBound(0, 5, .05), 0}, {LowerBound(1, 5, math.NaN()), 0},
	} {
		if tc.got != tc.want {
			t.Errorf("got %v, want %v", tc.got, tc.want)
		}
	}
}

// p <= delta and bound <= alpha say the same.
func TestTestAndBoundAgree(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		n := 1 + rng.Uint64N(3000)
		k := rng.Uint64N(1 + n/5)
		alpha, delta := .001+.3*rng.Float64(), .001+.2*rng.Float64()
		bound := UpperBound(k, n, delta)
		if math.Abs(bound-alpha) < 1e-9 {
			continue
		}
		if (BinomialTail(k, n, alpha) <= delta) != (bound <= alpha) {
			t.Fatalf("%d of %d, alpha %v, delta %v: p %v, bound %v", k, n, alpha, delta, BinomialTail(k, n, alpha), bound)
		}
		if low := LowerBound(k, n, delta); low > float64(k)/float64(n) || bound < float64(k)/float64(n) {
			t.Fatalf("%d of %d: [%v, %v]", k, n, low, bound)
		}
	}
}
