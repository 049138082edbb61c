package digits

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"
)

func TestCommittedModelsAreAsGoodAsTheySay(t *testing.T) {
	parts := load(t).Split(Seed)
	// The ranges are the roles: a primary with something to be unsure of, and members that are better than it.
	roles := map[string][2]float64{"linear": {0.90, 0.94}, "mlp": {0.96, 0.98}, "kernel": {0.97, 1}}
	for _, name := range Names() {
		m, err := LoadModel(name)
		if err != nil {
			t.Fatal(err)
		}
		right, brier := 0, 0.0
		for _, img := range parts.HeldOut {
			p, err := m.Probabilities(img.Pixels)
			if err != nil {
				t.Fatal(err)
			}
			var sum float64
			for c, v := range p {
				sum += v
				want := 0.0
				if c == img.Label {
					want = 1
				}
				brier += (v - want) * (v - want) / float64(len(parts.HeldOut))
			}
			if math.Abs(sum-1) > 1e-9 {
				t.Fatalf("%s: line %d: probabilities sum to %v", name, img.Line, sum)
			}
			if Top(p) == img.Label {
				right++
			}
		}
		accuracy := float64(right) / float64(len(parts.HeldOut))
		if accuracy != m.HeldOut.Accuracy || len(parts.HeldOut) != m.HeldOut.Rows {
			t.Errorf("%s: right about %v of %d; its file says %+v", name, accuracy, len(parts.HeldOut), m.HeldOut)
		}
		if role := roles[name]; accuracy < role[0] || accuracy > role[1] {
			t.Errorf("%s: accuracy %v is outside its role %v", name, accuracy, role)
		}
		if brier > 0.12 { // always saying "one tenth each" scores 0.9
			t.Errorf("%s: Brier score %v: its probabilities say little", name, brier)
		}
		if !m.CreatedAt.Equal(time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)) || m.Training.DataSHA256 != DataSHA256 || m.Training.SplitSeed != Seed {
			t.Errorf("%s: card %+v", name, m.Card)
		}
	}
}

func TestModelFileRoundTrip(t *testing.T) {
	for _, name := range Names() {
		m, err := LoadModel(name)
		if err != nil {
			t.Fatal(err)
		}
		got, err := m.Encode()
		if err != nil {
			t.Fatal(err)
		}
		want, err := ModelFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(want) {
			t.Errorf("%s: reading and writing changes the file", name)
		}
		if len(want) > 300_000 {
			t.Errorf("%s: %d bytes are too many to commit", name, len(want))
		}
	}
}

func TestLoadModelUnknown(t *testing.T) {
	_, err := LoadModel("resnet")
	if err == nil || !strings.Contains(err.Error(), "linear") {
		t.Errorf("the error doesn't say which there are: %v", err)
	}
}

func TestWrongNumberOfPixels(t *testing.T) {
	m, err := LoadModel("kernel")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Probabilities(make([]float64, 63)); err == nil {
		t.Error("63 pixels were an image")
	}
}

// A file that was edited by hand is refused with a reason; it never makes a method panic.
func TestCheckRefusesWhatDoesNotFit(t *testing.T) {
	for name, damage := range map[string]func(*Model){
		"layers[0]":          func(m *Model) { m.Layers[0].Weights = m.Layers[0].Weights[1:] },
		"layers[1]":          func(m *Model) { m.Layers[1].In++ },
		"scores":             func(m *Model) { m.Layers = m.Layers[:1] },
		"labels":             func(m *Model) { m.Labels = m.Labels[:9] },
		"output":             func(m *Model) { m.Output = "guesses" },
		"features.kind":      func(m *Model) { m.Features.Kind = "smell" },
		"features.landmarks": func(m *Model) { m.Features = Features{Kind: Kernel, Gamma: 1, Landmarks: make(Array, 65)} },
		"features.gamma":     func(m *Model) { m.Features = Features{Kind: Kernel, Landmarks: make(Array, 64)} },
	} {
		m, err := LoadModel("mlp")
		if err != nil {
			t.Fatal(err)
		}
		damage(m)
		if err := m.check(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, text := range []string{`"AAA="`, `"AADAfw=="`, `7`} { // two bytes, NaN, no text
		if err := json.Unmarshal([]byte(text), new(Array)); err == nil {
			t.Errorf("%s was an array", text)
		}
	}
}
