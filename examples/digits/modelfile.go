package digits

import (
	"embed"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
)

//go:embed models
var modelFiles embed.FS

// Names of the trained models, from the weakest to the strongest.
func Names() []string { return []string{"linear", "mlp", "kernel"} }

// LoadModel reads a trained model by its name. The error lists the names if there is no such model.
func LoadModel(name string) (*Model, error) {
	b, err := ModelFile(name)
	if err != nil {
		return nil, err
	}
	m := new(Model)
	if err := json.Unmarshal(b, m); err != nil {
		return nil, fmt.Errorf("digits: models/%s.json: %w", name, err)
	}
	if err := m.check(); err != nil {
		return nil, fmt.Errorf("digits: models/%s.json: %w", name, err)
	}
	return m, nil
}

// ModelFile is the committed file of a model, as it is.
func ModelFile(name string) ([]byte, error) {
	b, err := modelFiles.ReadFile("models/" + name + ".json")
	if err != nil {
		return nil, fmt.Errorf("digits: no model %q; there are %v", name, Names())
	}
	return b, nil
}

// Encode is the model's file. Equal models have equal files.
func (m *Model) Encode() ([]byte, error) {
	b, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("digits: model %q: %w", m.Name, err)
	}
	return append(b, '\n'), nil
}

// check makes sure that no method can run out of a slice.
func (m *Model) check() error {
	if err := m.Features.check(); err != nil {
		return err
	}
	if m.Output != Probabilities && m.Output != Logits {
		return fmt.Errorf("output: unknown output %q", m.Output)
	}
	width := m.Features.Len()
	for i, l := range m.Layers {
		if l.In != width || l.Out < 1 || len(l.Weights) != l.In*l.Out || len(l.Bias) != l.Out {
			return fmt.Errorf("layers[%d]: %d×%d with %d weights and %d biases doesn't fit an input of %d", i, l.In, l.Out, len(l.Weights), len(l.Bias), width)
		}
		width = l.Out
	}
	if width != Classes || len(m.Labels) != Classes {
		return fmt.Errorf("%d scores and %d labels, want %d", width, len(m.Labels), Classes)
	}
	return nil
}

// Array is numbers that a file keeps as float32, little-endian, in base64: an eighth of the digits, and no question of
// how a decimal number is rounded. Values must be representable in a float32 for a round trip to be exact.
type Array []float64

// MarshalJSON writes the base64 string.
func (a Array) MarshalJSON() ([]byte, error) {
	b := make([]byte, 0, 4*len(a))
	for _, v := range a {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(float32(v)))
	}
	return json.Marshal(b)
}

// UnmarshalJSON reads it; a number that isn't finite is an error.
func (a *Array) UnmarshalJSON(text []byte) error {
	var b []byte
	if err := json.Unmarshal(text, &b); err != nil {
		return err
	}
	if len(b)%4 != 0 {
		return fmt.Errorf("%d bytes are not a number of float32", len(b))
	}
	*a = make(Array, len(b)/4)
	for i := range *a {
		v := float64(math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:])))
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Errorf("number %d is %v", i, v)
		}
		(*a)[i] = v
	}
	return nil
}
