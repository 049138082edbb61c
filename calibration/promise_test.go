package calibration

import (
	"math"
	"math/rand/v2"
	"os"
	"testing"
)

// A world with a closed form: X ~ U(-3,3), P(y=1) = σ(2X), the answer is the more probable label, and its probability is the
// confidence. With d = ln(τ/(1-τ))/2 the rows at or above τ are those with |X| >= d, so that the error rate among them is
// 1 - [ln(1+e^6) - ln(1+e^2d)] / (2(3-d)).
func worldRisk(tau float64) float64 {
	if tau <= 0.5 {
		tau = 0.5
	}
	d := math.Log(tau/(1-tau)) / 2
	return 1 - (softplus(6)-softplus(2*d))/(2*(3-d))
}

func worldRow(rng *rand.Rand) (confidence float64, wrong bool) {
	x := 6*rng.Float64() - 3
	p := sigmoid(2 * x)
	confidence = math.Max(p, 1-p)
	return confidence, rng.Float64() >= confidence
}

func worldRows(rng *rand.Rand, n int) (confidences []float64, wrong []bool) {
	for range n {
		c, w := worldRow(rng)
		confidences, wrong = append(confidences, c), append(wrong, w)
	}
	return confidences, wrong
}

// lowestEmpirical is the rule that people use: the lowest threshold whose error rate on the set is at most alpha.
func lowestEmpirical(confidences []float64, wrong []bool, alpha float64) float64 {
	rows := make([]judged, len(wrong))
	for i := range rows {
		rows[i] = judged{confidences[i], wrong[i]}
	}
	descend(rows)
	best, errors := math.Inf(1), 0
	for i, r := range rows {
		if r.wrong {
			errors++
		}
		if float64(errors) <= alpha*float64(i+1) {
			best = r.confidence
		}
	}
	return best
}

// The promise is kept in at least 1-delta of all held-out sets, within the error of counting; the usual rule breaks it about every
// second time. Both are held against the true risk, which is known here.
func TestThePromiseIsKept(t *testing.T) {
	const alpha, delta, n = 0.05, 0.05, 2000
	runs := 500
	if os.Getenv("CANDOR_LONG") != "" {
		runs = 5000
	}
	rng := rand.New(rand.NewPCG(5, 6))
	broken, brokenByUse, coverage := 0, 0, 0.0
	for range runs {
		unlabelled, _ := worldRows(rng, 1000)
		confidences, wrong := worldRows(rng, n)
		grid, err := Grid(unlabelled, n, alpha, delta, DefaultLevels)
		if err != nil {
			t.Fatal(err)
		}
		cert, err := Certify(grid, confidences, wrong, alpha, delta)
		if err != nil {
			t.Fatal(err)
		}
		if cert.Threshold != nil {
			tau := cert.GetThreshold()
			if worldRisk(tau) > alpha {
				broken++
			}
			coverage += (3 - math.Log(tau/(1-tau))/2) / 3 / float64(runs)
		}
		if tau := lowestEmpirical(confidences, wrong, alpha); !math.IsInf(tau, 1) && worldRisk(tau) > alpha {
			brokenByUse++
		}
	}
	// So many runs broken would be seen by chance in fewer than one of 10,000 tests if the rate were delta.
	limit := 0
	for BinomialTail(uint64(limit), uint64(runs), delta) < 1-1e-4 {
		limit++
	}
	t.Logf("of %d held-out sets the certified threshold broke the promise in %d, the lowest empirical one in %d; coverage %.3f", runs, broken, brokenByUse, coverage)
	if broken > limit {
		t.Errorf("broken in %d of %d, more than %d", broken, runs, limit)
	}
	if brokenByUse < runs/3 {
		t.Errorf("the empirical rule was broken in only %d of %d: this test could not tell", brokenByUse, runs)
	}
	// A rule that accepts nothing would keep the promise, too. The oracle's coverage is that of risk = alpha.
	low, high := 0.5, 1-1e-9
	for range 100 {
		if mid := (low + high) / 2; worldRisk(mid) > alpha {
			low = mid
		} else {
			high = mid
		}
	}
	oracle := (3 - math.Log(high/(1-high))/2) / 3
	if coverage < 0.8*oracle {
		t.Errorf("coverage %.3f of the oracle's %.3f", coverage, oracle)
	}
}
