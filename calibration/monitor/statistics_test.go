package monitor

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestPSIByHand(t *testing.T) {
	for _, tc := range []struct {
		name string
		a, b []uint32
		want float64
	}{
		// The test of PSI in strappy 0.0.3 (tests/test_psi.py): 6 and 5 of 11 against 5 and 4 of 9 is 0.00041.
		{"strappy", []uint32{6, 5}, []uint32{5, 4}, 0.00041},
		// −0.15·ln 0.4 − 0.05·ln 0.8 + 0.05·ln 1.2 + 0.15·ln 1.6 = 0.13744 + 0.01116 + 0.00912 + 0.07050.
		{"four bins", []uint32{250, 250, 250, 250}, []uint32{20, 40, 60, 80}, 0.22822},
		{"the same", []uint32{10, 20, 30}, []uint32{1, 2, 3}, 0},
		// An empty bin counts as half a row: −0.45·ln 0.1 of it, and 0.5·ln 2 of the other.
		{"empty bin", []uint32{5, 5}, []uint32{0, 10}, -0.45*math.Log(0.1) + 0.5*math.Log(2)},
		{"nothing", []uint32{0, 0}, []uint32{1, 2}, 0},
	} {
		if got, _ := psi(tc.a, tc.b); math.Abs(got-tc.want) > 5e-6 {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
}

func TestDeciles(t *testing.T) {
	uniform := &sketch{}
	for i := range 1000 {
		uniform.add((float64(i) + 0.5) / 1000)
	}
	for _, n := range binned(uniform, deciles(uniform)) {
		if n < 85 || n > 115 {
			t.Errorf("a bin of %v of 1000", n)
		}
	}
	// Everything in one place: what goes to either side of it must show.
	tied, lower, upper := &sketch{}, &sketch{}, &sketch{}
	for range 100 {
		tied.add(0.9)
		lower.add(0.8)
		upper.add(0.95)
	}
	ends := deciles(tied)
	for _, moved := range []*sketch{lower, upper} {
		if value, p := psi(binned(tied, ends), binned(moved, ends)); value < 1 || p > 1e-6 {
			t.Errorf("a move of everything is %v, p %v", value, p)
		}
	}
	if value, p := psi(binned(tied, ends), binned(tied, ends)); value != 0 || p != 1 {
		t.Errorf("no move is %v, p %v", value, p)
	}
}

func TestSketchOrder(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	values := []float64{0, 5e-324, 1e-300, 1 / 131072.0, 0.25, 0.5, math.Nextafter(0.5, 0), math.Nextafter(0.5, 1), math.Nextafter(1, 0), 1}
	for range 5000 {
		values = append(values, rng.Float64(), 1-math.Pow(rng.Float64(), 6), math.Pow(rng.Float64(), 6))
	}
	slices.Sort(values)
	before := -1
	for _, v := range values {
		b := bucketOf(v)
		if b < before || b >= buckets {
			t.Fatalf("%v is in bucket %d, one before it in %d", v, b, before)
		}
		before = b
		if off := math.Abs(middleOf(b) - v); off > min(v, 1-v)/128+1.0/(1<<18) {
			t.Fatalf("%v is told as %v", v, middleOf(b))
		}
	}
}

func TestSketchQuantile(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	var values []float64
	for range 4001 {
		values = append(values, 1-math.Pow(rng.Float64(), 4))
	}
	whole := sketchOf(values)
	slices.Sort(values)
	for _, q := range []float64{0, 0.01, 0.25, 0.5, 0.9, 0.999, 1} {
		exact := values[max(int(math.Ceil(q*float64(len(values))))-1, 0)]
		if got := whole.quantile(q); math.Abs(got-exact) > min(exact, 1-exact)/128+1.0/(1<<18) {
			t.Errorf("quantile %v is %v, want %v", q, got, exact)
		}
	}
	if !math.IsNaN((&sketch{}).quantile(0.5)) {
		t.Error("nothing has a median")
	}
}

func TestRareLabelsAreMerged(t *testing.T) {
	// Ten labels seen once or twice, and two that are common: the rare are 15 in 1000 together, one group.
	a, b := []uint32{300, 193, 1, 1, 1, 1, 1, 0, 1, 1, 0, 0}, []uint32{280, 212, 0, 1, 0, 1, 1, 1, 1, 1, 1, 1}
	chi2, df, p := labelShift(a, b)
	if df != 2 || chi2 <= 0 || p <= 0 || p >= 1 {
		t.Errorf("χ² %v, %d degrees of freedom, p %v; want 2", chi2, df, p)
	}
	same, df2, _ := labelShift([]uint32{300, 193, 7}, []uint32{280, 212, 8})
	if !near(chi2, same, 1e-12) || df2 != 2 {
		t.Errorf("merged by hand it is %v, not %v", same, chi2)
	}
	for _, rows := range [][2][]uint32{{{500}, {500}}, {{0, 500}, {1, 499}}, {{}, {}}, {{0, 0}, {0, 0}}} {
		if _, df, p := labelShift(rows[0], rows[1]); df != 0 || p != 1 {
			t.Errorf("%v: %d degrees of freedom, p %v", rows, df, p)
		}
	}
}

func TestMargin(t *testing.T) {
	var e expected
	for range 100 {
		e.add(0.8)
	}
	// 1.96·√(0.8·0.2/100).
	if math.Abs(e.mean()-0.8) > 1e-12 || math.Abs(e.margin()-0.0784) > 1e-4 {
		t.Errorf("%v ± %v", e.mean(), e.margin())
	}
	constant := e
	if p := fell(&e, &constant); p < 0.5 {
		t.Errorf("the same fell, p %v", p)
	}
	var lower expected
	for range 100 {
		lower.add(0.7)
	}
	if p := fell(&e, &lower); p != 0 {
		t.Errorf("a constant fell, p %v", p)
	}
}

func TestBias(t *testing.T) {
	fill := func(n, right int, p, q float64) *bias {
		b := &bias{}
		for i := range n {
			b.add(p, i < right, q)
		}
		return b
	}
	// 180 of 200 claimed, 160 right: z = 20/√(200·0.9·0.1) = 4.714, two-sided p 2.43e-6.
	b := fill(200, 160, 0.9, 1)
	if math.Abs(b.value()-0.1) > 1e-12 || !near(b.p(), 2.43e-6, 0.01) {
		t.Errorf("bias %v, p %v", b.value(), b.p())
	}
	// Weights that are all the same change nothing.
	if w := fill(200, 160, 0.9, 0.05); math.Abs(w.value()-0.1) > 1e-12 || !near(w.p(), b.p(), 1e-9) {
		t.Errorf("bias %v, p %v with weights", w.value(), w.p())
	}
	if p := fill(200, 180, 0.9, 1).p(); p != 1 {
		t.Errorf("as claimed, but p %v", p)
	}
	// A hundred right answers in a row at 0.99: no bias, although their sample variance is next to nothing.
	if p := fill(100, 100, 0.99, 1).p(); p < 0.3 {
		t.Errorf("no error where one was expected: p %v", p)
	}
	// Few errors are expected, and many came.
	if p := fill(500, 450, 0.999, 1).p(); p > 1e-9 {
		t.Errorf("50 errors where half a one was expected: p %v", p)
	}
	if p := fill(10, 0, 1, 1).p(); p > 0.01 || math.IsNaN(p) {
		t.Errorf("ten certain answers, all wrong: p %v", p)
	}
	// What was chosen with q 0.1 stands for ten.
	mixed := fill(100, 100, 0.9, 1)
	for range 10 {
		mixed.add(0.9, false, 0.1)
	}
	if want := 0.9 - 0.5; math.Abs(mixed.value()-want) > 1e-12 {
		t.Errorf("weighted bias %v, want %v", mixed.value(), want)
	}
}

// Under the hypothesis p-values are at least uniform: no more than a share x of them is below x.
func TestBiasLevel(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	const runs = 4000
	for _, mean := range []float64{0.6, 0.95, 0.995} {
		below := map[float64]int{0.1: 0, 0.05: 0, 0.01: 0}
		for range runs {
			b := &bias{}
			for range 300 {
				p := 1 - 2*(1-mean)*rng.Float64()
				q := []float64{1, 0.2, 0.1}[rng.IntN(3)]
				b.add(p, rng.Float64() < p, q)
			}
			for x := range below {
				if b.p() <= x {
					below[x]++
				}
			}
		}
		for x, n := range below {
			// Three standard errors, and a fifth for the normal approximation.
			if limit := 1.2*x*runs + 3*math.Sqrt(x*runs); float64(n) > limit {
				t.Errorf("mean %v: %d of %d are below %v", mean, n, runs, x)
			}
		}
	}
}
