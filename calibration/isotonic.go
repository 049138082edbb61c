package calibration

import (
	"slices"
	"sort"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// FitIsotonic fits the monotone step function with the least squared error by pooling adjacent violators (Ayer et al. 1955;
// Zadrozny & Elkan 2002); rows of one score count as one point. Between points it is linear, beyond them constant, as in
// scikit-learn's IsotonicRegression(out_of_bounds="clip").
func FitIsotonic(s Sample) (*candorv1.Isotonic, error) {
	p, err := s.onePair()
	if err != nil {
		return nil, err
	}
	points := p.points()
	fit := pool(points)
	out := &candorv1.Isotonic{}
	for i, b := range points {
		// Inner points of a level say nothing.
		if i > 0 && i < len(points)-1 && fit[i] == fit[i-1] && fit[i] == fit[i+1] {
			continue
		}
		out.X, out.Y = append(out.X, b.x), append(out.Y, fit[i])
	}
	return out, nil
}

// block is rows next to one another: the score of the first, how many there are, and how many hits among them. The counts are
// whole numbers, so that means can be compared exactly.
type block struct {
	x            float64
	rows, hits   int
	first, after int // points from first to below after
}

// higher says whether the mean of a is at least that of b.
func (a block) atLeast(b block) bool { return a.hits*b.rows >= b.hits*a.rows }

func (a block) mean() float64 { return float64(a.hits) / float64(a.rows) }

// join appends the next block.
func (a block) join(b block) block {
	return block{x: a.x, rows: a.rows + b.rows, hits: a.hits + b.hits, first: a.first, after: b.after}
}

// points are the distinct scores, ascending.
func (p pairs) points() []block {
	order := make([]int, len(p.p))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		switch {
		case p.p[a] < p.p[b]:
			return -1
		case p.p[a] > p.p[b]:
			return 1
		}
		return 0
	})
	var out []block
	for _, i := range order {
		if n := len(out); n == 0 || out[n-1].x != p.p[i] {
			out = append(out, block{x: p.p[i], first: n, after: n + 1})
		}
		b := &out[len(out)-1]
		b.rows++
		if p.hit[i] {
			b.hits++
		}
	}
	return out
}

// pool answers the isotonic fit at each point.
func pool(points []block) []float64 {
	var stack []block
	for _, b := range points {
		for len(stack) > 0 && stack[len(stack)-1].atLeast(b) {
			b = stack[len(stack)-1].join(b)
			stack = stack[:len(stack)-1]
		}
		stack = append(stack, b)
	}
	fit := make([]float64, len(points))
	for _, b := range stack {
		for i := b.first; i < b.after; i++ {
			fit[i] = b.mean()
		}
	}
	return fit
}

// steps is an isotonic fit, linear between its points.
type steps struct{ x, y []float64 }

func (f steps) at(p, _ float64) float64 {
	// i is the first point that is not below p.
	i := sort.SearchFloat64s(f.x, p)
	switch {
	case i == len(f.x):
		return f.y[i-1]
	case i == 0 || f.x[i] == p:
		return f.y[i]
	}
	// Points next to one another can be closer than their difference can tell; the weight stays in [0,1].
	weight := (p - f.x[i-1]) / (f.x[i] - f.x[i-1])
	return f.y[i-1] + weight*(f.y[i]-f.y[i-1])
}
