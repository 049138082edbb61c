package calibration

import (
	"sort"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// FitVennAbers fits an inductive Venn-Abers predictor (Vovk & Petej, UAI 2014; Vovk, Petej & Fedorova, NeurIPS 2015). For a
// new score it has two probabilities, p0 and p1: what isotonic regression says of it when it joins the rows with label 0 or
// label 1. One of them is calibrated; p1/(1-p0+p1), which is what is applied, loses least of the two in logarithmic loss.
//
// A new score between x[i] and x[i+1] has p0[i] and p1[i+1]: with label 0 it is the same to stand before x[i+1] as to be
// equal to x[i], and with label 1 the other way round. Below the first p0 is 0, above the last p1 is 1.
func FitVennAbers(s Sample) (*candorv1.VennAbers, error) {
	p, err := s.onePair()
	if err != nil {
		return nil, err
	}
	points := p.points()
	before, after := prefixes(points), suffixes(points)
	n := len(points)
	p0, p1 := make([]float64, n), make([]float64, n)
	for i := range points {
		p0[i] = joined(points, before, after, i, 0)
		p1[i] = joined(points, before, after, i, 1)
	}
	out := &candorv1.VennAbers{}
	for i := range points {
		// A point that reads as the gaps around it says nothing.
		if i > 0 && i < n-1 && p0[i] == p0[i-1] && p1[i] == p1[i+1] {
			continue
		}
		out.X, out.P0, out.P1 = append(out.X, points[i].x), append(out.P0, p0[i]), append(out.P1, p1[i])
	}
	return out, nil
}

// prefixes answers for each i the last block of the isotonic fit of points 0 to i; the block before it ends where it begins,
// and is the last one of that prefix.
func prefixes(points []block) []block {
	last := make([]block, len(points))
	for i, b := range points {
		for b.first > 0 && last[b.first-1].atLeast(b) {
			b = last[b.first-1].join(b)
		}
		last[i] = b
	}
	return last
}

// suffixes answers for each i the first block of the isotonic fit of the points from i on.
func suffixes(points []block) []block {
	first := make([]block, len(points))
	for i := len(points) - 1; i >= 0; i-- {
		b := points[i]
		for b.after < len(points) && b.atLeast(first[b.after]) {
			b = b.join(first[b.after])
		}
		first[i] = b
	}
	return first
}

// joined is the isotonic fit at point i when one row more stands there, a hit or not.
func joined(points, before, after []block, i, hit int) float64 {
	b := points[i]
	b.rows++
	b.hits += hit
	for {
		switch {
		case b.first > 0 && before[b.first-1].atLeast(b):
			b = before[b.first-1].join(b)
		case b.after < len(points) && b.atLeast(after[b.after]):
			b = b.join(after[b.after])
		default:
			return b.mean()
		}
	}
}

// interval is a Venn-Abers predictor.
type interval struct{ x, p0, p1 []float64 }

func (f interval) at(p, _ float64) float64 {
	p0, p1 := f.bounds(p)
	return p1 / (1 - p0 + p1)
}

// bounds are p0 and p1.
func (f interval) bounds(p float64) (p0, p1 float64) {
	i := sort.SearchFloat64s(f.x, p)
	p1 = 1
	if i < len(f.x) {
		p1 = f.p1[i]
	}
	switch {
	case i < len(f.x) && f.x[i] == p:
		p0 = f.p0[i]
	case i > 0:
		p0 = f.p0[i-1]
	}
	return p0, p1
}
