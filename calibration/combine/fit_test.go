package combine

import (
	"encoding/json"
	"math"
	"os"
	"testing"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// reference is what scipy and scikit-learn fit on the same rows; testdata/reference.py makes it.
type reference struct {
	Rows         []Example
	WeightedMean struct {
		Weights []float64
		NLL     float64
	} `json:"weighted_mean"`
	LogPool struct {
		Weights []float64
		NLL     float64
	} `json:"log_pool"`
	Stacking struct {
		L2, NLL                  float64
		Coefficients, Intercepts []float64
	}
	Mean struct{ Accuracy, NLL, Brier float64 }
}

func readReference(t testing.TB) reference {
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

func near(t *testing.T, what string, got, want []float64, tolerance float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d numbers, want %d", what, len(got), len(want))
	}
	for i := range got {
		if !(math.Abs(got[i]-want[i]) <= tolerance) {
			t.Errorf("%s[%d] = %v, want %v", what, i, got[i], want[i])
		}
	}
}

func TestFitAgreesWithOthers(t *testing.T) {
	ref := readReference(t)
	t.Run("weighted mean", func(t *testing.T) {
		p, err := Fit(candorv1.Combiner_COMBINER_WEIGHTED_MEAN, ref.Rows, 0)
		if err != nil {
			t.Fatal(err)
		}
		w := p.Weights.GetWeights()
		near(t, "weights", w, ref.WeightedMean.Weights, 1e-4)
		s := Evaluate(ref.Rows, func(m [][]float64) []float64 { return Mean(m, w) })
		near(t, "NLL", []float64{s.NLL}, []float64{ref.WeightedMean.NLL}, 1e-8)
	})
	t.Run("log pool", func(t *testing.T) {
		p, err := Fit(candorv1.Combiner_COMBINER_LOG_POOL, ref.Rows, 0)
		if err != nil {
			t.Fatal(err)
		}
		w := p.Weights.GetWeights()
		near(t, "weights", w, ref.LogPool.Weights, 1e-4)
		s := Evaluate(ref.Rows, func(m [][]float64) []float64 { return LogPool(m, w) })
		near(t, "NLL", []float64{s.NLL}, []float64{ref.LogPool.NLL}, 1e-8)
	})
	t.Run("stacking", func(t *testing.T) {
		p, err := Fit(candorv1.Combiner_COMBINER_STACKING, ref.Rows, ref.Stacking.L2)
		if err != nil {
			t.Fatal(err)
		}
		near(t, "coefficients", p.Stacking.GetCoefficients(), ref.Stacking.Coefficients, 1e-4)
		near(t, "intercepts", p.Stacking.GetIntercepts(), ref.Stacking.Intercepts, 1e-4)
		s := Evaluate(ref.Rows, func(m [][]float64) []float64 { return Stack(p.Stacking, m) })
		near(t, "NLL", []float64{s.NLL}, []float64{ref.Stacking.NLL}, 1e-6)
		if err := CheckStacking(p.Stacking, 3, 3); err != nil {
			t.Error(err)
		}
	})
	t.Run("mean", func(t *testing.T) {
		s := Evaluate(ref.Rows, func(m [][]float64) []float64 { return Mean(m, nil) })
		near(t, "scores", []float64{s.Accuracy, s.NLL, s.Brier}, []float64{ref.Mean.Accuracy, ref.Mean.NLL, ref.Mean.Brier}, 1e-12)
	})
}

// A member that knows the answer gets all the weight, and one that says the opposite none, though the optimum is at the edge.
func TestFitAtTheEdge(t *testing.T) {
	var rows []Example
	for i := range 40 {
		y := i % 2
		p := []float64{.9, .1}
		q := []float64{.1, .9}
		if y == 1 {
			p, q = q, p
		}
		rows = append(rows, Example{Members: [][]float64{p, q}, Label: y})
	}
	for _, c := range []candorv1.Combiner{candorv1.Combiner_COMBINER_WEIGHTED_MEAN, candorv1.Combiner_COMBINER_LOG_POOL} {
		p, err := Fit(c, rows, 0)
		if err != nil {
			t.Fatal(err)
		}
		near(t, c.String(), p.Weights.GetWeights(), []float64{1, 0}, 1e-4)
		if err := CheckWeights(p.Weights, 2); err != nil {
			t.Error(err)
		}
	}
}

func TestFitRefuses(t *testing.T) {
	good := Example{Members: [][]float64{{.5, .5}, {.1, .9}}, Label: 1}
	mean := candorv1.Combiner_COMBINER_WEIGHTED_MEAN
	for name, c := range map[string]struct {
		combiner candorv1.Combiner
		rows     []Example
		l2       float64
	}{
		"no rows":            {mean, nil, 0},
		"no members":         {mean, []Example{{}}, 0},
		"another number":     {mean, []Example{good, {Members: good.Members[:1]}}, 0},
		"an unknown label":   {mean, []Example{{Members: good.Members, Label: 2}}, 0},
		"NaN":                {mean, []Example{{Members: [][]float64{{math.NaN(), .5}, {.1, .9}}}}, 0},
		"a sum of 2":         {mean, []Example{{Members: [][]float64{{1, 1}, {.1, .9}}}}, 0},
		"nothing to fit":     {candorv1.Combiner_COMBINER_MEAN, []Example{good}, 0},
		"a negative penalty": {candorv1.Combiner_COMBINER_STACKING, []Example{good}, -1},
		"a penalty of NaN":   {candorv1.Combiner_COMBINER_STACKING, []Example{good}, math.NaN()},
	} {
		if _, err := Fit(c.combiner, c.rows, c.l2); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
