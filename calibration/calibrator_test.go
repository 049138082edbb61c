package calibration

import (
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// overconfident answers rows of k labels whose probabilities are those of the truth, sharpened.
func overconfident(seed uint64, n, k int, t float64) Sample {
	rng := rand.New(rand.NewPCG(seed, 1))
	s := Sample{}
	for j := range k {
		s.Labels = append(s.Labels, string(rune('a'+j)))
	}
	for range n {
		row := make([]float64, k)
		sum := 0.0
		for j := range row {
			row[j] = math.Exp(1.5 * rng.NormFloat64())
			sum += row[j]
		}
		u, y := rng.Float64()*sum, 0
		for u -= row[0]; u > 0 && y < k-1; u -= row[y] {
			y++
		}
		for j := range row {
			row[j] /= sum
		}
		heat(row, t)
		s.Probs, s.Truth = append(s.Probs, row), append(s.Truth, y)
	}
	return s
}

// Every method makes probabilities that are too sure better on rows that it hasn't seen.
func TestEveryMethodHelps(t *testing.T) {
	for _, k := range []int{2, 6} {
		train, test := overconfident(1, 3000, k, 0.4), overconfident(2, 3000, k, 0.4)
		before := Measure(test)
		for _, m := range Methods() {
			c, _ := fitted(t, m, train)
			after := Measure(c.ApplyTo(test))
			if !(after.ECEMass < before.ECEMass/2 && after.ECEWidth < before.ECEWidth/2 && after.Brier < before.Brier) {
				t.Errorf("%s, %d labels: ECE %.4f -> %.4f, %.4f -> %.4f, Brier %.4f -> %.4f", m, k,
					before.ECEMass, after.ECEMass, before.ECEWidth, after.ECEWidth, before.Brier, after.Brier)
			}
			if k > 2 && after.Accuracy != before.Accuracy {
				t.Errorf("%s: accuracy %v -> %v, but answers stay", m, before.Accuracy, after.Accuracy)
			}
		}
	}
}

func TestTemperatureFindsItsOwn(t *testing.T) {
	_, a := fitted(t, MethodTemperature, overconfident(3, 20000, 4, 0.5))
	near(t, "temperature", a.GetTemperature().GetTemperature(), 2, 0.1)
}

func TestTopLabelScalesTheRest(t *testing.T) {
	c, err := New(&candorv1.Artefact{Name: "x", Version: 3, Scope: &candorv1.ArtefactScope{Labels: []string{"a", "b", "c"}},
		Body: &candorv1.Artefact_Isotonic{Isotonic: &candorv1.Isotonic{X: []float64{0, 1}, Y: []float64{0, 0.5}}}})
	if err != nil {
		t.Fatal(err)
	}
	if c.Name() != "x@3" || len(c.Digest()) != 64 {
		t.Errorf("%s %s", c.Name(), c.Digest())
	}
	// f(0.6) = 0.3, so that 0.7 is left for 0.4: times 1.75.
	got := c.Apply(nil, []float64{0.3, 0.6, 0.1})
	for i, want := range []float64{0.525, 0.3, 0.175} {
		near(t, "probability", got[i], want, 1e-12)
	}
	// Nothing to scale: spread evenly.
	got = c.Apply(got, []float64{0, 1, 0})
	for i, want := range []float64{0.25, 0.5, 0.25} {
		near(t, "probability", got[i], want, 1e-12)
	}
	s := c.ApplyTo(Sample{Labels: []string{"a", "b", "c"}, Probs: [][]float64{{0.3, 0.6, 0.1}}, Truth: []int{1}})
	if s.Wrong(0) || math.Abs(s.Confidence(0)-0.3) > 1e-12 {
		t.Errorf("the answer left: %v", s)
	}
}

func TestApplyIsInPlaceAndConcurrent(t *testing.T) {
	c, _ := fitted(t, MethodTemperature, overconfident(1, 500, 3, 0.5))
	probs := []float64{0.7, 0.2, 0.1}
	want := c.Apply(nil, probs)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 100 {
				mine := append([]float64(nil), probs...)
				if got := c.Apply(mine, mine); &got[0] != &mine[0] || got[0] != want[0] {
					t.Errorf("got %v, want %v in place", got, want)
				}
			}
		})
	}
	wg.Wait()
	if n := testing.AllocsPerRun(100, func() { want = c.Apply(want, probs) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestApplyOfNoProbabilities(t *testing.T) {
	c, _ := fitted(t, MethodPlatt, overconfident(1, 500, 3, 0.5))
	for _, bad := range [][]float64{{math.NaN(), 0, 1}, {-1, 1, 1}, {0, 0, 0}, {math.Inf(1), 0, 0}, {.5, .5}, {1}, {}} {
		got := c.Apply(nil, bad)
		for _, p := range got {
			if p != 1/float64(len(bad)) {
				t.Errorf("%v -> %v", bad, got)
			}
		}
	}
}

func TestNewRefuses(t *testing.T) {
	two := &candorv1.ArtefactScope{Labels: []string{"a", "b"}}
	iso := func(x, y []float64) *candorv1.Artefact {
		return &candorv1.Artefact{Scope: two, Body: &candorv1.Artefact_Isotonic{Isotonic: &candorv1.Isotonic{X: x, Y: y}}}
	}
	platt := func(a, b float64) *candorv1.Artefact {
		return &candorv1.Artefact{Scope: two, Body: &candorv1.Artefact_Platt{Platt: &candorv1.Platt{A: a, B: b}}}
	}
	for want, a := range map[string]*candorv1.Artefact{
		"scope.labels has 0 labels":                  {Body: platt(1, 0).Body},
		"it is no calibrator":                        {Scope: two},
		"temperature: is 0":                          {Scope: two, Body: &candorv1.Artefact_Temperature{Temperature: &candorv1.Temperature{}}},
		"platt.a: is NaN":                            platt(math.NaN(), 0),
		"platt.a: is -1":                             platt(-1, 0),
		"platt.b: is +Inf":                           platt(1, math.Inf(1)),
		"isotonic.x: has 0 values, not 1":            iso(nil, nil),
		"isotonic.y: has 1 values, not 2":            iso([]float64{0, 1}, []float64{1}),
		"isotonic.x[1]: 0.5 does not ascend":         iso([]float64{.5, .5}, []float64{0, 1}),
		"isotonic.y[1]: 0.5 does not ascend from 1":  iso([]float64{0, 1}, []float64{1, .5}),
		"isotonic.y[0]: NaN is outside of [0,1]":     iso([]float64{0}, []float64{math.NaN()}),
		"venn_abers.p0[0]: 0.6 is above p1, 0.5":     {Scope: two, Body: &candorv1.Artefact_VennAbers{VennAbers: &candorv1.VennAbers{X: []float64{.5}, P0: []float64{.6}, P1: []float64{.5}}}},
		"beta.a: is -1; it is a number from 0 to 1e": {Scope: two, Body: &candorv1.Artefact_Beta{Beta: &candorv1.BetaCalibration{A: -1}}},
	} {
		if _, err := New(a); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if _, err := New(nil); err == nil {
		t.Error("nil is a calibrator")
	}
}

func TestSuits(t *testing.T) {
	scope := func(edit func(*candorv1.ArtefactScope)) *candorv1.ArtefactScope {
		s := &candorv1.ArtefactScope{Model: "m", Version: "1", Kind: candorv1.ScoreKind_SCORE_KIND_LOGIT, Labels: []string{"a", "b"}}
		edit(s)
		return s
	}
	c, err := New(&candorv1.Artefact{Name: "x", Version: 1, Scope: scope(func(*candorv1.ArtefactScope) {}), Body: &candorv1.Artefact_Platt{Platt: &candorv1.Platt{A: 1}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Suits(scope(func(*candorv1.ArtefactScope) {})); err != nil {
		t.Error(err)
	}
	for want, edit := range map[string]func(*candorv1.ArtefactScope){
		"x@1 is for model m, not n":       func(s *candorv1.ArtefactScope) { s.Model = "n" },
		"is for version 1, not 2":         func(s *candorv1.ArtefactScope) { s.Version = "2" },
		"is for score kind SCORE_KIND_LO": func(s *candorv1.ArtefactScope) { s.Kind = 1 },
		`the labels ["a" "b"], not ["b"`:  func(s *candorv1.ArtefactScope) { s.Labels = []string{"b", "a"} },
		`the members [], not ["m@1"]`:     func(s *candorv1.ArtefactScope) { s.Members = []string{"m@1"} },
	} {
		if err := c.Suits(scope(edit)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// The digest is of what a calibrator does: not of its name, version, author and data.
func TestDigest(t *testing.T) {
	of := func(a *candorv1.Artefact) string {
		d, err := Digest(a)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	body := &candorv1.Artefact_Platt{Platt: &candorv1.Platt{A: 1}}
	one := of(&candorv1.Artefact{Name: "x", Version: 1, Scope: &candorv1.ArtefactScope{Model: "m"}, Body: body})
	if two := of(&candorv1.Artefact{Name: "y", Version: 2, Author: "ana", Data: &candorv1.DataSet{Rows: 3}, Scope: &candorv1.ArtefactScope{Model: "m"}, Body: body}); two != one {
		t.Error("a name changes the digest")
	}
	if two := of(&candorv1.Artefact{Name: "x", Version: 1, Scope: &candorv1.ArtefactScope{Model: "n"}, Body: body}); two == one {
		t.Error("the scope doesn't change the digest")
	}
}
