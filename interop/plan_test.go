package interop_test

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/candor-gateway/candor/examples/digits"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// plan is what a client script is told: where to call, and images of which it is known what the gateway must do with them. The
// scripts read it as JSON.
type plan struct {
	Gateway string `json:"gateway"`
	Model   string `json:"model"`
	// Backend is the address of the primary's model server, for comparing answers with and without the gateway.
	Backend      string `json:"backend"`
	BackendModel string `json:"backend_model"`
	Ensemble     string `json:"ensemble"`
	// PrimaryDown is the address of another gateway, whose primary can't be reached.
	PrimaryDown string `json:"primary_down"`
	// MaxMessageBytes is the gateway's bound on a message.
	MaxMessageBytes int64 `json:"max_message_bytes"`
	// maxNines is the bound of the limit named nines.
	maxNines int64

	Accept   image   `json:"accept"`
	Fallback image   `json:"fallback"`
	Defer    image   `json:"defer"`
	Batch    []image `json:"batch"`
}

// image is a row, and what is to be seen in the answer.
type image struct {
	Pixels []int `json:"pixels"`
	// Route is ACCEPT, FALLBACK or DEFER.
	Route string `json:"route"`
	// Label of the answer; "?", the neutral value of the example's policy, where it is withheld.
	Label string `json:"label"`
	// AnsweredBy is the stage; empty where the answer is withheld.
	AnsweredBy string `json:"answered_by"`
}

// Rows of the batch: 32, of which five go to the ensemble.
const (
	batchAccept   = 24
	batchFallback = 5
	batchDefer    = 3
)

// write saves the plan for the scripts.
func (p *plan) write(t *testing.T) string {
	t.Helper()
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "plan.json")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// newPlan chooses images of the held-out part. It asks the models themselves, not their servers and not the gateway, so that
// what the clients see is held against a second opinion.
func newPlan(t *testing.T, w *world) *plan {
	t.Helper()
	set, err := digits.Load()
	if err != nil {
		t.Fatal(err)
	}
	model := w.cfg.GetModels()[modelName]
	p := &plan{
		Gateway: w.gateway, Model: modelName, Backend: w.primary, BackendModel: model.GetPrimary(),
		Ensemble:        model.GetPolicy().GetFallback().GetEnsemble(),
		MaxMessageBytes: w.cfg.GetListen().GetMaxMessageBytes(), maxNines: w.cfg.GetLimits()["nines"].GetMaxCount(),
	}
	o := newOracle(t, model)
	byRoute := map[string][]image{}
	want := map[string]int{"ACCEPT": batchAccept, "FALLBACK": batchFallback, "DEFER": batchDefer}
	for _, img := range set.Split(digits.Seed).HeldOut {
		im, sure := o.route(t, img, p)
		// Released nines count against the action limit, which other tests trip.
		if !sure || im.Label == "9" || len(byRoute[im.Route]) == want[im.Route] {
			continue
		}
		byRoute[im.Route] = append(byRoute[im.Route], im)
	}
	for route, n := range want {
		if len(byRoute[route]) != n {
			t.Fatalf("only %d held-out images take the route %s, want %d", len(byRoute[route]), route, n)
		}
	}
	p.Accept, p.Fallback, p.Defer = byRoute["ACCEPT"][0], byRoute["FALLBACK"][0], byRoute["DEFER"][0]
	// Uncertain rows first, last and between.
	p.Batch = slices.Concat(byRoute["FALLBACK"][:1], byRoute["ACCEPT"][:10], byRoute["DEFER"][:2], byRoute["FALLBACK"][1:],
		byRoute["ACCEPT"][10:], byRoute["DEFER"][2:])
	return p
}

// oracle says what the policy means for an image.
type oracle struct {
	primary                    *digits.Model
	members                    []*digits.Model
	acceptAbove, fallbackAbove float64
}

func newOracle(t *testing.T, model *candorv1.Model) *oracle {
	t.Helper()
	load := func(name string) *digits.Model {
		m, err := digits.LoadModel(name)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	policy := model.GetPolicy()
	return &oracle{
		primary: load("linear"), members: []*digits.Model{load("mlp"), load("kernel")},
		acceptAbove: policy.GetAccept().GetThreshold().GetProbability(), fallbackAbove: policy.GetFallback().GetThreshold().GetProbability(),
	}
}

// margin keeps images out whose score is so near a threshold that the rounding of FP32 could decide.
const margin = 1e-4

// route answers the image with what is to be seen; false: too near a threshold to say.
func (o *oracle) route(t *testing.T, img digits.Image, p *plan) (image, bool) {
	t.Helper()
	out := image{Route: "DEFER", Label: "?"}
	for _, v := range img.Pixels {
		out.Pixels = append(out.Pixels, int(v))
	}
	probs := o.ask(t, o.primary, img)
	top := digits.Top(probs)
	if math.Abs(probs[top]-o.acceptAbove) < margin {
		return out, false
	}
	if probs[top] > o.acceptAbove {
		out.Route, out.Label, out.AnsweredBy = "ACCEPT", o.primary.Labels[top], p.BackendModel
		return out, true
	}
	mean := make([]float64, digits.Classes)
	for _, m := range o.members {
		for i, v := range o.ask(t, m, img) {
			mean[i] += v / float64(len(o.members))
		}
	}
	top = digits.Top(mean)
	if mean[top] > o.fallbackAbove {
		out.Route, out.Label, out.AnsweredBy = "FALLBACK", o.primary.Labels[top], p.Ensemble
	}
	return out, math.Abs(mean[top]-o.fallbackAbove) >= margin
}

func (o *oracle) ask(t *testing.T, m *digits.Model, img digits.Image) []float64 {
	t.Helper()
	probs, err := m.Probabilities(img.Pixels)
	if err != nil {
		t.Fatal(err)
	}
	return probs
}
