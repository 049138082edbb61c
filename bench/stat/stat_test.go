package stat

import (
	"math"
	"slices"
	"testing"
	"time"
)

func TestMedian(t *testing.T) {
	for _, test := range []struct {
		values []float64
		want   float64
	}{
		{[]float64{3}, 3}, {[]float64{4, 1}, 2.5}, {[]float64{9, 1, 5}, 5}, {[]float64{4, 1, 3, 2}, 2.5},
	} {
		given := slices.Clone(test.values)
		if got := Median(test.values); got != test.want || !slices.Equal(given, test.values) {
			t.Errorf("of %v: %v, want %v; they are %v now", given, got, test.want, test.values)
		}
	}
	if got := Median(nil); !math.IsNaN(got) {
		t.Errorf("of nothing: %v", got)
	}
}

// The distribution of a bootstrap's median is known: of n different values in order, it is at most the kth exactly when at least
// (n+1)/2 of n draws are among the first k, which is binomial.
func TestBootstrapAgainstExactDistribution(t *testing.T) {
	for _, n := range []int{3, 5, 7, 9, 15, 21} {
		values := make([]float64, n)
		for i := range values {
			values[i] = float64(n - i) // 1 to n
		}
		bound := func(q float64) (low, high float64) {
			// Resampling is itself a draw: within 0.5 % of the probability either neighbour is right.
			const slack = 0.005
			return exactQuantile(n, q-slack), exactQuantile(n, q+slack)
		}
		got := Bootstrap(values, 1)
		lowFrom, lowTo := bound(0.025)
		highFrom, highTo := bound(0.975)
		if got.Median != float64(n+1)/2 || got.Low < lowFrom || got.Low > lowTo || got.High < highFrom || got.High > highTo {
			t.Errorf("n=%d: %+v; want the low end in [%v, %v], the high one in [%v, %v]", n, got, lowFrom, lowTo, highFrom, highTo)
		}
	}
}

// exactQuantile is the least k with P(median ≤ k) ≥ q.
func exactQuantile(n int, q float64) float64 {
	for k := 1; k < n; k++ {
		p, need := float64(k)/float64(n), (n+1)/2
		sum := 0.0
		for i := need; i <= n; i++ {
			a, _ := math.Lgamma(float64(n + 1))
			b, _ := math.Lgamma(float64(i + 1))
			c, _ := math.Lgamma(float64(n - i + 1))
			sum += math.Exp(a - b - c + float64(i)*math.Log(p) + float64(n-i)*math.Log(1-p))
		}
		if sum >= q {
			return float64(k)
		}
	}
	return float64(n)
}

func TestBootstrapIsRepeatable(t *testing.T) {
	values := []float64{1, 4, 2, 8, 5, 7}
	if a, b := Bootstrap(values, 7), Bootstrap(values, 7); a != b {
		t.Errorf("%+v and %+v", a, b)
	}
	if got := Bootstrap([]float64{2, 2, 2}, 1); got != (Interval{2, 2, 2}) {
		t.Errorf("of equal values: %+v", got)
	}
	if got := Bootstrap(nil, 1); !math.IsNaN(got.Median) || !math.IsNaN(got.Low) || !math.IsNaN(got.High) {
		t.Errorf("of nothing: %+v", got)
	}
}

func TestQuantiles(t *testing.T) {
	var latencies []time.Duration
	for i := range 1000 {
		latencies = append(latencies, time.Duration((i*37)%1000+1)) // 1 to 1000, out of order
	}
	if got := Quantiles(latencies, 0, 0.5, 0.99, 0.999, 1); !slices.Equal(got, []time.Duration{1, 500, 990, 999, 1000}) {
		t.Errorf("%v", got)
	}
	if got := Quantiles(nil, 0.5); !slices.Equal(got, []time.Duration{0}) {
		t.Errorf("of nothing: %v", got)
	}
}
