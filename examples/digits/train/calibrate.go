package main

import (
	"github.com/candor-gateway/candor/examples/digits"
	"github.com/candor-gateway/candor/examples/digits/internal/exact"
)

// The grid of temperatures.
const (
	lowestTemperature = 0.2
	temperatureStep   = 0.05
	temperatures      = 97 // up to 5
)

// temper is the temperature on the grid with the least Brier score on set, the lowest of equals. A network that fits
// its training data is surer than it should be; dividing its logits by one number mends most of that without changing
// an answer (Guo et al., On Calibration of Modern Neural Networks, ICML 2017, section 4.2). The Brier score stands in
// for their likelihood because it needs no logarithm, and so is the same on every machine.
func temper(m *digits.Model, set digits.Set) (float64, error) {
	logits := make([][]float64, len(set))
	for i, img := range set {
		var err error
		if logits[i], err = m.Logits(img.Pixels); err != nil {
			return 0, err
		}
	}
	best, least := 0.0, 0.0
	p := make([]float64, digits.Classes)
	for i := range temperatures {
		t := lowestTemperature + float64(float64(i)*temperatureStep)
		var brier float64
		for row, img := range set {
			for c, z := range logits[row] {
				p[c] = z / t
			}
			exact.Softmax(p, p)
			p[img.Label]--
			brier += exact.Dot(p, p)
		}
		if i == 0 || brier < least {
			best, least = t, brier
		}
	}
	return best, nil
}

func divide(values []float64, by float64) {
	for i := range values {
		values[i] /= by
	}
}

// roundToFloat32 is what the file does to the numbers: done before measuring, so that what is measured is what is kept.
func roundToFloat32(values []float64) {
	for i, v := range values {
		values[i] = float64(float32(v))
	}
}
