package main

import (
	"bytes"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/candor-gateway/candor/examples/digits"
	"github.com/candor-gateway/candor/examples/digits/internal/exact"
)

func parts(t *testing.T) digits.Parts {
	t.Helper()
	set, err := digits.Load()
	if err != nil {
		t.Fatal(err)
	}
	return set.Split(digits.Seed)
}

// The primary is trained again in every run (a tenth of a second), the others only without -short: a few seconds.
func TestTrainingGivesTheCommittedModels(t *testing.T) {
	recipes := recipes()
	if testing.Short() {
		recipes = recipes[:1]
	}
	for i, r := range recipes {
		if r.name != digits.Names()[i] {
			t.Errorf("recipe %d is %s, the model %s", i, r.name, digits.Names()[i])
		}
		m, err := r.train(parts(t))
		if err != nil {
			t.Fatal(err)
		}
		file, err := m.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if err := compare(m.Name, file); err != nil {
			t.Error(err)
		}
	}
}

func TestCheckNoticesADifference(t *testing.T) {
	file, err := digits.ModelFile("linear")
	if err != nil {
		t.Fatal(err)
	}
	changed := bytes.Clone(file)
	changed[len(changed)-10] ^= 1
	if err := compare("linear", changed); err == nil {
		t.Error("a changed file is the same as the committed one")
	}
	if err := compare("nobody", file); err == nil {
		t.Error("a model that isn't committed is the same")
	}
}

// The thresholds in the demo's configuration are those that the rule gives.
func TestConfigurationUsesTheChosenThresholds(t *testing.T) {
	text, err := os.ReadFile("../candor.yaml")
	if err != nil {
		t.Fatal(err)
	}
	typed := regexp.MustCompile(`threshold: \{probability: ([0-9.]+)\}`).FindAllSubmatch(text, -1)
	grid := regexp.MustCompile(`levels: \[([0-9., ]+)\]`).FindSubmatch(text)
	if len(typed) != 1 || grid == nil {
		t.Fatalf("candor.yaml has %d typed thresholds, want the fallback's, and the levels %q", len(typed), grid)
	}
	var models []*digits.Model
	for _, name := range digits.Names() {
		m, err := digits.LoadModel(name)
		if err != nil {
			t.Fatal(err)
		}
		models = append(models, m)
	}
	_, second, err := thresholds(parts(t), models[0], models[1:])
	if err != nil {
		t.Fatal(err)
	}
	if got, err := strconv.ParseFloat(string(typed[0][1]), 64); err != nil || got != second {
		t.Errorf("the fallback's threshold in candor.yaml is %s, the rule gives %v", typed[0][1], second)
	}
	unseen, err := play(unlearned(parts(t), models[0]), models[0], nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var levels []float64
	for _, level := range strings.Split(string(grid[1]), ", ") {
		v, err := strconv.ParseFloat(level, 64)
		if err != nil {
			t.Fatal(err)
		}
		levels = append(levels, v)
	}
	if want := gridLevels(unseen.primary); !slices.Equal(levels, want) {
		t.Errorf("the levels in candor.yaml are %v, want %v", levels, want)
	}
}

// The whole point of the demo, without any server: what is let through is clearly better than the primary alone.
func TestPolicyBeatsThePrimary(t *testing.T) {
	var out bytes.Buffer
	if err := run([]string{"--report"}, &out); err != nil {
		t.Fatal(err)
	}
	match := regexp.MustCompile(`(\d+) deferred; ([0-9.]+) % of the answers right, ([0-9.]+) % by the primary alone`).FindStringSubmatch(out.String())
	if match == nil {
		t.Fatalf("no last line in\n%s", out.String())
	}
	deferred, _ := strconv.Atoi(match[1])
	with, _ := strconv.ParseFloat(match[2], 64)
	alone, _ := strconv.ParseFloat(match[3], 64)
	if with < alone+3 || deferred == 0 || deferred > 80 {
		t.Errorf("%s", match[0])
	}
}

func TestChoose(t *testing.T) {
	var answers []answer
	for i := range 100 { // right above 0.5, wrong below
		answers = append(answers, answer{confidence: float64(i) / 100, right: i >= 50})
	}
	if got := choose(curve(answers), 1).threshold; got != 0.5 {
		t.Errorf("target 1: %v, want 0.5", got)
	}
	if got := choose(curve(answers), 0.5).threshold; got != 0 {
		t.Errorf("target 0.5: %v, want 0", got)
	}
	// One wrong answer that is very sure: too few rows above it to judge, so the rule stops where there are enough.
	answers[99].right = false
	if got := choose(curve(answers), 1); got.accepted >= minAccepted {
		t.Errorf("%d rows are let through, one of them wrong", got.accepted)
	}
}

// The analytic gradient against differences of the loss; in float64 they agree to many digits.
func TestGradient(t *testing.T) {
	source := exact.NewSource(5)
	layers := []digits.Layer{newLayer(source, 4, 3), newLayer(source, 3, digits.Classes)}
	features := []float64{0.3, -0.2, 0.9, 0.5}
	const label = 7
	probability := func() float64 { // of the label; the loss is -log of it, and its derivative -dp/p
		m := digits.Model{Layers: layers}
		x := features
		for i, l := range m.Layers {
			out := make([]float64, l.Out)
			l.Apply(x, out)
			if i == 0 {
				for j := range out {
					out[j] = max(out[j], 0)
				}
			}
			x = out
		}
		exact.Softmax(x, x)
		return x[label]
	}
	grads := make([]gradient, len(layers))
	for i, l := range layers {
		grads[i] = gradient{weights: make([]float64, len(l.Weights)), bias: make([]float64, len(l.Bias))}
	}
	newPass(layers).accumulate(layers, grads, features, label)
	const h = 1e-6
	check := func(name string, params, grad []float64) {
		for i := range params {
			before := params[i]
			params[i] = before + h
			up := probability()
			params[i] = before - h
			down := probability()
			params[i] = before
			want := -(up - down) / (2 * h) / probability()
			if diff := grad[i] - want; diff > 1e-7 || diff < -1e-7 {
				t.Errorf("%s[%d]: %v, want %v", name, i, grad[i], want)
			}
		}
	}
	for i, l := range layers {
		check("weights", l.Weights, grads[i].weights)
		check("bias", l.Bias, grads[i].bias)
	}
}

func TestRunRefusesWhatItDoesNotKnow(t *testing.T) {
	for _, args := range [][]string{{"linear"}, {"--out", "/nowhere/at/all"}} {
		if err := run(args, new(strings.Builder)); err == nil {
			t.Errorf("%v was fine", args)
		}
	}
}

func TestRunWritesAndChecks(t *testing.T) {
	if os.Getenv("CANDOR_LONG") == "" {
		t.Skip("trains every model twice: CANDOR_LONG=1 runs it")
	}
	dir := t.TempDir()
	var out strings.Builder
	if err := run([]string{"--out", dir}, &out); err != nil {
		t.Fatal(err)
	}
	for _, name := range digits.Names() {
		written, err := os.ReadFile(dir + "/" + name + ".json")
		if err != nil {
			t.Fatal(err)
		}
		if err := compare(name, written); err != nil {
			t.Error(err)
		}
	}
	if err := run([]string{"--check"}, &out); err != nil {
		t.Error(err)
	}
	if n := strings.Count(out.String(), "the same as committed"); n != len(digits.Names()) {
		t.Errorf("output:\n%s", out.String())
	}
}
