package backend

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// regressionCard is a card of a value with an interval: price, low, high, all FP32 [-1,1].
func regressionCard() *candorv1.ModelCard {
	c := digitsCard()
	c.Outputs = nil
	for _, name := range []string{"price", "low", "high"} {
		c.Outputs = append(c.Outputs, &candorv1.OutputSpec{Name: name, Datatype: "FP32", Shape: []int64{-1, 1}})
	}
	c.Scores = []*candorv1.Score{{
		Output: "price", Kind: candorv1.ScoreKind_SCORE_KIND_REGRESSION,
		Regression: &candorv1.RegressionScore{
			Unit: "EUR", LowerOutput: "low", UpperOutput: "high", Min: proto.Float64(0), Max: proto.Float64(1000),
		},
	}}
	return c
}

func TestCompileCard(t *testing.T) {
	c, err := CompileCard(digitsCard())
	if err != nil {
		t.Fatal(err)
	}
	if c.ScoreOutput() != "probabilities" || len(c.ScoreOutputs()) != 1 || len(c.Labels()) != 2 || c.Shared("x") || c.Shared("nothing") ||
		c.Kind() != candorv1.ScoreKind_SCORE_KIND_PROBABILITY || c.Proto().GetOwner() != "team-vision" {
		t.Errorf("card %+v", c)
	}
	c, err = CompileCard(regressionCard())
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(c.ScoreOutputs(), " "); got != "price low high" || c.Labels() != nil {
		t.Errorf("score outputs %q, labels %v", got, c.Labels())
	}
	silent := digitsCard()
	silent.Scores = nil
	c, err = CompileCard(silent)
	if err != nil {
		t.Fatal(err)
	}
	if c.ScoreOutput() != "" || c.ScoreOutputs() != nil || c.Labels() != nil || c.Kind() != candorv1.ScoreKind_SCORE_KIND_UNSPECIFIED {
		t.Errorf("card %+v", c)
	}
}

func TestCompileCardRefuses(t *testing.T) {
	type edit = func(*candorv1.ModelCard)
	score := func(f func(*candorv1.Score)) edit { return func(c *candorv1.ModelCard) { f(c.Scores[0]) } }
	for _, test := range []struct {
		card *candorv1.ModelCard
		edit edit
		// field begins the error.
		field string
	}{
		{digitsCard(), func(c *candorv1.ModelCard) { c.CreatedAt = nil }, "created_at: "},
		{digitsCard(), func(c *candorv1.ModelCard) { c.Owner = " " }, "owner: "},
		{digitsCard(), func(c *candorv1.ModelCard) { c.Rows = 0 }, "rows: "},
		{digitsCard(), func(c *candorv1.ModelCard) { c.Inputs = nil }, "inputs: "},
		{digitsCard(), func(c *candorv1.ModelCard) { c.Outputs = nil }, "outputs: "},
		{digitsCard(), func(c *candorv1.ModelCard) { c.Inputs[0].Shared = true }, "inputs: "},
		{digitsCard(), func(c *candorv1.ModelCard) { c.Inputs[0].Name = "" }, "inputs[0].name: "},
		{digitsCard(), func(c *candorv1.ModelCard) { c.Inputs[0].Datatype = "FLOAT" }, "inputs[0].datatype: "},
		{digitsCard(), func(c *candorv1.ModelCard) { c.Inputs[0].Shape = nil }, "inputs[0].shape: "},
		{digitsCard(), func(c *candorv1.ModelCard) { c.Inputs[0].Shape = []int64{-1, 0} }, "inputs[0].shape[1]: "},
		{digitsCard(), func(c *candorv1.ModelCard) { c.Inputs[0].Shape = []int64{-2, 2} }, "inputs[0].shape[0]: "},
		{digitsCard(), func(c *candorv1.ModelCard) { c.Inputs[0].Shape = []int64{-1, 1 << 32, 1 << 32} }, "inputs[0].shape: "},
		{digitsCard(), func(c *candorv1.ModelCard) { c.Inputs = append(c.Inputs, c.Inputs[0]) }, "inputs[1].name: "},
		{digitsCard(), func(c *candorv1.ModelCard) { c.Outputs[0].Name = "candor_route" }, "outputs[0].name: "},
		{digitsCard(), func(c *candorv1.ModelCard) { c.Scores = append(c.Scores, c.Scores[0]) }, "scores[1].output: "},
		{digitsCard(), func(c *candorv1.ModelCard) { c.Scores = make([]*candorv1.Score, MaxFields+1) }, "scores: "},
		{digitsCard(), func(c *candorv1.ModelCard) {
			second := proto.CloneOf(c.Scores[0])
			second.Output, c.Scores[0].Field = "more", "more"
			c.Outputs = append(c.Outputs, &candorv1.OutputSpec{Name: "more", Datatype: "FP32", Shape: c.Outputs[0].Shape})
			c.Scores = append(c.Scores, second)
		}, "scores[1].field: "},
		{digitsCard(), score(func(s *candorv1.Score) { s.Output = "logits" }), "scores[0].output: "},
		{digitsCard(), func(c *candorv1.ModelCard) { c.Outputs[0].Datatype = "INT64" }, "scores[0].output: "},
		{digitsCard(), score(func(s *candorv1.Score) { s.Kind = 0 }), "scores[0].kind: "},
		{digitsCard(), score(func(s *candorv1.Score) { s.Labels = nil }), "scores[0].labels: "},
		{digitsCard(), score(func(s *candorv1.Score) { s.Labels = []string{"a", "a"} }), "scores[0].labels[1]: "},
		{digitsCard(), score(func(s *candorv1.Score) { s.Labels = []string{"a", ""} }), "scores[0].labels[1]: "},
		{digitsCard(), score(func(s *candorv1.Score) { s.Labels = []string{"a", "b", "c"} }), "scores[0].labels: "},
		{digitsCard(), score(func(s *candorv1.Score) { s.SumTolerance = proto.Float64(0.5) }), "scores[0].sum_tolerance: "},
		{digitsCard(), score(func(s *candorv1.Score) { s.Regression = &candorv1.RegressionScore{Unit: "EUR"} }), "scores[0].regression: "},
		{digitsCard(), score(func(s *candorv1.Score) { s.Kind = candorv1.ScoreKind_SCORE_KIND_LOG_ODDS }), "scores[0].output: "},
		{digitsCard(), func(c *candorv1.ModelCard) {
			c.Outputs[0].Shape = []int64{-1, 1}
			c.Scores[0].Labels = []string{"a", "b", "c"}
		}, "scores[0].labels: "},
		{digitsCard(), func(c *candorv1.ModelCard) {
			c.Outputs[0].Shape = []int64{-1, -1}
			c.Scores[0].Kind = candorv1.ScoreKind_SCORE_KIND_LOG_ODDS
			c.Scores[0].Labels = []string{"a", "b", "c"}
		}, "scores[0].labels: "},

		{regressionCard(), score(func(s *candorv1.Score) { s.Regression = nil }), "scores[0].regression.unit: "},
		{regressionCard(), score(func(s *candorv1.Score) { s.Labels = []string{"a", "b"} }), "scores[0].labels: "},
		{regressionCard(), score(func(s *candorv1.Score) { s.SumTolerance = proto.Float64(0.1) }), "scores[0].sum_tolerance: "},
		{regressionCard(), score(func(s *candorv1.Score) { s.Regression.LowerOutput = "" }), "scores[0].regression.lower_output: "},
		{regressionCard(), score(func(s *candorv1.Score) { s.Regression.UpperOutput = "" }), "scores[0].regression.upper_output: "},
		{regressionCard(), score(func(s *candorv1.Score) { s.Regression.UpperOutput = "top" }), "scores[0].regression.upper_output: "},
		{regressionCard(), score(func(s *candorv1.Score) { s.Regression.UpperOutput = "low" }), "scores[0].regression.upper_output: "},
		{regressionCard(), score(func(s *candorv1.Score) { s.Regression.LowerOutput = "price" }), "scores[0].regression.lower_output: "},
		{regressionCard(), score(func(s *candorv1.Score) { s.Regression.Coverage = proto.Float64(1) }), "scores[0].regression.coverage: "},
		{regressionCard(), score(func(s *candorv1.Score) { s.Regression.Min = proto.Float64(1000) }), "scores[0].regression.min: "},
		{regressionCard(), func(c *candorv1.ModelCard) { c.Outputs[0].Shape = []int64{-1, 2} }, "scores[0].output: "},
		{regressionCard(), func(c *candorv1.ModelCard) { c.Outputs[1].Shape = []int64{-1, 2} }, "scores[0].regression.lower_output: "},
		{regressionCard(), func(c *candorv1.ModelCard) { c.Outputs[2].Datatype = "INT32" }, "scores[0].regression.upper_output: "},
	} {
		test.edit(test.card)
		_, err := CompileCard(test.card)
		if err == nil || !strings.HasPrefix(err.Error(), test.field) {
			t.Errorf("want an error of %q, have: %v", test.field, err)
		}
	}
	if _, err := CompileCard(nil); err == nil {
		t.Error("no card is no error")
	}
}

func TestCompileCardAllowsOneNumberForTwoLabels(t *testing.T) {
	for _, kind := range []candorv1.ScoreKind{
		candorv1.ScoreKind_SCORE_KIND_PROBABILITY, candorv1.ScoreKind_SCORE_KIND_LOG_ODDS, candorv1.ScoreKind_SCORE_KIND_LOGIT,
	} {
		for _, shape := range [][]int64{{-1}, {-1, 1}, {-1, -1}} {
			c := digitsCard()
			c.Outputs[0].Shape, c.Scores[0].Kind = shape, kind
			if _, err := CompileCard(c); err != nil {
				t.Errorf("%v of shape %v: %v", kind, shape, err)
			}
		}
	}
}
