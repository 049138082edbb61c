package calibration

import (
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

// Venn-Abers by its definition: isotonic regression with the new row in, once with either label.
func TestVennAbersByDefinition(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 9))
	for range 30 {
		var p []float64
		var y []int
		for range 5 + rng.IntN(60) {
			v := math.Round(rng.Float64()*20) / 20
			hit := 0
			if rng.Float64() < v {
				hit = 1
			}
			p, y = append(p, v), append(y, hit)
		}
		y[0], y[1] = 0, 1
		s := twoLabels(p, y)
		fit, err := FitVennAbers(s)
		if err != nil {
			t.Fatal(err)
		}
		f := interval{fit.GetX(), fit.GetP0(), fit.GetP1()}
		for range 40 {
			at := math.Round(rng.Float64()*40) / 40
			p0, p1 := f.bounds(at)
			for label, got := range []float64{p0, p1} {
				with := twoLabels(append(append([]float64(nil), p...), at), append(append([]int(nil), y...), label)).pairs()
				points := with.points()
				fit := pool(points)
				for i, b := range points {
					if b.x == at && math.Abs(fit[i]-got) > 1e-12 {
						t.Fatalf("p%d(%v) = %v, want %v of\n%v\n%v", label, at, got, fit[i], p, y)
					}
				}
			}
		}
	}
}

// The isotonic fit is the best monotone one: no small monotone change makes it better.
func TestIsotonicIsTheBest(t *testing.T) {
	s := overconfident(4, 300, 2, 0.6)
	pairs := s.pairs()
	points := pairs.points()
	fit := pool(points)
	loss := func(f []float64) float64 {
		sum := 0.0
		for i, b := range points {
			sum += float64(b.hits)*(1-f[i])*(1-f[i]) + float64(b.rows-b.hits)*f[i]*f[i]
		}
		return sum
	}
	least := loss(fit)
	rng := rand.New(rand.NewPCG(1, 1))
	for range 5000 {
		from, d := rng.IntN(len(fit)), (rng.Float64()-.5)/50
		other := append([]float64(nil), fit...)
		to := from + 1 + rng.IntN(len(fit)-from)
		for i := from; i < to; i++ {
			other[i] += d
		}
		monotone := true
		for i := 1; i < len(other); i++ {
			monotone = monotone && other[i] >= other[i-1]
		}
		if monotone && loss(other) < least-1e-12 {
			t.Fatalf("a better monotone fit: %v < %v", loss(other), least)
		}
	}
}

// A fit that the bounds of a and b decide.
func TestBetaKeepsItsBounds(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	var p []float64
	var y []int
	for range 3000 {
		v := 0.02 + 0.96*rng.Float64()
		hit := 0
		// Falls with ln s, rises with -ln(1-s): the free optimum has a < 0.
		if rng.Float64() < sigmoid(-0.3*math.Log(v)-1.5*math.Log(1-v)-1.5) {
			hit = 1
		}
		p, y = append(p, v), append(y, hit)
	}
	b, err := FitBeta(twoLabels(p, y))
	if err != nil || b.GetA() != 0 || !(b.GetB() > 0.5) {
		t.Errorf("got %v, %v", b, err)
	}
}

func TestFitRefuses(t *testing.T) {
	good := overconfident(1, 200, 2, 0.5)
	with := func(edit func(*Sample)) Sample {
		s := good.Pick(seq(len(good.Probs)))
		edit(&s)
		return s
	}
	right := with(func(s *Sample) {
		for i, row := range s.Probs {
			s.Truth[i] = topOf(row)
		}
	})
	upside := with(func(s *Sample) {
		for i, row := range s.Probs {
			s.Truth[i] = 1 - topOf(row)
		}
	})
	for _, tc := range []struct {
		method Method
		sample Sample
		want   string
	}{
		{"magic", good, `"magic" is no method; use one of temperature, platt, isotonic, beta, venn-abers`},
		{MethodPlatt, with(func(s *Sample) { s.Probs[3] = []float64{math.NaN(), 1} }), "row 4: probability 1 is NaN, outside of [0,1]"},
		{MethodPlatt, with(func(s *Sample) { s.Probs[3] = []float64{1, 1} }), "row 4: the probabilities sum to 2, not to 1"},
		{MethodPlatt, with(func(s *Sample) { s.Probs[3] = []float64{1} }), "row 4: 1 probabilities for 2 labels"},
		{MethodPlatt, with(func(s *Sample) { s.Truth[0] = 2 }), "row 1: the true label's index 2 is outside of 0 to 1"},
		{MethodPlatt, with(func(s *Sample) { s.Truth = s.Truth[1:] }), "200 rows of probabilities, 199 true labels"},
		{MethodPlatt, with(func(s *Sample) { s.Labels = []string{"a", "a"} }), `label "a" is there twice`},
		{MethodPlatt, Sample{}, "there are 0 labels"},
		{MethodPlatt, with(func(s *Sample) { clear(s.Truth) }), `every row has the label "a"`},
		{MethodTemperature, with(func(s *Sample) { clear(s.Truth) }), `every row has the label "a"`},
		{MethodTemperature, right, "the best temperature is below 0.01"},
		{MethodTemperature, upside, "the best temperature is above 100"},
		{MethodPlatt, upside, "falls as the score rises"},
		{MethodBeta, right, "the scores separate"},
		{MethodBeta, good.Pick(seq(29)), "method beta needs at least 30 rows, there are 29"},
		{MethodVennAbers, good.Pick(seq(99)), "method venn-abers needs at least 100 rows, there are 99"},
		{MethodPlatt, good.Pick(nil), "method platt needs at least 20 rows, there are 0"},
	} {
		if _, err := Fit(tc.method, tc.sample); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want %s", tc.method, err, tc.want)
		}
	}
	var bad *SampleError
	if _, err := Fit(MethodPlatt, with(func(s *Sample) { s.Probs[3] = []float64{-1, 2} })); !errors.As(err, &bad) || bad.Row != 3 {
		t.Errorf("got %v", err)
	}
	// Platt's targets keep his curve finite where the others give up.
	c, _ := fitted(t, MethodPlatt, right)
	if p := c.Apply(nil, []float64{0.001, 0.999})[1]; !(p > 0.9 && p < 1) {
		t.Errorf("separated classes: %v", p)
	}
	many := overconfident(1, 200, 3, 0.5)
	for i, row := range many.Probs {
		many.Truth[i] = topOf(row)
	}
	if _, err := Fit(MethodPlatt, many); err == nil || !strings.Contains(err.Error(), "every row's answer is right") {
		t.Errorf("got %v", err)
	}
}

func seq(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}
