package main

import (
	"fmt"
	"time"

	"github.com/candor-gateway/candor/examples/digits"
	"github.com/candor-gateway/candor/examples/digits/internal/exact"
)

// createdAt is the date of the committed models, not the time of a run: a retrained model is the same file.
var createdAt = time.Date(2026, time.November, 20, 0, 0, 0, 0, time.UTC)

// recipe is everything that makes one model.
type recipe struct {
	name        string
	description string
	output      digits.Output
	seed        uint64
	features    func(train digits.Set) digits.Features
	hidden      int // width of the hidden layer; 0: none
	rows        int // how many of the training part it may see; 0: all
	optimizer   optimizer
}

// recipes, from the weakest to the strongest. Widths, rates and gamma were chosen by threefold cross-validation without
// the held-out part. How many images the primary may see was chosen for the part that it plays (some 94 % right), with
// its held-out accuracy in view: that one figure is a choice, not a discovery.
func recipes() []recipe {
	return []recipe{
		{
			name:        "linear",
			description: "Softmax regression on the pixels, taught with 300 images: cheap, right about most digits, and aware of which.",
			output:      digits.Probabilities,
			seed:        1,
			features:    pixels,
			rows:        300,
			optimizer:   optimizer{epochs: 200, batch: 20, rate: 0.2, momentum: 0.9, decay: 1e-4},
		},
		{
			name:        "mlp",
			description: "One hidden layer of 64 units on the pixels, taught with 600 images.",
			output:      digits.Probabilities,
			seed:        2,
			features:    pixels,
			hidden:      64,
			optimizer:   optimizer{epochs: 100, batch: 20, rate: 0.1, momentum: 0.9, decay: 1e-3},
		},
		{
			name:        "kernel",
			description: "Softmax regression on the likeness to 300 training images, taught with 600.",
			output:      digits.Logits,
			seed:        3,
			features:    likeness(300, 0.3),
			optimizer:   optimizer{epochs: 200, batch: 20, rate: 1, momentum: 0.9, decay: 1e-6},
		},
	}
}

func pixels(digits.Set) digits.Features { return digits.Features{Kind: digits.Plain} }

// likeness takes the first n images, which the split has shuffled, as landmarks.
func likeness(n int, gamma float64) func(digits.Set) digits.Features {
	return func(train digits.Set) digits.Features {
		f := digits.Features{Kind: digits.Kernel, Gamma: gamma}
		for _, img := range train[:n] {
			for _, p := range img.Pixels {
				f.Landmarks = append(f.Landmarks, p/digits.MaxPixel)
			}
		}
		return f
	}
}

// train makes the model.
func (r recipe) train(parts digits.Parts) (*digits.Model, error) {
	rows := parts.Train
	if r.rows > 0 {
		rows = rows[:r.rows]
	}
	m := &digits.Model{
		Card: digits.Card{
			Name: r.name, Version: "1", Description: r.description, CreatedAt: createdAt, Output: r.output,
			Training: digits.Training{
				DataSHA256: digits.DataSHA256, SplitSeed: digits.Seed, Rows: len(rows), Digest: rows.Digest(), Seed: r.seed,
			},
		},
		Features: r.features(rows),
	}
	for label := range digits.Classes {
		m.Labels = append(m.Labels, fmt.Sprint(label))
	}
	source := exact.NewSource(r.seed)
	width := m.Features.Len()
	if r.hidden > 0 {
		m.Layers = append(m.Layers, newLayer(source, width, r.hidden))
		width = r.hidden
	}
	m.Layers = append(m.Layers, newLayer(source, width, digits.Classes))
	r.optimizer.run(m, rows, source)

	temperature, err := temper(m, parts.Calibration)
	if err != nil {
		return nil, err
	}
	m.Training.Temperature = temperature
	last := m.Layers[len(m.Layers)-1]
	divide(last.Weights, temperature)
	divide(last.Bias, temperature)
	for _, layer := range m.Layers {
		roundToFloat32(layer.Weights)
		roundToFloat32(layer.Bias)
	}
	if m.HeldOut, err = measure(m, parts.HeldOut); err != nil {
		return nil, err
	}
	return m, nil
}

// measure counts right answers.
func measure(m *digits.Model, set digits.Set) (digits.Accuracy, error) {
	right := 0
	for _, img := range set {
		scores, err := m.Logits(img.Pixels)
		if err != nil {
			return digits.Accuracy{}, err
		}
		if digits.Top(scores) == img.Label {
			right++
		}
	}
	return digits.Accuracy{Rows: len(set), Accuracy: float64(right) / float64(len(set))}, nil
}
