package monitor

import (
	"cmp"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

// pair is how often something was seen in two samples.
type pair struct{ a, b float64 }

func (p pair) plus(q pair) pair { return pair{p.a + q.a, p.b + q.b} }

// pairs of the counts of two samples, without those that neither has, and their sum.
func pairs(a, b []uint32) (seen []pair, total pair) {
	for i := range a {
		if p := (pair{float64(a[i]), float64(b[i])}); p != (pair{}) {
			seen, total = append(seen, p), total.plus(p)
		}
	}
	return seen, total
}

// pearson is the χ² of homogeneity that two samples are of one distribution over these groups, its degrees of freedom, and its
// p-value. df is 0 when fewer than two groups or no two samples are there: then nothing can be said.
func pearson(groups []pair, total pair) (chi2 float64, df int, p float64) {
	if len(groups) < 2 || total.a == 0 || total.b == 0 {
		return 0, 0, 1
	}
	for _, g := range groups {
		expectA, expectB := (g.a+g.b)*total.a/(total.a+total.b), (g.a+g.b)*total.b/(total.a+total.b)
		chi2 += (g.a-expectA)*(g.a-expectA)/expectA + (g.b-expectB)*(g.b-expectB)/expectB
	}
	df = len(groups) - 1
	return chi2, df, distuv.ChiSquared{K: float64(df)}.Survival(chi2)
}

// leastExpected is the least count that χ² wants to expect in a cell (Cochran, The χ² Test of Goodness of Fit, 1952).
const leastExpected = 5

// labelShift is pearson over labels. Those so rare that a sample expects fewer than 5 are put together, rarest first; which is by
// both samples' total, so that the choice doesn't depend on how they differ.
func labelShift(a, b []uint32) (chi2 float64, df int, p float64) {
	labels, total := pairs(a, b)
	slices.SortFunc(labels, func(x, y pair) int { return cmp.Compare(x.a+x.b, y.a+y.b) })
	enough := func(g pair) bool {
		return (g.a+g.b)*min(total.a, total.b)/(total.a+total.b) >= leastExpected
	}
	var groups []pair
	var open pair
	// What is left of the rare labels goes to others of their kind, if there are any, rather than to a common one.
	leave := func() {
		if last := len(groups) - 1; last >= 0 {
			groups[last], open = groups[last].plus(open), pair{}
		}
	}
	for _, g := range labels {
		if enough(g) {
			leave()
		}
		if open = open.plus(g); enough(open) {
			groups, open = append(groups, open), pair{}
		}
	}
	leave()
	return pearson(groups, total)
}

// mostMoved is the label whose share changed most, and its shares before and now.
func mostMoved(a, b []uint32) (label int, before, now float64) {
	_, total := pairs(a, b)
	most := -1.0
	for i := range a {
		x, y := float64(a[i])/max(total.a, 1), float64(b[i])/max(total.b, 1)
		if d := max(x-y, y-x); d > most {
			most, label, before, now = d, i, x, y
		}
	}
	return label, before, now
}
