package monitor

import (
	"encoding/json"
	"math"
	"os"
	"testing"
)

// reference is what testdata/reference.py computes with scipy.
type reference struct {
	KS []struct {
		Name     string    `json:"name"`
		A        []float64 `json:"a"`
		B        []float64 `json:"b"`
		Distance float64   `json:"distance"`
		ExactP   float64   `json:"exact_p"`
		LimitP   float64   `json:"limit_p"`
	} `json:"ks"`
	Chi2 []struct {
		A    []uint32 `json:"a"`
		B    []uint32 `json:"b"`
		Chi2 float64  `json:"chi2"`
		DF   int      `json:"df"`
		P    float64  `json:"p"`
	} `json:"chi2"`
	Welch []struct {
		A []float64 `json:"a"`
		B []float64 `json:"b"`
		P float64   `json:"p"`
	} `json:"welch"`
	Kolmogorov [][2]float64 `json:"kolmogorov"`
	BH         struct {
		P        []float64 `json:"p"`
		Adjusted []float64 `json:"adjusted"`
	} `json:"bh"`
}

func readReference(t *testing.T) reference {
	t.Helper()
	data, err := os.ReadFile("testdata/reference.json")
	if err != nil {
		t.Fatal(err)
	}
	var ref reference
	if err := json.Unmarshal(data, &ref); err != nil {
		t.Fatal(err)
	}
	if len(ref.KS) < 5 || len(ref.Chi2) < 4 || len(ref.Welch) < 3 || len(ref.Kolmogorov) < 10 || len(ref.BH.P) < 40 {
		t.Fatal("the reference is not whole")
	}
	return ref
}

func near(a, b, relative float64) bool {
	return math.Abs(a-b) <= relative*max(math.Abs(a), math.Abs(b))
}

func sketchOf(values []float64) *sketch {
	s := &sketch{}
	for _, v := range values {
		s.add(v)
	}
	return s
}

// scipy.special.kolmogorov, on both sides of where the series change.
func TestKolmogorov(t *testing.T) {
	for _, pair := range readReference(t).Kolmogorov {
		if got := kolmogorov(pair[0]); !near(got, pair[1], 1e-9) {
			t.Errorf("kolmogorov(%v) = %v, want %v", pair[0], got, pair[1])
		}
	}
	if kolmogorov(0) != 1 || kolmogorov(-1) != 1 {
		t.Error("no distance is no surprise")
	}
}

// scipy.stats.ks_2samp: buckets may only make the distance smaller, by no more than a bucket holds, and p larger.
func TestKS(t *testing.T) {
	for _, tc := range readReference(t).KS {
		a, b := sketchOf(tc.A), sketchOf(tc.B)
		d, p := ks(a, b)
		var most float64
		for i := range a.counts {
			most = max(most, float64(a.counts[i])/float64(a.n), float64(b.counts[i])/float64(b.n))
		}
		if d > tc.Distance+1e-12 || d < tc.Distance-most {
			t.Errorf("%s: distance %v, want %v less at most %v", tc.Name, d, tc.Distance, most)
		}
		if p < tc.LimitP*(1-1e-9) {
			t.Errorf("%s: p %v is below that of the exact distance, %v", tc.Name, p, tc.LimitP)
		}
		if d == tc.Distance && !near(p, tc.LimitP, 1e-9) {
			t.Errorf("%s: p %v, want %v", tc.Name, p, tc.LimitP)
		}
		// The limit is on the safe side of the exact distribution.
		if p < tc.ExactP*(1-1e-9) {
			t.Errorf("%s: p %v is below the exact %v", tc.Name, p, tc.ExactP)
		}
		if tc.Name == "near one" && p > 0.05 {
			t.Errorf("%s: the buckets hide a shift near 1: p %v, exact %v", tc.Name, p, tc.ExactP)
		}
	}
}

// scipy.stats.chi2_contingency.
func TestLabelShift(t *testing.T) {
	for _, tc := range readReference(t).Chi2 {
		chi2, df, p := labelShift(tc.A, tc.B)
		if !near(chi2, tc.Chi2, 1e-9) || df != tc.DF || !near(p, tc.P, 1e-7) {
			t.Errorf("%v %v: χ² %v, %d, p %v; want %v, %d, %v", tc.A, tc.B, chi2, df, p, tc.Chi2, tc.DF, tc.P)
		}
	}
}

// scipy.stats.norm of the two means' difference.
func TestFell(t *testing.T) {
	for i, tc := range readReference(t).Welch {
		var a, b expected
		for _, p := range tc.A {
			a.add(p)
		}
		for _, p := range tc.B {
			b.add(p)
		}
		got := fell(&a, &b)
		if !near(got, tc.P, 1e-6) {
			t.Errorf("%d: p %v, want %v", i, got, tc.P)
		}
	}
}

// scipy.stats.false_discovery_control: a hypothesis is rejected at a level if its adjusted p-value is at most that.
func TestRejected(t *testing.T) {
	ref := readReference(t).BH
	for _, level := range []float64{0.001, 0.01, 0.05, 0.1, 0.3, 0.9} {
		want := 0
		for _, p := range ref.Adjusted {
			if p <= level {
				want++
			}
		}
		ratios := make([]float64, len(ref.P))
		for i, p := range ref.P {
			ratios[i] = p / level
		}
		if got := rejected(ratios); got != want {
			t.Errorf("at level %v %d are rejected, want %d", level, got, want)
		}
	}
	if rejected(nil) != 0 {
		t.Error("something of nothing was rejected")
	}
}
