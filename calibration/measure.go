package calibration

import "math"

// Bins of a reliability diagram: as in Guo et al. 2017.
const Bins = 15

// Report says how good the probabilities of a sample are. All numbers are finite.
type Report struct {
	Rows     int     `json:"rows"`
	Accuracy float64 `json:"accuracy"`
	// Brier is the mean squared error of the second of two labels, in [0,1], or summed over the labels of more, in [0,2].
	Brier float64 `json:"brier"`
	// NLL is the mean of -ln p of the true label, in nats.
	NLL float64 `json:"nll"`
	// ECE of the answers' confidences: mean |accuracy - confidence| over bins of equal numbers of rows, and of equal width,
	// weighted by rows.
	ECEMass  float64 `json:"ece_equal_mass"`
	ECEWidth float64 `json:"ece_equal_width"`
	// AURC is the area under the risk-coverage curve: the mean error rate over all coverages (Geifman & El-Yaniv 2017).
	AURC      float64 `json:"aurc"`
	MassBins  []Bin   `json:"equal_mass_bins"`
	WidthBins []Bin   `json:"equal_width_bins"`
	// Curve from the least coverage to 1.
	Curve []Risk `json:"risk_coverage"`
}

// Bin is a point of a reliability diagram.
type Bin struct {
	Low        float64 `json:"low"`
	High       float64 `json:"high"`
	Rows       int     `json:"rows"`
	Confidence float64 `json:"confidence"` // mean
	Accuracy   float64 `json:"accuracy"`
}

// Risk is a point of a risk-coverage curve.
type Risk struct {
	Threshold float64 `json:"threshold"` // accepted from this confidence on
	Coverage  float64 `json:"coverage"`
	Risk      float64 `json:"risk"` // error rate of what is accepted
}

// Measure reports on a sample, which must have passed its Check and have rows.
func Measure(s Sample) Report {
	r := Report{Rows: len(s.Probs)}
	if r.Rows == 0 {
		return r
	}
	n := float64(r.Rows)
	rows := make([]judged, 0, r.Rows)
	for i, row := range s.Probs {
		rows = append(rows, judged{s.Confidence(i), s.Wrong(i)})
		if !s.Wrong(i) {
			r.Accuracy += 1 / n
		}
		r.NLL -= math.Log(math.Max(math.Min(1, row[s.Truth[i]]), vectorFloor)) / n
		for j, p := range row {
			y := 0.0
			if s.Truth[i] == j {
				y = 1
			}
			// With two labels both squares are the same; one counts.
			if len(row) > 2 || j == 1 {
				r.Brier += (p - y) * (p - y) / n
			}
		}
	}
	descend(rows)
	r.WidthBins, r.MassBins = widthBins(rows), massBins(rows)
	r.ECEWidth, r.ECEMass = ece(r.WidthBins, r.Rows), ece(r.MassBins, r.Rows)
	r.Curve, r.AURC = riskCoverage(rows)
	return r
}
