package digits

import (
	"os"
	"testing"
	"time"

	"gopkg.in/yaml.v3"
)

// What candor.yaml says about the models is what their files say: nobody else compares the two.
func TestConfigurationMatchesTheModels(t *testing.T) {
	text, err := os.ReadFile("candor.yaml")
	if err != nil {
		t.Fatal(err)
	}
	type tensor struct {
		Name  string
		Shape []int
	}
	var config struct {
		Backends map[string]struct {
			Model, Version string
			Card           struct {
				CreatedAt time.Time `yaml:"created_at"`
				Outputs   []tensor
				Inputs    []struct {
					tensor     `yaml:",inline"`
					ImageWidth int     `yaml:"image_width"`
					ImageMax   float64 `yaml:"image_max"`
				}
				Scores []struct {
					Output, Kind string
					Labels       []string
				}
			}
		}
	}
	if err := yaml.Unmarshal(text, &config); err != nil {
		t.Fatal(err)
	}
	kinds := map[Output]string{Probabilities: "probability", Logits: "logit"}
	for _, name := range Names() {
		m, err := LoadModel(name)
		if err != nil {
			t.Fatal(err)
		}
		b, ok := config.Backends[name]
		if !ok {
			t.Errorf("%s: no such backend", name)
			continue
		}
		if b.Model != m.Name || b.Version != m.Version || !b.Card.CreatedAt.Equal(m.CreatedAt) {
			t.Errorf("%s: %s version %s of %v, want %s version %s of %v", name, b.Model, b.Version, b.Card.CreatedAt, m.Name, m.Version, m.CreatedAt)
		}
		if in := b.Card.Inputs; len(in) != 1 || in[0].Shape[1] != Pixels || in[0].ImageWidth != Width || in[0].ImageMax != MaxPixel {
			t.Errorf("%s: inputs %+v", name, in)
		}
		if out := b.Card.Outputs; len(out) != 2 || out[0].Name != string(m.Output) || out[0].Shape[1] != Classes {
			t.Errorf("%s: outputs %+v", name, out)
		}
		if s := b.Card.Scores; len(s) != 1 || s[0].Output != string(m.Output) || s[0].Kind != kinds[m.Output] || len(s[0].Labels) != Classes {
			t.Errorf("%s: scores %+v", name, s)
		} else {
			for i, label := range m.Labels {
				if s[0].Labels[i] != label {
					t.Errorf("%s: label %d is %q, want %q", name, i, s[0].Labels[i], label)
				}
			}
		}
	}
}
