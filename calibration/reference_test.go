package calibration

import (
	"encoding/json"
	"math"
	"os"
	"testing"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// reference is what testdata/reference.py has written: the answers of scipy, scikit-learn, betacal and venn-abers, whose versions it
// names.
type reference struct {
	Binary []struct {
		P, At []float64
		Y     []int
		Platt struct {
			A, B    float64
			Predict []float64
		}
		Isotonic []float64
		Beta     struct {
			A, B    float64
			Predict []float64
			Exact   []float64
		}
		VennAbers   struct{ P0, P1 []float64 } `json:"venn_abers"`
		Temperature float64
		Brier, NLL  float64
	}
	Many struct {
		P                                 [][]float64
		Y                                 []int
		Temperature, NLL, Brier, Accuracy float64
	}
	Bounds []struct {
		K, N                uint64
		Delta, Upper, Lower float64
	}
	Tails []struct {
		K, N    uint64
		P, Tail float64
	}
}

func loadReference(t *testing.T) reference {
	t.Helper()
	data, err := os.ReadFile("testdata/reference.json")
	if err != nil {
		t.Fatal(err)
	}
	var r reference
	if err := json.Unmarshal(data, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

func twoLabels(p []float64, y []int) Sample {
	s := Sample{Labels: []string{"no", "yes"}, Truth: y}
	for _, v := range p {
		s.Probs = append(s.Probs, []float64{1 - v, v})
	}
	return s
}

// fitted is the calibrator of a method, through its artefact as the gateway uses it.
func fitted(t *testing.T, m Method, s Sample) (*Calibrator, *candorv1.Artefact) {
	t.Helper()
	a, err := Fit(m, s)
	if err != nil {
		t.Fatalf("%s: %v", m, err)
	}
	a.Name, a.Version = "test", 1
	c, err := New(a)
	if err != nil {
		t.Fatalf("%s: %v", m, err)
	}
	return c, a
}

func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance) {
		t.Errorf("%s: got %.12g, want %.12g within %g", what, got, want, tolerance)
	}
}

func TestTwoLabelsAgainstReference(t *testing.T) {
	for _, ref := range loadReference(t).Binary {
		s := twoLabels(ref.P, ref.Y)
		at := func(c *Calibrator, p float64) float64 { return c.Apply(nil, []float64{1 - p, p})[1] }

		platt, a := fitted(t, MethodPlatt, s)
		// scikit-learn's L-BFGS stops at a gradient of 1e-6 or so.
		near(t, "platt.a", a.GetPlatt().GetA(), ref.Platt.A, 1e-5)
		near(t, "platt.b", a.GetPlatt().GetB(), ref.Platt.B, 1e-5)
		isotonic, _ := fitted(t, MethodIsotonic, s)
		beta, b := fitted(t, MethodBeta, s)
		for i, w := range []float64{b.GetBeta().GetA(), b.GetBeta().GetB(), b.GetBeta().GetC()} {
			near(t, "beta, solved by scipy", w, ref.Beta.Exact[i], 1e-6)
		}
		// betacal's solver stops early.
		near(t, "beta.a", b.GetBeta().GetA(), ref.Beta.A, 2e-3)
		near(t, "beta.b", b.GetBeta().GetB(), ref.Beta.B, 2e-3)
		venn, _ := fitted(t, MethodVennAbers, s)
		for i, p := range ref.At {
			near(t, "platt", at(platt, p), ref.Platt.Predict[i], 1e-6)
			near(t, "isotonic", at(isotonic, p), ref.Isotonic[i], 1e-9)
			near(t, "beta", at(beta, p), ref.Beta.Predict[i], 5e-4)
			p0, p1 := venn.curve.(interval).bounds(p)
			near(t, "venn-abers p0", p0, ref.VennAbers.P0[i], 1e-12)
			near(t, "venn-abers p1", p1, ref.VennAbers.P1[i], 1e-12)
		}
		_, c := fitted(t, MethodTemperature, s)
		near(t, "temperature", c.GetTemperature().GetTemperature(), ref.Temperature, 1e-6)
		m := Measure(s)
		near(t, "Brier", m.Brier, ref.Brier, 1e-12)
		near(t, "NLL", m.NLL, ref.NLL, 1e-12)
	}
}

func TestManyLabelsAgainstReference(t *testing.T) {
	ref := loadReference(t).Many
	s := Sample{Labels: []string{"a", "b", "c", "d", "e"}, Probs: ref.P, Truth: ref.Y}
	_, a := fitted(t, MethodTemperature, s)
	near(t, "temperature", a.GetTemperature().GetTemperature(), ref.Temperature, 1e-6)
	m := Measure(s)
	near(t, "NLL", m.NLL, ref.NLL, 1e-12)
	near(t, "Brier", m.Brier, ref.Brier, 1e-12)
	near(t, "accuracy", m.Accuracy, ref.Accuracy, 1e-12)
}

func TestBinomialAgainstReference(t *testing.T) {
	ref := loadReference(t)
	for _, b := range ref.Bounds {
		near(t, "upper", UpperBound(b.K, b.N, b.Delta), b.Upper, 1e-10)
		near(t, "lower", LowerBound(b.K, b.N, b.Delta), b.Lower, 1e-10)
	}
	for _, b := range ref.Tails {
		near(t, "tail", BinomialTail(b.K, b.N, b.P), b.Tail, 1e-10)
	}
	// R 4: binom.test(3, 100)$conf.int is 0.006229972 0.085176053; binom.test(0, 59, alternative = "less")$conf.int ends at
	// 0.04950761.
	near(t, "R, two-sided lower", LowerBound(3, 100, 0.025), 0.006229972, 5e-10)
	near(t, "R, two-sided upper", UpperBound(3, 100, 0.025), 0.085176053, 5e-10)
	near(t, "R, 0 of 59", UpperBound(0, 59, 0.05), 0.04950761, 5e-9)
}
