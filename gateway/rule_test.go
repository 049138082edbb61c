package gateway

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/candor-gateway/candor/backend"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/wire"
)

// ruleCard takes two numbers and a text a row, and a number for all rows.
func ruleCard() *candorv1.ModelCard {
	return &candorv1.ModelCard{
		CreatedAt: timestamppb.New(time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)), Owner: "risk", Rows: candorv1.Rows_ROWS_FIRST_DIM,
		Inputs: []*candorv1.InputSpec{
			{Name: "x", Datatype: "FP32", Shape: []int64{-1, 2}}, {Name: "memo", Datatype: "BYTES", Shape: []int64{-1}},
			{Name: "rate", Datatype: "FP64", Shape: []int64{1}, Shared: true},
		},
		Outputs: []*candorv1.OutputSpec{{Name: "p", Datatype: "FP32", Shape: []int64{-1, 2}}},
		Scores: []*candorv1.Score{{
			Output: "p", Kind: candorv1.ScoreKind_SCORE_KIND_PROBABILITY, Labels: []string{"good", "bad"},
		}},
	}
}

// admitted is a call with two rows.
func admitted(t *testing.T, params ...wire.Param) *call {
	t.Helper()
	card, err := backend.CompileCard(ruleCard())
	if err != nil {
		t.Fatal(err)
	}
	data, err := wire.BuildRequest("m", "", "", params, []wire.TensorData{
		{Name: "x", Datatype: wire.FP32, Shape: []int64{2, 2}, Floats: []float64{1, 2, 3, 4}},
		{Name: "memo", Datatype: wire.BYTES, Shape: []int64{2}, Texts: [][]byte{[]byte("rent"), []byte("gift \xff card")}},
		{Name: "rate", Datatype: wire.FP64, Shape: []int64{1}, Floats: []float64{.5}},
	}, nil, true)
	if err != nil {
		t.Fatal(err)
	}
	req, err := wire.ScanRequest(wire.NewFrame(data))
	if err != nil {
		t.Fatal(err)
	}
	m := &model{name: "fraud", card: card, backendCfg: &candorv1.Backend{Version: "7", Card: ruleCard()}}
	return &call{who: &Principal{Name: "checkout"}, model: m, req: req, rows: make([]row, 2), requestRows: 2}
}

func TestRule(t *testing.T) {
	c := admitted(t, wire.StringParam("country", "DE"))
	for _, tc := range []struct {
		expr string
		want [2]string
		err  string
	}{
		{`inputs.x[1] > 3.0 ? "bad" : "good"`, [2]string{"good", "bad"}, ""},
		{`inputs["x"][0] * inputs.rate[0] > 1.0 ? "bad" : ""`, [2]string{"", "bad"}, ""},
		{`texts.memo[0].contains("gift") ? "bad" : ""`, [2]string{"", "bad"}, ""},
		{`size(texts.memo) + size(inputs.x) == 3 ? "good" : ""`, [2]string{"good", "good"}, ""},
		{`inputs.exists(n, size(inputs[n]) > 1 && inputs[n][1] == 4.0) ? "bad" : ""`, [2]string{"", "bad"}, ""},
		{`params.country == "DE" && consumer == "checkout" && model == "fraud" ? "good" : ""`, [2]string{"good", "good"}, ""},
		{`"worse"`, [2]string{}, `"worse", which is none of the labels`},
		{`inputs.y[0] > 1.0 ? "bad" : ""`, [2]string{}, "no such key: y"},
		{`inputs.x[5] > 1.0 ? "bad" : ""`, [2]string{}, "index out of bounds"},
	} {
		r, err := newRule(tc.expr, []string{"good", "bad"})
		if err != nil {
			t.Fatalf("%s: %v", tc.expr, err)
		}
		for i, want := range tc.want {
			got, err := r.answer(c, i)
			if got != want || (err == nil) != (tc.err == "") || err != nil && !strings.Contains(err.Error(), tc.err) {
				t.Errorf("%s: row %d: %q, %v; want %q, %q", tc.expr, i, got, err, want, tc.err)
			}
		}
	}
	r, err := newRule(`"good"`, []string{"good"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.answer(c, 2); err == nil {
		t.Error("a row that isn't there was answered")
	}
	if _, err := newRule(`inputs.x[0] > 1.0`, nil); err == nil {
		t.Error("a rule without a label compiled")
	}
}

// A request of one row whose tensors have no dimension for rows.
func TestRuleOfAWholeRequest(t *testing.T) {
	c := admitted(t)
	c.model.backendCfg.Card.Rows, c.rows, c.requestRows = candorv1.Rows_ROWS_NONE, c.rows[:1], 1
	r, err := newRule(`size(inputs.x) == 4 && size(texts.memo) == 2 ? "good" : ""`, []string{"good"})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := r.answer(c, 0); got != "good" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

// stopped is a ledger whose clock stands still.
type stopped struct {
	Ledger
	at time.Time
}

func (s stopped) Now() time.Time { return s.at }

func TestSegments(t *testing.T) {
	g := &Gateway{ledger: stopped{at: time.Date(2026, 3, 11, 0, 0, 0, 0, time.UTC)}}
	s, err := newSegments([]*candorv1.Segment{
		{Name: "old", When: `card.age > duration("2400h")`},
		{Name: "large", When: `has(params.amount) && params.amount > 1000`},
		{Name: "ten-days", When: `card.age == duration("240h") && has(params.country)`},
		{Name: "never-known", When: `params.country == "DE"`},
		{Name: "rest-of-all", When: "true"},
	})
	if err != nil {
		t.Fatal(err)
	}
	for want, params := range map[string][]wire.Param{
		"large":    {wire.Int64Param("amount", 2000)},
		"ten-days": {wire.StringParam("country", "DE")},
		"":         {wire.Int64Param("amount", 20)}, // no country: it can't be known whether it is never-known's
	} {
		if got := s.of(g, admitted(t, params...)); got != want {
			t.Errorf("%v: segment %q, want %q", params, got, want)
		}
	}
	if got := segments(nil).of(g, admitted(t)); got != "" {
		t.Errorf("no segments: %q", got)
	}
	_, err = newSegments([]*candorv1.Segment{{When: "true"}, {When: `evidence.label == "bad"`}})
	if err == nil || !strings.Contains(err.Error(), "segments[1].when: character 1") {
		t.Errorf("a segment by the answer: %v", err)
	}
}
