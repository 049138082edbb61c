package backend

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/wire"
	"github.com/candor-gateway/candor/router"
)

// documentCard is a card of three fields: who (3 probabilities), cur (1 probability), total (a value with a variance), and a flag.
func documentCard() *candorv1.ModelCard {
	c := digitsCard()
	c.Outputs, c.AbstainOutput = []*candorv1.OutputSpec{
		{Name: "who", Datatype: "FP32", Shape: []int64{-1, 3}}, {Name: "cur", Datatype: "FP32", Shape: []int64{-1, 1}},
		{Name: "total", Datatype: "FP64", Shape: []int64{-1}}, {Name: "var", Datatype: "FP64", Shape: []int64{-1}},
		{Name: "blank", Datatype: "BOOL", Shape: []int64{-1}}, {Name: "vector", Datatype: "FP32", Shape: []int64{-1, 4}},
	}, "blank"
	c.Scores = []*candorv1.Score{
		{Field: "vendor", Output: "who", Kind: candorv1.ScoreKind_SCORE_KIND_PROBABILITY, Labels: []string{"a", "b", "c"}},
		{Output: "cur", Kind: candorv1.ScoreKind_SCORE_KIND_PROBABILITY, Labels: []string{"EUR", "USD"}},
		{Output: "total", Kind: candorv1.ScoreKind_SCORE_KIND_REGRESSION, Regression: &candorv1.RegressionScore{Unit: "EUR", VarianceOutput: "var"}},
	}
	return c
}

var documentReadings = []Reading{{Method: maxProb}, {Method: margin}, {Method: interval, Scale: router.Scale{Interval: 100}}}

// document is an answer for two rows; edits replace tensors by name.
func document(t testing.TB, raw bool, edits ...wire.TensorData) *wire.Response {
	tensors := []wire.TensorData{
		out("who", wire.FP32, []int64{2, 3}, .8, .1, .1, .2, .2, .6), out("cur", wire.FP32, []int64{2, 1}, .25, .9),
		out("total", wire.FP64, []int64{2}, 100, 200), out("var", wire.FP64, []int64{2}, 1, 4), out("blank", wire.BOOL, []int64{2}, 0, 0),
	}
	for _, e := range edits {
		tensors[slices.IndexFunc(tensors, func(d wire.TensorData) bool { return d.Name == e.Name })] = e
	}
	return answer(t, raw, tensors...)
}

func TestFieldsOfACard(t *testing.T) {
	c := compile(t, documentCard())
	var got []string
	for _, f := range c.Fields() {
		got = append(got, fmt.Sprintf("%s %s %v %s", f.Name, f.Output, f.Labels, f.Unit))
	}
	if want := []string{"vendor who [a b c] ", "cur cur [EUR USD] ", "total total [] EUR"}; !slices.Equal(got, want) {
		t.Errorf("fields %q, want %q", got, want)
	}
	if got := strings.Join(c.ScoreOutputs(), " "); got != "who cur total var blank" {
		t.Errorf("reads %q", got)
	}
	for output, want := range map[string]int{"who": 0, "cur": 1, "total": 2, "var": 2, "vector": -1, "blank": -1, "none": -1} {
		if got := c.FieldOf(output); got != want {
			t.Errorf("%s is of field %d, want %d", output, got, want)
		}
	}
	if s := c.Fields()[1].Source(false); !s.Single || s.Labels != 2 {
		t.Errorf("source %+v", s)
	}
	for _, one := range []*candorv1.ModelCard{digitsCard(), regressionCard()} {
		one.Scores[0].Field = "named"
		if f := compile(t, one).Fields(); len(f) != 1 || f[0].Name != "" || f[0].Output != one.GetScores()[0].GetOutput() {
			t.Errorf("fields of a card with one score: %+v", f)
		}
	}
	none := digitsCard()
	none.Scores = nil
	if f := compile(t, none).Fields(); len(f) != 1 || f[0].Output != "" {
		t.Errorf("fields of a card without scores: %+v", f)
	}
}

func TestEvidenceOfFields(t *testing.T) {
	c := compile(t, documentCard())
	for _, raw := range []bool{true, false} {
		evidence, verdict := c.Evidence(nil, "s", document(t, raw), 2, documentReadings...)
		if len(evidence) != 6 || verdict.BadRows != 0 || verdict.Unusable != "" {
			t.Fatalf("%d, %v", len(evidence), verdict)
		}
		// The normal quantile of 95 % is 1.6449: the intervals are 2·1.6449·σ wide.
		for i, want := range []struct {
			label      string
			confidence float64
		}{{"a", .8}, {"EUR", .5}, {"", 1 - .0329}, {"c", .6}, {"USD", .8}, {"", 1 - .0658}} {
			e := evidence[i]
			if e.Label != want.label || !near(*e.Confidence, want.confidence) || (e.Value != nil) != (want.label == "") {
				t.Errorf("%d: %+v, want %+v", i, e, want)
			}
		}
	}
}

func TestFaultsOfFields(t *testing.T) {
	c := compile(t, documentCard())
	faulty := func(evidence []router.Evidence) (which string) {
		for _, e := range evidence {
			which += map[bool]string{true: "x", false: "."}[len(e.Faults) > 0]
		}
		return which
	}
	for _, tt := range []struct {
		name     string
		edit     wire.TensorData
		want     string
		bad      int
		unusable string
	}{
		{"a probability above 1", out("cur", wire.FP32, []int64{2, 1}, 1.7, .9), ".x....", 1, ""},
		{"a variance below 0", out("var", wire.FP64, []int64{2}, 1, -4), ".....x", 1, ""},
		{"abstained from a row", out("blank", wire.BOOL, []int64{2}, 0, 1), "...xxx", 0, ""},
		{"another shape", out("who", wire.FP32, []int64{2, 2}, .8, .2, .2, .8), "xxxxxx", 0, `output "who"`},
		{"another datatype", out("total", wire.FP32, []int64{2}, 1, 2), "xxxxxx", 0, `output "total"`},
	} {
		evidence, verdict := c.Evidence(nil, "s", document(t, true, tt.edit), 2, documentReadings...)
		if got := faulty(evidence); got != tt.want || verdict.BadRows != tt.bad || !strings.HasPrefix(verdict.Unusable, tt.unusable) || (verdict.Unusable == "") != (tt.unusable == "") {
			t.Errorf("%s: faults %s, verdict %v", tt.name, got, verdict)
		}
	}
	missing := answer(t, true, out("who", wire.FP32, []int64{2, 3}, .8, .1, .1, .2, .2, .6), out("blank", wire.BOOL, []int64{2}, 0, 0))
	if evidence, verdict := c.Evidence(nil, "s", missing, 2, documentReadings...); faulty(evidence) != "xxxxxx" || !strings.Contains(verdict.Unusable, `"cur"`) {
		t.Errorf("a missing score: %v", verdict)
	}
	if evidence, verdict := c.Evidence(nil, "s", document(t, true), 2, Reading{Method: maxProb}); faulty(evidence) != "xxxxxx" || verdict.Unusable == "" {
		t.Errorf("one reading for three fields: %v", verdict)
	}
	room := make([]router.Evidence, 10)
	if evidence, _ := c.Evidence(room, "s", document(t, true), 2, documentReadings...); len(evidence) != 6 || &evidence[0] != &room[0] {
		t.Error("the room that was given was not used")
	}
}

// A row costs as much for each of its fields, so that fewer rows fit.
func TestRowsTimesFieldsAreBounded(t *testing.T) {
	c := compile(t, documentCard())
	most := int64(MaxRows / 3)
	for rows, ok := range map[int64]bool{most: true, most + 1: false} {
		data, err := wire.BuildRequest("m", "", "", nil, []wire.TensorData{out("x", wire.FP32, []int64{rows, 2}, make([]float64, 2*rows)...)}, nil, true)
		if err != nil {
			t.Fatal(err)
		}
		req, err := wire.ScanRequest(wire.NewFrame(data))
		if err != nil {
			t.Fatal(err)
		}
		if n, err := c.Rows(req); (err == nil) != ok || ok && n != int(rows) {
			t.Errorf("%d rows: %d, %v", rows, n, err)
		}
	}
}
