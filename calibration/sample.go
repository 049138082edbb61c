package calibration

import (
	"fmt"
	"math"
	"slices"
)

// Sample is held-out rows: what a model said, and what was true. It is never changed by this package.
type Sample struct {
	// Labels of the model, at least two, all different.
	Labels []string
	// Probs has a row for each example, in the order of Labels; each sums to 1.
	Probs [][]float64
	// Truth is the index of the true label of each row.
	Truth []int
	// Answers is the index of the label that each row was answered with; nil: that of the largest probability.
	Answers []int
}

// sumTolerance is how far the sum of a row may be from 1: FP16 scores over a thousand labels stay within it.
const sumTolerance = 1e-3

// SampleError says which row of a sample can't be used, and why.
type SampleError struct {
	// Row counts from 0; -1: the sample as a whole.
	Row     int
	Problem string
}

func (e *SampleError) Error() string {
	if e.Row < 0 {
		return e.Problem
	}
	return fmt.Sprintf("row %d: %s", e.Row+1, e.Problem)
}

// Check answers a *SampleError for the first thing in the sample that can't be: NaN, a probability outside of [0,1], a row that
// doesn't sum to 1 within 0.001, a label that isn't there.
func (s Sample) Check() error {
	k, n := len(s.Labels), len(s.Probs)
	whole := func(format string, args ...any) error { return &SampleError{-1, fmt.Sprintf(format, args...)} }
	if k < 2 {
		return whole("there are %d labels; calibration needs at least 2", k)
	}
	for i, l := range s.Labels {
		if slices.Contains(s.Labels[:i], l) {
			return whole("label %q is there twice", l)
		}
	}
	if len(s.Truth) != n || s.Answers != nil && len(s.Answers) != n {
		return whole("%d rows of probabilities, %d true labels, %d answers", n, len(s.Truth), len(s.Answers))
	}
	for i, row := range s.Probs {
		if problem := checkRow(row, k); problem != "" {
			return &SampleError{i, problem}
		}
		if t := s.Truth[i]; t < 0 || t >= k {
			return &SampleError{i, fmt.Sprintf("the true label's index %d is outside of 0 to %d", t, k-1)}
		}
		if s.Answers != nil && (s.Answers[i] < 0 || s.Answers[i] >= k) {
			return &SampleError{i, fmt.Sprintf("the answer's index %d is outside of 0 to %d", s.Answers[i], k-1)}
		}
	}
	return nil
}

// checkRow says what is wrong with one row of k probabilities; empty: nothing.
func checkRow(row []float64, k int) string {
	if len(row) != k {
		return fmt.Sprintf("%d probabilities for %d labels", len(row), k)
	}
	sum := 0.0
	for j, p := range row {
		// Written so that NaN fails it.
		if !(p >= 0 && p <= 1+sumTolerance) {
			return fmt.Sprintf("probability %d is %v, outside of [0,1]", j+1, p)
		}
		sum += p
	}
	if math.Abs(sum-1) > sumTolerance {
		return fmt.Sprintf("the probabilities sum to %.6g, not to 1 within %g", sum, sumTolerance)
	}
	return ""
}

// answer is the label that row i was answered with.
func (s Sample) answer(i int) int {
	if s.Answers != nil {
		return s.Answers[i]
	}
	return topOf(s.Probs[i])
}

// Confidence is the probability of row i's answer, Wrong whether the answer isn't the true label.
func (s Sample) Confidence(i int) float64 { return math.Min(1, s.Probs[i][s.answer(i)]) }

// Wrong says whether row i's answer is not the true label.
func (s Sample) Wrong(i int) bool { return s.answer(i) != s.Truth[i] }

// Pick answers the rows of these indices, in that order. It shares the rows' memory.
func (s Sample) Pick(rows []int) Sample {
	out := Sample{Labels: s.Labels}
	for _, i := range rows {
		out.Probs = append(out.Probs, s.Probs[i])
		out.Truth = append(out.Truth, s.Truth[i])
		if s.Answers != nil {
			out.Answers = append(out.Answers, s.Answers[i])
		}
	}
	return out
}

// topOf is the index of the largest, the first of equals.
func topOf(probs []float64) int {
	top := 0
	for i, p := range probs {
		if p > probs[top] {
			top = i
		}
	}
	return top
}

// pairs are what a calibrator of one number is fitted to.
type pairs struct {
	// p is the probability, rest the sum of all others: 1-p without the rounding.
	p, rest []float64
	// hit: the label of p is the true one.
	hit []bool
}

// pairs answers the second of two labels, or the top label of more.
func (s Sample) pairs() pairs {
	var out pairs
	for i, row := range s.Probs {
		j := target(row)
		out.p = append(out.p, math.Min(1, row[j]))
		out.rest = append(out.rest, others(row, j))
		out.hit = append(out.hit, s.Truth[i] == j)
	}
	return out
}

// target is the index whose probability a calibrator of one number maps.
func target(row []float64) int {
	if len(row) == 2 {
		return 1
	}
	return topOf(row)
}

func others(row []float64, j int) float64 {
	sum := 0.0
	for i, p := range row {
		if i != j {
			sum += p
		}
	}
	return math.Min(1, sum)
}

func (p pairs) hits() int {
	n := 0
	for _, h := range p.hit {
		if h {
			n++
		}
	}
	return n
}
