package combine

import (
	"math"
	"math/rand/v2"
	"testing"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// Worked by hand: sqrt(.9·.5) : sqrt(.1·.5) = 3 : 1.
func TestLogPoolByHand(t *testing.T) {
	near(t, "pool", LogPool([][]float64{{.9, .1}, {.5, .5}}, nil), []float64{.75, .25}, 1e-12)
	near(t, "weighted", LogPool([][]float64{{.9, .1}, {.5, .5}}, []float64{2, 2}), []float64{.75, .25}, 1e-12)
	near(t, "one has all weight", LogPool([][]float64{{.9, .1}, {.5, .5}}, []float64{1, 0}), []float64{.9, .1}, 1e-12)
}

func TestMeanByHand(t *testing.T) {
	near(t, "mean", Mean([][]float64{{.9, .1}, {.5, .5}}, nil), []float64{.7, .3}, 1e-12)
	near(t, "weighted", Mean([][]float64{{.9, .1}, {.5, .5}}, []float64{3, 1}), []float64{.8, .2}, 1e-12)
}

// A stacking model whose coefficients are the weights, one for each label of each member, is the logarithmic pool.
func TestStackOfWeightsIsThePool(t *testing.T) {
	members := [][]float64{{.7, .2, .1}, {.2, .5, .3}}
	weights := []float64{.6, .4}
	s := &candorv1.Stacking{Intercepts: make([]float64, 3), Coefficients: make([]float64, 18)}
	for k := range 3 {
		for m := range 2 {
			s.Coefficients[k*6+m*3+k] = weights[m]
		}
	}
	near(t, "stack", Stack(s, members), LogPool(members, weights), 1e-12)
}

// Whatever the members say, zeros and ones included, pools are probabilities; equal members are their pool; and the order of the
// labels makes no difference.
func TestPoolsAreProbabilities(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		labels, n := 2+rng.IntN(5), 1+rng.IntN(4)
		members, weights := make([][]float64, n), make([]float64, n)
		for m := range members {
			members[m] = randomProbs(rng, labels)
			weights[m] = rng.Float64() + 1e-3
		}
		pools := map[string]func([][]float64, []float64) []float64{"mean": Mean, "log pool": LogPool}
		for name, pool := range pools {
			p := pool(members, weights)
			sum := 0.0
			for _, v := range p {
				if !(v >= 0 && v <= 1+1e-12) {
					t.Fatalf("%s of %v: %v", name, members, p)
				}
				sum += v
			}
			if math.Abs(sum-1) > 1e-9 {
				t.Fatalf("%s of %v sums to %v", name, members, sum)
			}
			same := pool([][]float64{p, p}, []float64{.3, .7})
			near(t, name+" of equals", same, p, 1e-6)
			swapped := make([][]float64, n)
			for m, q := range members {
				swapped[m] = append([]float64{q[labels-1]}, q[:labels-1]...)
			}
			near(t, name+" in another order", pool(swapped, weights), append([]float64{p[labels-1]}, p[:labels-1]...), 1e-12)
		}
	}
}

// randomProbs now and then has zeros.
func randomProbs(rng *rand.Rand, labels int) []float64 {
	p := make([]float64, labels)
	for k := range p {
		if rng.IntN(4) > 0 {
			p[k] = rng.ExpFloat64()
		}
	}
	p[rng.IntN(labels)] += .1
	return normalise(p)
}

// A member that gives a label nothing must not end the others' say for good.
func TestLogPoolOfZero(t *testing.T) {
	p := LogPool([][]float64{{0, 1}, {1, 0}, {1, 0}}, nil)
	if !(p[0] > .99) {
		t.Errorf("two of three are certain of the first label, the pool says %v", p)
	}
	for _, v := range LogPool([][]float64{{0, 1}, {1, 0}}, nil) {
		if math.Abs(v-.5) > 1e-9 {
			t.Errorf("two certain opposites: %v", v)
		}
	}
}

func TestCheckRefusesWhatIsNoModel(t *testing.T) {
	for name, err := range map[string]error{
		"too few coefficients": CheckStacking(&candorv1.Stacking{Coefficients: make([]float64, 7), Intercepts: make([]float64, 2)}, 2, 2),
		"too few intercepts":   CheckStacking(&candorv1.Stacking{Coefficients: make([]float64, 8), Intercepts: make([]float64, 1)}, 2, 2),
		"NaN":                  CheckStacking(&candorv1.Stacking{Coefficients: make([]float64, 8), Intercepts: []float64{math.NaN(), 0}}, 2, 2),
		"no weights":           CheckWeights(nil, 2),
		"a negative weight":    CheckWeights(&candorv1.EnsembleWeights{Weights: []float64{-1, 2}}, 2),
		"a sum of 2":           CheckWeights(&candorv1.EnsembleWeights{Weights: []float64{1, 1}}, 2),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
