package digits

import (
	"fmt"
	"time"

	"github.com/candor-gateway/candor/examples/digits/internal/exact"
)

// Model is a trained classifier: features of the image, then dense layers with ReLU between them, then ten logits.
// All its methods may be called from many goroutines; its fields are for reading only.
type Model struct {
	Card
	Features Features `json:"features"`
	Layers   []Layer  `json:"layers"`
}

// Card is what is known about a model: what a gateway's configuration should say about it.
type Card struct {
	Name        string    `json:"name"`
	Version     string    `json:"version"`
	Description string    `json:"description"`
	CreatedAt   time.Time `json:"created_at"`
	// Output says what its server answers.
	Output Output `json:"output"`
	// Labels in the order of the output.
	Labels []string `json:"labels"`
	// Training says where the weights come from.
	Training Training `json:"training"`
	// HeldOut is the accuracy on images that neither training nor calibration saw.
	HeldOut Accuracy `json:"held_out"`
}

// Output is what a model's scores are; the tensor has the same name.
type Output string

// The two kinds.
const (
	Probabilities Output = "probabilities"
	Logits        Output = "logits"
)

// Training is a model's origin: enough to do it again.
type Training struct {
	DataSHA256 string `json:"data_sha256"`
	SplitSeed  uint64 `json:"split_seed"`
	// Rows of the training part, and their digest (see [Set.Digest]).
	Rows   int    `json:"rows"`
	Digest string `json:"digest"`
	// Seed of the initial weights and of the order of the rows.
	Seed uint64 `json:"seed"`
	// Temperature by which the logits were divided, chosen on the calibration part; it is in the weights already.
	Temperature float64 `json:"temperature"`
}

// Accuracy is the share of rows whose most probable label was right.
type Accuracy struct {
	Rows     int     `json:"rows"`
	Accuracy float64 `json:"accuracy"`
}

// Layer is a dense layer: out[o] = Bias[o] + Σ Weights[o*In + i] * in[i].
type Layer struct {
	In      int   `json:"in"`
	Out     int   `json:"out"`
	Weights Array `json:"weights"`
	Bias    Array `json:"bias"`
}

// Apply writes the layer's output into out, of length l.Out.
func (l Layer) Apply(in, out []float64) {
	for o := range out {
		out[o] = l.Bias[o] + exact.Dot(in, l.Weights[o*l.In:(o+1)*l.In])
	}
}

// Logits of the ten digits. Pixels must be 64 numbers from 0 to 16.
func (m *Model) Logits(pixels []float64) ([]float64, error) {
	if len(pixels) != Pixels {
		return nil, fmt.Errorf("digits: an image has %d pixels, not %d", Pixels, len(pixels))
	}
	x := m.Features.Of(pixels)
	for i, layer := range m.Layers {
		if i > 0 {
			for j := range x {
				x[j] = max(x[j], 0)
			}
		}
		out := make([]float64, layer.Out)
		layer.Apply(x, out)
		x = out
	}
	return x, nil
}

// Probabilities of the ten digits: the softmax of the logits.
func (m *Model) Probabilities(pixels []float64) ([]float64, error) {
	p, err := m.Logits(pixels)
	if err != nil {
		return nil, err
	}
	exact.Softmax(p, p)
	return p, nil
}

// Top is the position of the largest score, the first of equals.
func Top(scores []float64) int {
	top := 0
	for i, s := range scores {
		if s > scores[top] {
			top = i
		}
	}
	return top
}
