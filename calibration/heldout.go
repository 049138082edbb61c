package calibration

import (
	"fmt"
	"math"
	"slices"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

const (
	// topFactor times the rows that are needed without any error is what the first level keeps: the test stops at its first
	// failure, so a finer top is hopeless.
	topFactor = 4
	// DefaultLevels is the size of a grid; more cost nothing but time, for the test spends its delta on all of them at once.
	DefaultLevels = 50
)

// RowsToCertify is how many test rows the first level must keep.
func RowsToCertify(alpha, delta float64) uint64 { return topFactor * RowsWithoutError(alpha, delta) }

// Grid answers at most levels thresholds, descending: quantiles of confidences whose labels nobody has looked at, so that the first
// keeps about RowsToCertify of rows test rows, and the last all. confidences must not be those of the rows that are tested,
// or be taken of them before their labels are known. Errors: *RowsError; confidences outside of [0,1].
func Grid(confidences []float64, rows int, alpha, delta float64, levels int) ([]float64, error) {
	if err := checkPromise(alpha, delta); err != nil {
		return nil, err
	}
	if levels < 1 {
		return nil, fmt.Errorf("levels: is %d; a grid has at least 1", levels)
	}
	need := RowsToCertify(alpha, delta)
	if rows < 0 || uint64(rows) < need {
		return nil, &RowsError{fmt.Sprintf("a certificate with alpha %g and delta %g", alpha, delta), rows, int(need)}
	}
	if len(confidences) == 0 {
		return nil, &RowsError{"a grid", 0, 1}
	}
	sorted := slices.Clone(confidences)
	slices.Sort(sorted)
	slices.Reverse(sorted)
	// NaN sorts first, and is last now.
	if first, last := sorted[0], sorted[len(sorted)-1]; !(last >= 0 && first <= 1) {
		return nil, fmt.Errorf("confidences from %v to %v; they are in [0,1]", last, first)
	}
	top := float64(need) / float64(rows)
	var grid []float64
	for j := range levels {
		share := top
		if levels > 1 {
			share += (1 - top) * float64(j) / float64(levels-1)
		}
		keep := min(len(sorted), max(1, int(math.Ceil(share*float64(len(sorted))-1e-9))))
		if v := sorted[keep-1]; len(grid) == 0 || v < grid[len(grid)-1] {
			grid = append(grid, v)
		}
	}
	return grid, nil
}

// Certify is the fixed-sequence test with the exact binomial (Learn then Test, Angelopoulos et al. 2021): down a grid that was
// fixed without looking at labels it counts n rows at or above the level, and k errors among them, and goes on while
// P(Bin(n, alpha) <= k) <= delta. The threshold is the last level that passed; absent: none did, and nothing may be accepted.
// With probability at least 1-delta the error rate of rows at or above it is at most alpha. It costs no correction that there
// are many levels, because it stops at the first that fails.
//
// confidences are in [0,1]; wrong says of each row whether its answer is an error. The certificate has the levels up to the first
// that failed. Errors name what can't be.
func Certify(grid, confidences []float64, wrong []bool, alpha, delta float64) (*candorv1.HeldOutCertificate, error) {
	if err := checkPromise(alpha, delta); err != nil {
		return nil, err
	}
	if len(grid) == 0 {
		return nil, fmt.Errorf("the grid is empty; make one of unlabelled confidences")
	}
	for j, v := range grid {
		if !(v >= 0 && v <= 1) || j > 0 && v >= grid[j-1] {
			return nil, fmt.Errorf("grid[%d]: %v; a grid descends within [0,1]", j, v)
		}
	}
	if len(confidences) != len(wrong) {
		return nil, fmt.Errorf("%d confidences for %d rows", len(confidences), len(wrong))
	}
	for i, c := range confidences {
		if !(c >= 0 && c <= 1) {
			return nil, &SampleError{i, fmt.Sprintf("confidence %v is outside of [0,1]", c)}
		}
	}
	out := &candorv1.HeldOutCertificate{Alpha: alpha, Delta: delta}
	for _, at := range grid {
		level := &candorv1.HeldOutLevel{Threshold: at}
		for i, c := range confidences {
			if c < at {
				continue
			}
			level.Rows++
			if wrong[i] {
				level.Errors++
			}
		}
		level.PValue = BinomialTail(level.Errors, level.Rows, alpha)
		level.Passed = level.PValue <= delta
		out.Levels = append(out.Levels, level)
		if !level.Passed {
			break
		}
		out.Threshold = &level.Threshold
	}
	if out.Threshold != nil {
		threshold := *out.Threshold
		out.Threshold = &threshold
	}
	return out, nil
}

func checkPromise(alpha, delta float64) error {
	if !(alpha > 0 && alpha < 1) {
		return fmt.Errorf("alpha: is %v; the promised error rate is above 0 and below 1", alpha)
	}
	if !(delta > 0 && delta < 1) {
		return fmt.Errorf("delta: is %v; the probability with which the promise may fail is above 0 and below 1", delta)
	}
	return nil
}
