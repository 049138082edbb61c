package simulate

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/candor-gateway/candor/calibration/certificate"
)

// World makes rows. The zero World is the closed form, without drift, each row a call of its own.
type World struct {
	// Batch is the rows of a call; they share a fate: the same confidence, and right or wrong together. 0: 1.
	Batch int
	// Flip is a probability in [0, 0.5] with which an answer's being right or wrong is turned over.
	Flip float64
	// DriftRow is the row from which DriftFlip is in force instead of Flip; 0: never.
	DriftRow  int
	DriftFlip float64
	// Level is the probability that an answer is wrong whatever its confidence, in place of 1 - confidence; 0: as the
	// confidence says.
	Level float64
	// Held is a confidence from which on an action limit holds answers for a person to look at, for certain; 0: none.
	Held float64
	// Recorded rows are played once, in their order, in place of the closed form. Shared, not changed.
	Recorded *Recording
}

// span of X: it is uniform on (-span, span).
const span = 3

func (w *World) check() error {
	switch {
	case w.Batch < 0 || w.Batch > 4096:
		return fmt.Errorf("batch is %d; a call has 1 to 4096 rows", w.Batch)
	case !(w.Flip >= 0 && w.Flip <= .5) || !(w.DriftFlip >= 0 && w.DriftFlip <= .5):
		return errors.New("a flip is a probability from 0 to 0.5: more would make the least certain rows the best")
	case w.DriftRow < 0:
		return fmt.Errorf("the drift begins at row %d; rows count from 0", w.DriftRow)
	case !(w.Level >= 0 && w.Level < 1):
		return fmt.Errorf("an error rate of %v whatever the confidence; it is in [0,1)", w.Level)
	case !(w.Held >= 0 && w.Held <= 1):
		return fmt.Errorf("rows are held from a confidence of %v; it is in [0,1]", w.Held)
	case w.Recorded != nil && (w.Batch > 1 || w.Flip > 0 || w.DriftRow > 0 || w.Level > 0):
		return errors.New("recorded rows are played as they are: leave out batch, flip, drift and level")
	}
	return nil
}

// row makes call number i, which has one confidence and one fate.
func (w *World) row(rng *rand.Rand, i int) (confidence float64, wrong bool) {
	if w.Recorded != nil {
		r := w.Recorded.rows[i]
		return r.confidence, r.wrong
	}
	confidence = 1 / (1 + math.Exp(-2*span*rng.Float64()))
	p := 1 - confidence
	if w.Level > 0 {
		p = w.Level
	}
	f := w.flip(i)
	return confidence, rng.Float64() < p+f*(1-2*p)
}

// flip in force at a row.
func (w *World) flip(row int) float64 {
	if w.DriftRow > 0 && row >= w.DriftRow {
		return w.DriftFlip
	}
	return w.Flip
}

// Risk is the probability that an answer is wrong among rows with a confidence of tau or more, at row i: with d = ½ ln(τ/(1-τ)),
// 1 - [ln(1+e⁶) - ln(1+e^2d)]/(2(3-d)). Of recorded rows: the share among all of them. 0 where there are no such rows.
func (w *World) Risk(tau float64, i int) float64 {
	if w.Recorded != nil {
		return w.Recorded.risk(tau)
	}
	d := logit(tau)
	if d >= span {
		return 0
	}
	risk := w.Level
	if risk == 0 {
		risk = 1 - (math.Log1p(math.Exp(2*span))-math.Log1p(math.Exp(2*d)))/(2*(span-d))
	}
	f := w.flip(i)
	return risk + f*(1-2*risk)
}

// Coverage is the share of rows with a confidence of tau or more: (3-d)/3.
func (w *World) Coverage(tau float64) float64 {
	if w.Recorded != nil {
		return w.Recorded.coverage(tau)
	}
	return (span - logit(tau)) / span
}

// logit is d, within [0, span]: confidences begin at ½.
func logit(tau float64) float64 {
	return min(max(math.Log(tau/(1-tau))/2, 0), span)
}

// Oracle is the coverage of the lowest threshold that keeps alpha before any drift, for one who knows the world; reviewerError
// as in [Team].
func (w *World) Oracle(alpha, reviewerError float64) float64 {
	keeps := func(tau float64) bool { return certificate.MeasuredRisk(w.Risk(tau, 0), reviewerError) <= alpha }
	if w.Recorded != nil {
		return w.Recorded.oracle(keeps)
	}
	confidence := func(d float64) float64 { return 1 / (1 + math.Exp(-2*d)) }
	low, high := 0.0, span-1e-9
	switch {
	case keeps(confidence(low)):
		return 1
	case !keeps(confidence(high)):
		return 0
	}
	// The risk falls as the threshold rises.
	for range 60 {
		if mid := (low + high) / 2; keeps(confidence(mid)) {
			high = mid
		} else {
			low = mid
		}
	}
	return w.Coverage(confidence(high))
}
