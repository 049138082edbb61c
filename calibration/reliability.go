package calibration

import (
	"cmp"
	"math"
	"slices"
)

// judged is a row's confidence, and whether its answer is an error.
type judged struct {
	confidence float64
	wrong      bool
}

// descend sorts by confidence, the largest first.
func descend(rows []judged) {
	slices.SortStableFunc(rows, func(a, b judged) int { return cmp.Compare(b.confidence, a.confidence) })
}

// widthBins puts rows into bins (i/15, (i+1)/15]; empty ones are left out.
func widthBins(rows []judged) []Bin {
	var members [Bins][]judged
	for _, r := range rows {
		i := int(math.Ceil(r.confidence*Bins)) - 1
		i = min(max(i, 0), Bins-1)
		members[i] = append(members[i], r)
	}
	var out []Bin
	for i, m := range members {
		if len(m) > 0 {
			out = append(out, binOf(m, float64(i)/Bins, float64(i+1)/Bins))
		}
	}
	return out
}

// massBins cuts rows, sorted by descending confidence, into bins of equal numbers. Rows of one confidence stay together, so that
// the result doesn't depend on their order.
func massBins(rows []judged) []Bin {
	var out []Bin
	start := 0
	for i := 1; i <= Bins; i++ {
		end := max(start, i*len(rows)/Bins)
		for end > start && end < len(rows) && rows[end].confidence == rows[end-1].confidence {
			end++
		}
		if end > start {
			m := rows[start:end]
			out = append(out, binOf(m, m[len(m)-1].confidence, m[0].confidence))
		}
		start = end
	}
	slices.Reverse(out)
	return out
}

func binOf(rows []judged, low, high float64) Bin {
	b := Bin{Low: low, High: high, Rows: len(rows)}
	right := 0
	for _, r := range rows {
		b.Confidence += r.confidence / float64(len(rows))
		if !r.wrong {
			right++
		}
	}
	b.Accuracy = float64(right) / float64(len(rows))
	return b
}

// ece is the expected calibration error of bins over n rows (Naeini et al. 2015).
func ece(bins []Bin, n int) float64 {
	sum := 0.0
	for _, b := range bins {
		sum += float64(b.Rows) / float64(n) * math.Abs(b.Accuracy-b.Confidence)
	}
	return sum
}
