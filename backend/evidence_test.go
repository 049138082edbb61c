package backend

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/wire"
	"github.com/candor-gateway/candor/router"
)

const (
	maxProb  = candorv1.ConfidenceMethod_CONFIDENCE_METHOD_MAX_PROB
	margin   = candorv1.ConfidenceMethod_CONFIDENCE_METHOD_MARGIN
	interval = candorv1.ConfidenceMethod_CONFIDENCE_METHOD_INTERVAL_WIDTH
)

// answer builds, scans and validates a response.
func answer(t testing.TB, raw bool, outputs ...wire.TensorData) *wire.Response {
	t.Helper()
	data, err := wire.BuildResponse("m", "1", "", nil, outputs, raw)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := wire.ScanResponse(wire.NewFrame(data))
	if err != nil {
		t.Fatal(err)
	}
	if err := resp.Validate(); err != nil {
		t.Fatal(err)
	}
	return resp
}

func out(name string, d wire.Datatype, shape []int64, values ...float64) wire.TensorData {
	return wire.TensorData{Name: name, Datatype: d, Shape: shape, Floats: values}
}

func near(a, b float64) bool { return math.Abs(a-b) < 1e-3 }

// scoreCard is a card with one score tensor p of the given kind.
func scoreCard(kind candorv1.ScoreKind, datatype string, shape []int64, labels ...string) *candorv1.ModelCard {
	c := digitsCard()
	c.Outputs[0] = &candorv1.OutputSpec{Name: "p", Datatype: datatype, Shape: shape}
	c.Scores[0] = &candorv1.Score{Output: "p", Kind: kind, Labels: labels}
	return c
}

func TestEvidenceKinds(t *testing.T) {
	perLabel, one := []int64{-1, 3}, []int64{-1, 1}
	abc, noYes := []string{"a", "b", "c"}, []string{"no", "yes"}
	for _, test := range []struct {
		name   string
		kind   candorv1.ScoreKind
		shape  []int64
		labels []string
		// two rows
		values [2][]float64
		label  [2]string
		conf   [2]float64
	}{
		{
			"probability", candorv1.ScoreKind_SCORE_KIND_PROBABILITY, perLabel, abc,
			[2][]float64{{0.75, 0.125, 0.125}, {0.25, 0.25, 0.5}}, [2]string{"a", "c"}, [2]float64{0.75, 0.5},
		},
		{
			"one probability", candorv1.ScoreKind_SCORE_KIND_PROBABILITY, []int64{-1}, noYes,
			[2][]float64{{0.125}, {0.75}}, [2]string{"no", "yes"}, [2]float64{0.875, 0.75},
		},
		{
			"log-odds", candorv1.ScoreKind_SCORE_KIND_LOG_ODDS, one, noYes,
			[2][]float64{{2}, {-2}}, [2]string{"yes", "no"}, [2]float64{1 / (1 + math.Exp(-2)), 1 / (1 + math.Exp(-2))},
		},
		{
			"logits", candorv1.ScoreKind_SCORE_KIND_LOGIT, perLabel, abc,
			[2][]float64{{0, 0, 2}, {1, 0, 0}}, [2]string{"c", "a"}, [2]float64{math.Exp(2) / (math.Exp(2) + 2), math.E / (math.E + 2)},
		},
		{
			"log-probabilities", candorv1.ScoreKind_SCORE_KIND_LOG_PROB, perLabel, abc,
			[2][]float64{{math.Log(0.5), math.Log(0.25), math.Log(0.25)}, {math.Inf(-1), 0, math.Inf(-1)}},
			[2]string{"a", "b"}, [2]float64{0.5, 1},
		},
	} {
		for _, datatype := range []wire.Datatype{wire.FP32, wire.FP64, wire.FP16, wire.BF16} {
			for _, raw := range []bool{true, false} {
				// FP16 and BF16 exist only raw.
				if !raw && (datatype == wire.FP16 || datatype == wire.BF16) {
					continue
				}
				t.Run(fmt.Sprintf("%s/%v/raw=%v", test.name, datatype, raw), func(t *testing.T) {
					card := scoreCard(test.kind, datatype.String(), test.shape, test.labels...)
					// What BF16 can't say exactly.
					card.Scores[0].SumTolerance = proto.Float64(0.01)
					shape := append([]int64{2}, test.shape[1:]...)
					resp := answer(t, raw, out("p", datatype, shape, append(test.values[0], test.values[1]...)...))
					evidence, verdict := compile(t, card).Evidence(nil, "primary", resp, 2, Reading{Method: maxProb})
					if verdict != (Verdict{}) || len(evidence) != 2 {
						t.Fatalf("verdict %v, %d rows", verdict, len(evidence))
					}
					for i, e := range evidence {
						if e.Label != test.label[i] || e.Confidence == nil || math.Abs(*e.Confidence-test.conf[i]) > 0.01 ||
							e.Stage != "primary" || e.Kind != test.kind || e.Method != maxProb || len(e.Faults) > 0 {
							t.Errorf("row %d: %+v", i, e)
						}
					}
				})
			}
		}
	}
}

func TestEvidenceMethods(t *testing.T) {
	card := compile(t, scoreCard(candorv1.ScoreKind_SCORE_KIND_PROBABILITY, "FP32", []int64{-1, 2}, "no", "yes"))
	resp := answer(t, true, out("p", wire.FP32, []int64{1, 2}, 0.75, 0.25))
	e, _ := card.Evidence(nil, "s", resp, 1, Reading{Method: margin})
	if e[0].Confidence == nil || !near(*e[0].Confidence, 0.5) {
		t.Errorf("margin: %+v", e[0])
	}
}

func TestEvidenceRegression(t *testing.T) {
	three := func(price, low, high float64) *wire.Response {
		return answer(t, true, out("price", wire.FP32, []int64{1, 1}, price), out("low", wire.FP32, []int64{1, 1}, low), out("high", wire.FP32, []int64{1, 1}, high))
	}
	card := compile(t, regressionCard())
	e, verdict := card.Evidence(nil, "s", three(100, 90, 115), 1, Reading{Method: interval, Scale: router.Scale{Interval: 100}})
	if verdict != (Verdict{}) || *e[0].Value != 100 || *e[0].Lower != 90 || *e[0].Upper != 115 || !near(*e[0].Confidence, 0.75) {
		t.Errorf("verdict %v, %+v", verdict, e[0])
	}
	for name, bad := range map[string]*wire.Response{
		"above max": three(2000, 1990, 2010), "inverted": three(100, 115, 90), "outside": three(100, 101, 115), "NaN bound": three(100, math.NaN(), 115),
	} {
		if e, verdict := card.Evidence(nil, "s", bad, 1, Reading{Method: interval, Scale: router.Scale{Interval: 100}}); verdict.BadRows != 1 || len(e[0].Faults) != 1 {
			t.Errorf("%s: verdict %v, %+v", name, verdict, e[0])
		}
	}

	plain := regressionCard()
	plain.Scores[0].Regression = &candorv1.RegressionScore{Unit: "EUR"}
	e, verdict = compile(t, plain).Evidence(nil, "s", three(100, 90, 115), 1, Reading{Method: interval, Scale: router.Scale{Interval: 100}})
	if verdict != (Verdict{}) || *e[0].Value != 100 || e[0].Lower != nil || e[0].Confidence != nil {
		t.Errorf("without an interval: verdict %v, %+v", verdict, e[0])
	}
}

func TestEvidenceWithoutAScore(t *testing.T) {
	card := digitsCard()
	card.Scores = nil
	resp := answer(t, true, out("probabilities", wire.FP32, []int64{2, 2}, 1, 2, 3, math.NaN()))
	evidence, verdict := compile(t, card).Evidence(nil, "s", resp, 2, Reading{Method: maxProb})
	if verdict != (Verdict{}) || len(evidence) != 2 {
		t.Fatalf("verdict %v, %d rows", verdict, len(evidence))
	}
	for _, e := range evidence {
		if e.Confidence != nil || len(e.Faults) > 0 || e.Stage != "s" || e.Top != -1 {
			t.Errorf("evidence %+v", e)
		}
	}
}

func TestEvidenceOfOneUnbatchedRow(t *testing.T) {
	card := scoreCard(candorv1.ScoreKind_SCORE_KIND_PROBABILITY, "FP32", []int64{3}, "a", "b", "c")
	card.Rows = candorv1.Rows_ROWS_NONE
	evidence, verdict := compile(t, card).Evidence(nil, "s", answer(t, false, out("p", wire.FP32, []int64{3}, 0, 1, 0)), 1, Reading{Method: maxProb})
	if verdict != (Verdict{}) || len(evidence) != 1 || evidence[0].Label != "b" {
		t.Errorf("verdict %v, %+v", verdict, evidence)
	}
}

// A bad number makes its own row faulty, and no other.
func TestEvidenceBadRows(t *testing.T) {
	card := compile(t, scoreCard(candorv1.ScoreKind_SCORE_KIND_PROBABILITY, "FP32", []int64{-1, 2}, "no", "yes"))
	resp := answer(t, true, out("p", wire.FP32, []int64{5, 2},
		0.5, 0.5,
		math.NaN(), 0.5,
		1.7, -0.7,
		0.25, 0.75,
		0.25, 0.25))
	evidence, verdict := card.Evidence(nil, "s", resp, 5, Reading{Method: maxProb})
	if verdict.Unusable != "" || verdict.BadRows != 3 || !strings.Contains(verdict.Detail, "row 1") || !strings.Contains(verdict.Detail, "NaN") {
		t.Errorf("verdict %+v", verdict)
	}
	for i, e := range evidence {
		bad := i == 1 || i == 2 || i == 4
		if bad != (len(e.Faults) == 1 && e.Faults[0] == candorv1.Reason_REASON_CONTRACT_FAILURE) || bad == (e.Confidence != nil) {
			t.Errorf("row %d: %+v", i, e)
		}
	}
}

func TestEvidenceUnusable(t *testing.T) {
	base := scoreCard(candorv1.ScoreKind_SCORE_KIND_PROBABILITY, "FP32", []int64{-1, 2}, "no", "yes")
	base.Outputs = append(base.Outputs, &candorv1.OutputSpec{Name: "label", Datatype: "INT64", Shape: []int64{-1}})
	open := proto.CloneOf(base)
	open.Outputs[0].Shape = []int64{-1, -1}
	p := out("p", wire.FP32, []int64{2, 2}, 0.5, 0.5, 0.5, 0.5)
	regression := regressionCard()
	for i := range regression.Outputs {
		regression.Outputs[i].Shape = []int64{-1, -1}
	}
	for _, test := range []struct {
		name    string
		card    *candorv1.ModelCard
		outputs []wire.TensorData
		text    string
	}{
		{"good", base, []wire.TensorData{p, out("label", wire.INT64, []int64{2}, 1, 1)}, ""},
		{"an output that the card does not know", base, []wire.TensorData{p, out("debug", wire.INT64, []int64{7, 1}, 1, 2, 3, 4, 5, 6, 7)}, ""},
		{"no score", base, []wire.TensorData{out("label", wire.INT64, []int64{2}, 1, 1)}, `"p", which holds the score, is missing`},
		{"datatype", base, []wire.TensorData{out("p", wire.FP64, []int64{2, 2}, 1, 0, 1, 0)}, "is FP64, the card says FP32"},
		{"dimensions", base, []wire.TensorData{out("p", wire.FP32, []int64{4}, 1, 0, 1, 0)}, "1 dimensions instead of 2"},
		{"size", base, []wire.TensorData{out("p", wire.FP32, []int64{2, 1}, 1, 0)}, "does not fit"},
		{"rows", base, []wire.TensorData{out("p", wire.FP32, []int64{3, 2}, 1, 0, 1, 0, 1, 0)}, "3 rows, the request had 2"},
		{"rows of another output", base, []wire.TensorData{p, out("label", wire.INT64, []int64{3}, 1, 1, 1)}, `"label" has 3 rows`},
		{"datatype of another output", base, []wire.TensorData{p, out("label", wire.FP32, []int64{2}, 1, 1)}, `"label" is FP32`},
		{"numbers for labels", open, []wire.TensorData{out("p", wire.FP32, []int64{2, 3}, 1, 0, 0, 1, 0, 0)}, "3 numbers per row for 2 labels"},
		{"numbers for a value", regression, []wire.TensorData{
			out("price", wire.FP32, []int64{2, 2}, 1, 1, 1, 1), out("low", wire.FP32, []int64{2, 1}, 0, 0), out("high", wire.FP32, []int64{2, 1}, 2, 2),
		}, "a regression has one"},
		{"numbers for a bound", regression, []wire.TensorData{
			out("price", wire.FP32, []int64{2, 1}, 1, 1), out("low", wire.FP32, []int64{2, 1}, 0, 0), out("high", wire.FP32, []int64{2, 2}, 2, 2, 2, 2),
		}, "a bound has one"},
		{"a missing bound", regression, []wire.TensorData{
			out("price", wire.FP32, []int64{2, 1}, 1, 1), out("low", wire.FP32, []int64{2, 1}, 0, 0),
		}, `"high", which holds the score, is missing`},
	} {
		t.Run(test.name, func(t *testing.T) {
			evidence, verdict := compile(t, test.card).Evidence(nil, "s", answer(t, true, test.outputs...), 2, Reading{Method: maxProb})
			if len(evidence) != 2 {
				t.Fatalf("%d rows", len(evidence))
			}
			if test.text == "" {
				if verdict != (Verdict{}) {
					t.Errorf("verdict %v", verdict)
				}
				return
			}
			if !strings.Contains(verdict.Unusable, test.text) {
				t.Errorf("verdict %v does not say %q", verdict, test.text)
			}
			for i, e := range evidence {
				if len(e.Faults) != 1 || e.Confidence != nil {
					t.Errorf("row %d: %+v", i, e)
				}
			}
		})
	}
}

// Whatever a model server sends, reading it ends without a panic and with one Evidence per row and field; a row without faults has
// scores that are numbers.
func FuzzEvidence(f *testing.F) {
	card := compile(f, scoreCard(candorv1.ScoreKind_SCORE_KIND_PROBABILITY, "FP32", []int64{-1, -1}, "no", "yes"))
	price := compile(f, regressionCard())
	f.Add(answer(f, true, out("p", wire.FP32, []int64{2, 2}, 0.5, 0.5, 1, 0)).Frame().Bytes(), 2)
	f.Add(answer(f, false, out("p", wire.FP32, []int64{1, 1}, 1.7)).Frame().Bytes(), 1)
	f.Add(answer(f, true, out("price", wire.FP32, []int64{1, 1}, 1), out("low", wire.FP32, []int64{1, 1}, 0), out("high", wire.FP32, []int64{1, 1}, 2)).Frame().Bytes(), 1)
	fields := compile(f, documentCard())
	f.Add(document(f, true).Frame().Bytes(), 2)
	f.Add(document(f, false, out("cur", wire.FP32, []int64{2, 1}, math.NaN(), 0)).Frame().Bytes(), 2)
	f.Add([]byte{}, 0)
	f.Fuzz(func(t *testing.T, data []byte, rows int) {
		if rows > MaxRows/len(documentReadings) {
			return
		}
		resp, err := wire.ScanResponse(wire.NewFrame(data))
		if err != nil || resp.Validate() != nil {
			return
		}
		for _, c := range []*Card{card, price, fields} {
			how := documentReadings[:len(c.Fields())]
			evidence, verdict := c.Evidence(nil, "s", resp, rows, how...)
			if len(evidence) != max(rows, 0)*len(how) {
				t.Fatalf("%d rows, want %d", len(evidence), rows)
			}
			bad, abstained := 0, 0
			for _, e := range evidence {
				if len(e.Faults) > 0 && e.Faults[0] == candorv1.Reason_REASON_ABSTAINED {
					abstained++ // no fault of the model
					continue
				}
				if len(e.Faults) > 0 {
					bad++
					continue
				}
				for _, v := range e.Scores {
					if math.IsNaN(v) {
						t.Errorf("NaN passed: %+v", e)
					}
				}
			}
			if verdict.Unusable == "" && bad != verdict.BadRows || verdict.Unusable != "" && bad+abstained != len(evidence) {
				t.Errorf("%d bad rows, verdict %v", bad, verdict)
			}
		}
	})
}
