package calibration

import (
	"fmt"
	"math"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// Temperatures outside of these bounds say that there is nothing to fit, not that the model is that sure or unsure.
const (
	minTemperature = 0.01
	maxTemperature = 100
)

// FitTemperature finds the t of softmax(ln p / t) with the least negative log-likelihood (Guo et al., ICML 2017). The
// likelihood is concave in 1/t, so bisection of its derivative finds the one maximum, to 1e-12.
func FitTemperature(s Sample) (*candorv1.Temperature, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	if err := s.twoClasses(); err != nil {
		return nil, err
	}
	logs := make([][]float64, len(s.Probs))
	for i, row := range s.Probs {
		logs[i] = make([]float64, len(row))
		for j, p := range row {
			logs[i][j] = math.Log(math.Max(p, vectorFloor))
		}
	}
	// slope is the derivative of the negative log-likelihood by b = 1/t.
	slope := func(b float64) float64 {
		sum := 0.0
		for i, z := range logs {
			sum += tiltedMean(z, b) - z[s.Truth[i]]
		}
		return sum
	}
	low, high := 1.0/maxTemperature, 1.0/minTemperature
	if slope(high) <= 0 {
		return nil, fmt.Errorf("the best temperature is below %g: (almost) every row's answer is right, so nothing says how often it is wrong; "+
			"use more rows, or method platt", minTemperature)
	}
	if slope(low) >= 0 {
		return nil, fmt.Errorf("the best temperature is above %d: the probabilities say nothing about these labels; check the order of the labels",
			int(maxTemperature))
	}
	for range 100 {
		mid := math.Sqrt(low * high)
		if slope(mid) > 0 {
			high = mid
		} else {
			low = mid
		}
		if high/low-1 < 1e-13 {
			break
		}
	}
	return &candorv1.Temperature{Temperature: 1 / math.Sqrt(low*high)}, nil
}

// tiltedMean is the mean of z under softmax(b·z).
func tiltedMean(z []float64, b float64) float64 {
	most := z[topOf(z)]
	sum, weight := 0.0, 0.0
	for _, v := range z {
		w := math.Exp(b * (v - most))
		sum += w * v
		weight += w
	}
	return sum / weight
}

// heat writes softmax(ln p / t) over row, which sums to 1. A zero is taken for the smallest FP32 number, as in fitting.
func heat(row []float64, t float64) {
	most := math.Log(math.Max(row[topOf(row)], vectorFloor))
	sum := 0.0
	for i, p := range row {
		row[i] = math.Exp((math.Log(math.Max(p, vectorFloor)) - most) / t)
		sum += row[i]
	}
	for i := range row {
		row[i] /= sum
	}
}
