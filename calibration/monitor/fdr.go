package monitor

import "slices"

// rejected is how many of the hypotheses are rejected by the step-up procedure of Benjamini & Hochberg, Controlling the False
// Discovery Rate, JRSS B 57 (1995): the largest k such that k of them have p/level ≤ k/m. ratios are p/level; a hypothesis is
// rejected if its ratio is at most rejected/len(ratios). With one level for all, the expected share of false ones among the
// rejected is at most that level, for independent p-values and for such as depend on one another positively (Benjamini &
// Yekutieli 2001). With several levels, it is at most their mean (Genovese, Roeder & Wasserman 2006). It sorts ratios.
func rejected(ratios []float64) int {
	slices.Sort(ratios)
	for k := len(ratios); k > 0; k-- {
		if ratios[k-1] <= float64(k)/float64(len(ratios)) {
			return k
		}
	}
	return 0
}
