package backend

import (
	"math"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/wire"
	"github.com/candor-gateway/candor/router"
)

// abstaining is a card whose model says by a flag where it has no answer.
func abstaining(datatype string) *candorv1.ModelCard {
	c := scoreCard(candorv1.ScoreKind_SCORE_KIND_PROBABILITY, "FP32", []int64{-1}, "no", "yes")
	c.Outputs = append(c.Outputs, &candorv1.OutputSpec{Name: "unsure", Datatype: datatype, Shape: []int64{-1, 1}})
	c.AbstainOutput = "unsure"
	return c
}

// A row for which the model abstains has no usable answer, whatever its score, and doesn't count against the model server.
func TestEvidenceOfAbstention(t *testing.T) {
	for _, d := range []wire.Datatype{wire.BOOL, wire.UINT8, wire.INT64, wire.FP32} {
		for _, raw := range []bool{true, false} {
			card := compile(t, abstaining(d.String()))
			resp := answer(t, raw, out("p", wire.FP32, []int64{3}, .25, 7, 2), out("unsure", d, []int64{3, 1}, 0, 1, 0))
			ev, verdict := card.Evidence(nil, "s", resp, 3, Reading{Method: maxProb})
			if len(ev[0].Faults) > 0 || ev[0].Label != "no" {
				t.Errorf("%v: row 0 is %+v", d, ev[0])
			}
			if len(ev[1].Faults) != 1 || ev[1].Faults[0] != candorv1.Reason_REASON_ABSTAINED {
				t.Errorf("%v: row 1 is %+v, want an abstention", d, ev[1])
			}
			if verdict.BadRows != 1 || verdict.Unusable != "" || !strings.Contains(verdict.Detail, "row 2") {
				t.Errorf("%v: verdict %+v, want row 2 alone", d, verdict)
			}
		}
	}
}

func TestEvidenceOfBrokenAbstention(t *testing.T) {
	card := compile(t, abstaining("FP32"))
	if got := strings.Join(card.ScoreOutputs(), " "); got != "p unsure" {
		t.Errorf("score outputs %q", got)
	}
	p := out("p", wire.FP32, []int64{2}, .25, .5)
	for name, c := range map[string]struct {
		outputs []wire.TensorData
		says    string
	}{
		"missing":     {[]wire.TensorData{p}, "which says where the model abstains, is missing"},
		"wrong shape": {[]wire.TensorData{p, out("unsure", wire.FP32, []int64{2, 2}, 0, 0, 0, 0)}, `"unsure"`},
		"wrong rows":  {[]wire.TensorData{p, out("unsure", wire.FP32, []int64{1, 1}, 0)}, "1 rows"},
		"wrong type":  {[]wire.TensorData{p, out("unsure", wire.INT8, []int64{2, 1}, 0, 0)}, "INT8"},
	} {
		t.Run(name, func(t *testing.T) {
			ev, verdict := card.Evidence(nil, "s", answer(t, true, c.outputs...), 2, Reading{Method: maxProb})
			if !strings.Contains(verdict.Unusable, c.says) || len(ev) != 2 || ev[0].Faults[0] != candorv1.Reason_REASON_CONTRACT_FAILURE {
				t.Errorf("verdict %+v, evidence %+v, want unusable: %q", verdict, ev, c.says)
			}
		})
	}
	broken := answer(t, true, p, out("unsure", wire.FP32, []int64{2, 1}, 0, math.NaN()))
	ev, verdict := card.Evidence(nil, "s", broken, 2, Reading{Method: maxProb})
	if verdict.BadRows != 1 || len(ev[0].Faults) > 0 || len(ev[1].Faults) != 1 || !strings.Contains(verdict.Detail, `"unsure": whether the model abstains is NaN`) {
		t.Errorf("verdict %+v, want row 1 broken by its flag", verdict)
	}
	// Open shapes are seen only when an answer has come.
	open := abstaining("FP32")
	open.Outputs[1].Shape = []int64{-1, -1}
	_, verdict = compile(t, open).Evidence(nil, "s", answer(t, true, p, out("unsure", wire.FP32, []int64{2, 2}, 0, 0, 0, 0)), 2, Reading{Method: maxProb})
	if !strings.Contains(verdict.Unusable, "a flag has one") {
		t.Errorf("verdict %+v, want a flag with two elements to be unusable", verdict)
	}
}

// A model without a score can abstain all the same.
func TestEvidenceOfAbstentionWithoutAScore(t *testing.T) {
	c := abstaining("BOOL")
	c.Scores = nil
	ev, verdict := compile(t, c).Evidence(nil, "s", answer(t, true, out("p", wire.FP32, []int64{2}, 0, 0), out("unsure", wire.BOOL, []int64{2, 1}, 1, 0)), 2, Reading{})
	if verdict.BadRows != 0 || len(ev[0].Faults) != 1 || len(ev[1].Faults) != 0 {
		t.Errorf("evidence %+v, verdict %+v", ev, verdict)
	}
}

func TestEvidenceOfVariance(t *testing.T) {
	c := regressionCard()
	c.Scores[0].Regression = &candorv1.RegressionScore{Unit: "EUR", VarianceOutput: "low", Coverage: proto.Float64(.95)}
	card := compile(t, c)
	if got := strings.Join(card.ScoreOutputs(), " "); got != "price low" {
		t.Errorf("score outputs %q", got)
	}
	read := func(variance float64) (router.Evidence, Verdict) {
		resp := answer(t, true, out("price", wire.FP32, []int64{1, 1}, 100), out("low", wire.FP32, []int64{1, 1}, variance))
		ev, verdict := card.Evidence(nil, "s", resp, 1, Reading{Method: interval, Scale: router.Scale{Interval: 100}})
		return ev[0], verdict
	}
	// z(0.95) = 1.96
	if ev, verdict := read(25); verdict.BadRows != 0 || !near(*ev.Lower, 100-9.8) || !near(*ev.Confidence, 1-.196) {
		t.Errorf("%+v %+v, want 100 ± 9.8", ev, verdict)
	}
	if ev, verdict := read(-1); verdict.BadRows != 1 || len(ev.Faults) != 1 {
		t.Errorf("%+v %+v, want a broken row", ev, verdict)
	}
}

func TestCompileCardRefusesMore(t *testing.T) {
	distance := func() *candorv1.ModelCard {
		c := scoreCard(candorv1.ScoreKind_SCORE_KIND_DISTANCE, "FP32", []int64{-1, 2}, "a", "b")
		c.Scores[0].Metric = "cosine"
		return c
	}
	if c, err := CompileCard(distance()); err != nil || c.Source(true) != (router.Source{Kind: candorv1.ScoreKind_SCORE_KIND_DISTANCE, Labels: 2, Calibrated: true}) {
		t.Errorf("source %+v, error %v", c.Source(true), err)
	}
	for name, test := range map[string]struct {
		card  *candorv1.ModelCard
		edit  func(*candorv1.ModelCard)
		field string
	}{
		"no metric":           {distance(), func(c *candorv1.ModelCard) { c.Scores[0].Metric = "" }, "scores[0].metric: "},
		"metric of a margin":  {distance(), func(c *candorv1.ModelCard) { c.Scores[0].Kind = candorv1.ScoreKind_SCORE_KIND_MARGIN }, "scores[0].metric: "},
		"variance and bounds": {regressionCard(), func(c *candorv1.ModelCard) { c.Scores[0].Regression.VarianceOutput = "low" }, "scores[0].regression.variance_output: "},
		"unknown variance": {regressionCard(), func(c *candorv1.ModelCard) {
			c.Scores[0].Regression = &candorv1.RegressionScore{Unit: "EUR", VarianceOutput: "x"}
		}, "scores[0].regression.variance_output: "},
		"value as its variance": {regressionCard(), func(c *candorv1.ModelCard) {
			c.Scores[0].Regression = &candorv1.RegressionScore{Unit: "EUR", VarianceOutput: "price"}
		}, "scores[0].regression.variance_output: "},
		"unknown flag":    {abstaining("BOOL"), func(c *candorv1.ModelCard) { c.AbstainOutput = "x" }, "abstain_output: "},
		"flag of bytes":   {abstaining("BYTES"), func(*candorv1.ModelCard) {}, "abstain_output: "},
		"flag of two":     {abstaining("BOOL"), func(c *candorv1.ModelCard) { c.Outputs[1].Shape = []int64{-1, 2} }, "abstain_output: "},
		"score as a flag": {abstaining("BOOL"), func(c *candorv1.ModelCard) { c.AbstainOutput = "p" }, "abstain_output: "},
	} {
		t.Run(name, func(t *testing.T) {
			test.edit(test.card)
			if _, err := CompileCard(test.card); err == nil || !strings.HasPrefix(err.Error(), test.field) {
				t.Errorf("want an error of %q, have: %v", test.field, err)
			}
		})
	}
}
