package calibration

import (
	"errors"
	"math"
	"math/rand/v2"
	"sort"
	"testing"
)

// Three levels, worked out by hand with alpha = 0.1, delta = 0.05:
// 0.9 keeps 40 rows with 0 errors, p = 0.9^40 = 0.01478; 0.8 keeps 80 with 3, p = P(Bin(80, 0.1) <= 3) = 0.03531;
// 0.7 keeps 120 with 9, p = P(Bin(120, 0.1) <= 9) = 0.2286: it fails (scipy 1.17.1, binom.cdf). 0.6 isn't looked at any more.
func TestCertifyByHand(t *testing.T) {
	var confidences []float64
	var wrong []bool
	add := func(n, errors int, c float64) {
		for i := range n {
			confidences, wrong = append(confidences, c), append(wrong, i < errors)
		}
	}
	add(40, 0, 0.9)
	add(40, 3, 0.8)
	add(40, 6, 0.75)
	add(500, 0, 0.6)
	cert, err := Certify([]float64{0.9, 0.8, 0.7, 0.6}, confidences, wrong, 0.1, 0.05)
	if err != nil {
		t.Fatal(err)
	}
	if cert.Threshold == nil || cert.GetThreshold() != 0.8 || len(cert.GetLevels()) != 3 {
		t.Fatalf("got %v", cert)
	}
	for j, want := range []struct {
		rows, errors uint64
		p            float64
		passed       bool
	}{{40, 0, math.Pow(.9, 40), true}, {80, 3, 0.03531, true}, {120, 9, 0.22859, false}} {
		l := cert.GetLevels()[j]
		if l.GetRows() != want.rows || l.GetErrors() != want.errors || l.GetPassed() != want.passed {
			t.Errorf("level %d: %v, want %v", j, l, want)
		}
		near(t, "p", l.GetPValue(), want.p, 5e-5)
	}
}

func TestCertifyNothing(t *testing.T) {
	// 20 rows without an error say nothing about 0.05: P = 0.95^20 = 0.36.
	cert, err := Certify([]float64{0.5}, make20(0.7), make([]bool, 20), 0.05, 0.05)
	if err != nil || cert.Threshold != nil || len(cert.GetLevels()) != 1 {
		t.Errorf("%v, %v", cert, err)
	}
	// No row at all: P(Bin(0, alpha) <= 0) = 1.
	cert, err = Certify([]float64{0.5}, nil, nil, 0.05, 0.05)
	if err != nil || cert.Threshold != nil {
		t.Errorf("%v, %v", cert, err)
	}
	for name, call := range map[string]func() error{
		"no grid":     func() error { _, err := Certify(nil, nil, nil, .05, .05); return err },
		"ascending":   func() error { _, err := Certify([]float64{.5, .6}, nil, nil, .05, .05); return err },
		"NaN in grid": func() error { _, err := Certify([]float64{math.NaN()}, nil, nil, .05, .05); return err },
		"NaN": func() error {
			_, err := Certify([]float64{.5}, []float64{math.NaN()}, []bool{true}, .05, .05)
			return err
		},
		"unequal":        func() error { _, err := Certify([]float64{.5}, []float64{1}, nil, .05, .05); return err },
		"alpha":          func() error { _, err := Certify([]float64{.5}, nil, nil, 0, .05); return err },
		"delta":          func() error { _, err := Certify([]float64{.5}, nil, nil, .05, math.NaN()); return err },
		"grid of NaN":    func() error { _, err := Grid([]float64{math.NaN()}, 1000, .05, .05, 5); return err },
		"no levels":      func() error { _, err := Grid([]float64{.5}, 1000, .05, .05, 0); return err },
		"grid of none":   func() error { _, err := Grid(nil, 1000, .05, .05, 5); return err },
		"grid above one": func() error { _, err := Grid([]float64{1.5}, 1000, .05, .05, 5); return err },
	} {
		if call() == nil {
			t.Errorf("%s: no error", name)
		}
	}
	var few *RowsError
	if _, err := Grid(make20(.7), 235, .05, .05, 5); !errors.As(err, &few) || few.Needs != 236 || few.Have != 235 {
		t.Errorf("got %v", err)
	}
}

func make20(v float64) []float64 {
	out := make([]float64, 20)
	for i := range out {
		out[i] = v
	}
	return out
}

func TestGridKeepsEnough(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	confidences := make([]float64, 1000)
	for i := range confidences {
		confidences[i] = math.Round(rng.Float64()*200) / 200
	}
	grid, err := Grid(confidences, 1000, .05, .05, DefaultLevels)
	if err != nil {
		t.Fatal(err)
	}
	kept := func(at float64) (n int) {
		for _, c := range confidences {
			if c >= at {
				n++
			}
		}
		return n
	}
	if n := kept(grid[0]); n < 236 || n > 250 {
		t.Errorf("the first level keeps %d", n)
	}
	if n := kept(grid[len(grid)-1]); n != 1000 {
		t.Errorf("the last level keeps %d", n)
	}
	if len(grid) > DefaultLevels || len(grid) < DefaultLevels-5 || !sort.IsSorted(sort.Reverse(sort.Float64Slice(grid))) {
		t.Errorf("grid %v", grid)
	}
}
