package gateway_test

import (
	"math"
	"testing"

	"github.com/candor-gateway/candor/gen/inference"
)

func costs(entries, amount string) []string {
	return []string{"review: {queue: desk,", "review: {queue: desk, costs: {entries: [" + entries + "]" + amount + "},"}
}

func (w *world) loss(row [4]float32, params map[string]*inference.InferParameter) float64 {
	w.t.Helper()
	req := request([][4]float32{row}, "candor_route")
	req.Parameters = params
	a := w.infer(w.t.Context(), req)
	if a.err != nil {
		w.t.Fatal(a.err)
	}
	return w.item(a.param("candor_review_item")).GetExpectedLoss()
}

// The expected loss of an answer is what it costs where it is wrong, by how likely that is, times the amount.
func TestExpectedLoss(t *testing.T) {
	const both = "{answer: bad, truth: good, cost: 2}, {answer: good, truth: bad, cost: 30}"
	double := func(v float64) map[string]*inference.InferParameter {
		return map[string]*inference.InferParameter{"amount": {ParameterChoice: &inference.InferParameter_DoubleParam{DoubleParam: v}}}
	}
	whole := map[string]*inference.InferParameter{"amount": {ParameterChoice: &inference.InferParameter_Int64Param{Int64Param: 7}}}
	text := map[string]*inference.InferParameter{"amount": {ParameterChoice: &inference.InferParameter_StringParam{StringParam: "7"}}}
	const features = "inputs: [{name: x, datatype: FP32, shape: [-1, 4]}]"
	ofColumn := append(costs(both, ", amount: x.s"), features, "inputs: [{name: x, datatype: FP32, shape: [-1, 4], features: [{name: p}, {name: q}, {name: r}, {name: s}]}]")
	const alone = "      fallback: {ensemble: both, threshold: {probability: 0.8}}\n"
	// The primary says bad with .6, so that it is wrong with .4.
	unsure := [4]float32{.6, .5, .5, 5}
	for name, c := range map[string]struct {
		edits  []string
		row    [4]float32
		params map[string]*inference.InferParameter
		want   float64
		bad    float64
	}{
		"without costs":        {nil, unsure, nil, .4, -1},
		"a wrong bad":          {costs(both, ""), unsure, nil, .4 * 2, -1},
		"a wrong good":         {costs(both, ""), [4]float32{.4, .5, .5, 0}, nil, .4 * 30, -1},
		"costs nothing":        {costs("{answer: good, truth: bad, cost: 30}", ""), unsure, nil, 0, -1},
		"times a double":       {costs(both, ", amount: amount"), unsure, double(2.5), .4 * 2 * 2.5, -1},
		"times a whole number": {costs(both, ", amount: amount"), unsure, whole, .4 * 2 * 7, -1},
		"without the amount":   {costs(both, ", amount: amount"), unsure, nil, .4 * 2, -1},
		"an amount in words":   {costs(both, ", amount: amount"), unsure, text, .4 * 2, -1},
		"times a column":       {ofColumn, unsure, nil, .4 * 2 * 5, -1},
		"a column below 0":     {ofColumn, [4]float32{.6, .5, .5, -5}, nil, 0, 1},
		"no number":            {costs(both, ", amount: amount"), unsure, double(math.NaN()), .4 * 2, 1},
		"without end":          {costs(both, ", amount: amount"), unsure, double(math.Inf(1)), .4 * 2 * 1e15, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := start(t, append([]string{alone, ""}, c.edits...)...)
			if got := w.loss(c.row, c.params); math.Abs(got-c.want) > 1e-6*max(1, c.want) {
				t.Errorf("expected loss %v, want %v", got, c.want)
			}
			if got := w.metric(`candor_review_bad_amounts_total{model="fraud"}`); got != c.bad {
				t.Errorf("%v bad amounts are counted, want %v", got, c.bad)
			}
		})
	}
}

// Of a row of which nothing is known it is the most that it could be, and it comes before the others.
func TestLossOfARowThatNobodyAnswered(t *testing.T) {
	w := start(t, costs("{answer: bad, truth: good, cost: 2}, {answer: good, truth: bad, cost: 30}", "")...)
	w.loss([4]float32{.6, .55, .55, 1}, nil)
	w.primary.Kill()
	w.a.Kill()
	w.b.Kill()
	w.old.Kill()
	if got := w.loss([4]float32{.6, .55, .55, 2}, nil); got != 30 {
		t.Errorf("expected loss %v, want 30", got)
	}
	if first := w.claim(reviewerToken, ""); w.item(first.GetName()).GetExpectedLoss() != 30 {
		t.Errorf("the first is %v", first)
	}
}
