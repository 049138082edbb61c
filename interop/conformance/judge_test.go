package conformance_test

import (
	"slices"
	"strings"
	"testing"
)

// seen is an outcome that Candor may have answered, with what it adds.
func seen(change func(*outcome)) outcome {
	o := outcome{
		Code: "OK", Trailers: []string{"candor-prediction-id"},
		Answers: []answer{{
			Model: "m", Version: "1", ID: "a",
			Parameters: map[string]string{
				"text": "string_param a", "candor_prediction_id": "string_param 1", "candor_mode": "string_param ENFORCE",
				"candor_model_created_at": "string_param 2026", "candor_policy": "string_param 0", "candor_route": "string_param ACCEPT",
			},
			Outputs: []output{{Name: "p", Datatype: "FP32", Shape: []int64{1, 2}, Form: "raw", Data: "0000803f00000000"}},
		}},
	}
	change(&o)
	return o
}

// TestJudgement holds the comparison itself: it sees every kind of difference, and not what Candor adds.
func TestJudgement(t *testing.T) {
	direct := seen(func(o *outcome) {
		o.Trailers = nil
		o.Answers[0].Parameters = map[string]string{"text": "string_param a"}
	})
	node := &client{program: "node/client.js"}
	infer := testCase{Call: "infer", Model: "m"}
	first := func(o *outcome) *answer { return &o.Answers[0] }
	for name, c := range map[string]struct {
		change func(*outcome)
		// sees are the differences by what, missing a part of what Candor failed to add.
		sees    []string
		missing string
	}{
		"nothing but what Candor adds": {change: func(*outcome) {}},
		"a bit":                        {change: func(o *outcome) { first(o).Outputs[0].Data = "0100803f00000000" }, sees: []string{"p data"}},
		"the form":                     {change: func(o *outcome) { first(o).Outputs[0].Form = "typed" }, sees: []string{"form"}},
		"a shape":                      {change: func(o *outcome) { first(o).Outputs[0].Shape = []int64{1, 2, 1} }, sees: []string{"p shape"}},
		"a datatype":                   {change: func(o *outcome) { first(o).Outputs[0].Datatype = "INT32" }, sees: []string{"p datatype"}},
		"a name":                       {change: func(o *outcome) { first(o).Outputs[0].Name = "q" }, sees: []string{"outputs"}},
		"the id":                       {change: func(o *outcome) { first(o).ID = "b" }, sees: []string{"id"}},
		"the version":                  {change: func(o *outcome) { first(o).Version = "" }, sees: []string{"version"}},
		"a parameter's kind":           {change: func(o *outcome) { first(o).Parameters["text"] = "int64_param 1" }, sees: []string{"parameters"}},
		"the status":                   {change: func(o *outcome) { o.Code, o.Answers = "NOT_FOUND", nil }, sees: []string{"code"}},
		"no metadata":                  {change: func(o *outcome) { delete(first(o).Parameters, "candor_route") }, missing: "candor_route"},
		"no trailer":                   {change: func(o *outcome) { o.Trailers = nil }, missing: "candor-prediction-id"},
	} {
		t.Run(name, func(t *testing.T) {
			got := seen(c.change)
			var whats []string
			for _, d := range compare(infer, direct, got) {
				whats = append(whats, d.what)
			}
			if !slices.Equal(whats, c.sees) {
				t.Errorf("it sees differences in %q, want %q", whats, c.sees)
			}
			missing := strings.Join(added(node, infer, got), "; ")
			if c.missing == "" && missing != "" || !strings.Contains(missing, c.missing) {
				t.Errorf("it misses %q, want %q", missing, c.missing)
			}
		})
	}
	t.Run("an error in band", func(t *testing.T) {
		got := seen(func(o *outcome) { o.Answers[0] = answer{Error: "broken"} })
		if d := compare(testCase{Call: "stream"}, direct, got); len(d) == 0 || d[0] != answers("response", "error") {
			t.Errorf("it sees %v", d)
		}
	})
}
