package ensemble

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/candor-gateway/candor/internal/oiptest"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

const replayYAML = `
listen: {grpc: "127.0.0.1:0"}
store: {identity: test, sqlite: {path: candor.db}}
consumers: {web: {identity: {anonymous: true}, models: ["*"]}}
backends:
  one: {address: "ONE", model: m, version: "1", card: &card {
    created_at: "2026-01-01T00:00:00Z", owner: o, rows: first_dim,
    inputs: [{name: x, datatype: FP32, shape: [-1, 2]}], outputs: [{name: p, datatype: FP32, shape: [-1, 2]}],
    scores: [{output: p, kind: probability, labels: [ham, spam]}]}}
  two: {address: "TWO", model: m, version: "1", card: *card}
ensembles:
  second: {version: a, members: [{backend: one}, {backend: two}], quorum: 1, combiner: log_pool}
models:
  mail: {primary: one, policy: {mode: observe, accept: {threshold: {probability: 0.9}}, fallback: {ensemble: second}, answers: [{output: p, fill: scores}]}}
`

// Rows go to the live members; what these say is fitted as a file's rows are.
func TestReplay(t *testing.T) {
	// A member answers "spam" with the probability that stands in its column.
	member := func(column int) string {
		return oiptest.Start(t, oiptest.Model{Name: "m", Version: "1", Infer: oiptest.PerRow("p", func(row []float32) []float32 {
			return []float32{1 - row[column], row[column]}
		})}).Addr()
	}
	dir := t.TempDir()
	file := func(name, text string) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	config := file("candor.yaml", strings.NewReplacer("ONE", member(0), "TWO", member(1)).Replace(replayYAML))
	var rows strings.Builder
	for range 3 {
		rows.WriteString(`{"inputs": {"x": [0.875, 0.25]}, "label": "spam"}` + "\n" + `{"inputs": {"x": [0.125, 0.5]}, "label": "ham"}` + "\n")
	}
	o := options{config: config, ensemble: "second", replay: file("rows.jsonl", rows.String())}
	r, err := fit(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if r.rows != 6 || r.lines[0].scores.Accuracy != 1 || r.lines[1].scores.Accuracy != .5 || r.artefact.GetData().GetRows() != 6 {
		t.Errorf("%+v", r)
	}
	if w := r.artefact.GetWeights().GetWeights(); len(w) != 2 || w[0] < .99 {
		t.Errorf("weights %v, want all for the one that is right", w)
	}
	for text, want := range map[string]string{
		`{"inputs": {"x": [1, 2, 3]}, "label": "ham"}`:  "line 1: one: inputs.x: there are 3 elements",
		`{"inputs": {}, "label": "ham"}`:                "line 1: one: inputs.x: is missing",
		`{"inputs": {"x": ["a", "b"]}, "label": "ham"}`: "wants a list of numbers",
		`{"inputs": {"x": [0.5, 0.5]}}`:                 "label: is missing",
		`{"inputs": {"x": [7, 0.5]}, "label": "ham"}`:   "line 1: one: ",
	} {
		o.replay = file("broken.jsonl", text)
		if _, err := fit(t.Context(), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

// What is fitted must be what is served: a member's calibrator isn't applied here, so its answers are refused.
func TestReplayRefusesACalibratedMember(t *testing.T) {
	cfg := &candorv1.Config{Backends: map[string]*candorv1.Backend{"a": {Address: "127.0.0.1:1", Calibrator: "a-t@2"}}}
	_, err := replay(t.Context(), cfg, []string{"a"}, strings.NewReader(""))
	if err == nil || !strings.Contains(err.Error(), "backends.a.calibrator: a-t@2") || !strings.Contains(err.Error(), "--data") {
		t.Errorf("error %v, want one that names the calibrator and --data", err)
	}
}
