package calibration

import (
	"math"
	"testing"
)

// Five rows of two labels, by hand.
func TestMeasureByHand(t *testing.T) {
	s := twoLabels([]float64{0.9, 0.8, 0.3, 0.6, 0.6}, []int{1, 0, 0, 1, 0})
	r := Measure(s)
	near(t, "accuracy", r.Accuracy, 0.6, 1e-12)
	near(t, "Brier", r.Brier, (0.01+0.64+0.09+0.16+0.36)/5, 1e-12)
	near(t, "NLL", r.NLL, -(math.Log(.9)+math.Log(.2)+math.Log(.7)+math.Log(.6)+math.Log(.4))/5, 1e-12)
	// Confidences .9 .8 .7 .6 .6, right 1 0 1 1 0; .6 falls into (8/15, 9/15], the others into bins of their own.
	near(t, "ECE", r.ECEWidth, (0.1+0.8+0.3)/5+2.0/5*math.Abs(0.5-0.6), 1e-12)
	near(t, "ECE of equal mass", r.ECEMass, r.ECEWidth, 1e-12)
	// Risks of the first 1 to 5: 0, 1/2, 1/3, then half of the pair's one error: 1.5/4, 2/5.
	near(t, "AURC", r.AURC, (0+1.0/2+1.0/3+1.5/4+2.0/5)/5, 1e-12)
	last := r.Curve[len(r.Curve)-1]
	if len(r.Curve) != 4 || last.Coverage != 1 || last.Threshold != 0.6 || math.Abs(last.Risk-0.4) > 1e-12 {
		t.Errorf("curve %v", r.Curve)
	}
}

func TestMeasureCountsEveryRow(t *testing.T) {
	s := overconfident(3, 1234, 4, 0.7)
	r := Measure(s)
	for _, bins := range [][]Bin{r.MassBins, r.WidthBins} {
		n := 0
		for i, b := range bins {
			n += b.Rows
			if !(b.Low <= b.Confidence+1e-12 && b.Confidence <= b.High+1e-12) || i > 0 && b.Low < bins[i-1].High-1e-12 {
				t.Errorf("bin %d: %+v", i, b)
			}
		}
		if n != r.Rows {
			t.Errorf("%d rows in bins, %d in all", n, r.Rows)
		}
	}
	if len(r.MassBins) != Bins || r.MassBins[0].Rows < 82 || r.MassBins[0].Rows > 83 {
		t.Errorf("bins of equal mass: %+v", r.MassBins)
	}
	if len(r.Curve) != curvePoints || r.Curve[0].Coverage > 0.01 || r.Curve[curvePoints-1].Coverage != 1 {
		t.Errorf("the curve has %d points", len(r.Curve))
	}
	if empty := Measure(Sample{}); empty.Rows != 0 || empty.ECEMass != 0 {
		t.Errorf("of nothing: %+v", empty)
	}
	// A zero for what was true is a large number, and no infinity.
	if r := Measure(twoLabels([]float64{0, 1}, []int{1, 0})); math.IsInf(r.NLL, 0) || r.NLL < 100 {
		t.Errorf("NLL %v", r.NLL)
	}
}
