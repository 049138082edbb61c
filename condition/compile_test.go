package condition

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"
)

func ptr(v float64) *float64 { return &v }

// someVars is a row of a classifier, which a request with an amount asked for.
func someVars() *Vars {
	return &Vars{
		Evidence: &Evidence{
			Stage: "net", Label: "fraud", Confidence: ptr(.93), RawConfidence: ptr(.97), Uncertainty: .25, UncertaintyKind: "ENTROPY",
			ScoreKind: "PROBABILITY", Labels: []string{"legitimate", "fraud"}, Probs: []float64{.07, .93},
		},
		Card:     &Card{Owner: "risk", Version: "7", Created: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), Age: 240 * time.Hour},
		Params:   map[string]any{"amount": 1500.0, "count": int64(3), "urgent": true, "country": "DE", "text": "12.5", "big": uint64(1 << 63)},
		Consumer: "checkout", Model: "fraud", Row: 2,
		Inputs: map[string][]float64{"amount": {20, 300}},
		Texts:  map[string][]string{"memo": {"GIFT CARD"}},
	}
}

func TestBool(t *testing.T) {
	for expr, want := range map[string]bool{
		`params.amount > 1000.0`:                                               true,
		`params.amount > 1000`:                                                 true, // whether it is a whole number is no matter
		`params.count < 2.5`:                                                   false,
		`params.big > 5`:                                                       true,
		`params.urgent == true`:                                                true,
		`params.country in ["DE", "AT"]`:                                       true,
		`double(params.text) >= 12.5`:                                          true,
		`has(params.amount) && params.amount > 9000.0`:                         false,
		`has(params.nothing)`:                                                  false,
		`has(params.nothing) && params.nothing > 1`:                            false,
		`"amount" in params`:                                                   true,
		`size(params) == 6`:                                                    true,
		`evidence.label == "fraud" && evidence.confidence < 0.95`:              true,
		`evidence.confidence < 1`:                                              true,
		`evidence.raw_confidence - evidence.confidence > 0.03`:                 true,
		`has(evidence.value)`:                                                  false,
		`has(evidence.confidence)`:                                             true,
		`evidence.probabilities["fraud"] > 0.9`:                                true,
		`evidence.probabilities.legitimate > 0.9`:                              false,
		`evidence.probabilities.exists(l, evidence.probabilities[l] > .9)`:     true,
		`evidence.uncertainty > 0.2 && evidence.uncertainty_kind == "ENTROPY"`: true,
		`evidence.stage == "net" && evidence.score_kind == "PROBABILITY"`:      true,
		`size(evidence.faults) == 0`:                                           true,
		`"BREAKER_OPEN" in evidence.faults`:                                    false,
		`card.owner == "risk" && card.version == "7"`:                          true,
		`card.age > duration("168h")`:                                          true,
		`card.created < timestamp("2026-01-01T00:00:00Z")`:                     false,
		`card.created.getHours() == 12`:                                        true,
		`consumer == "checkout" && model.startsWith("fr")`:                     true,
		`row == 2`: true,
	} {
		p, err := Compile(expr, ForRow)
		if err != nil {
			t.Errorf("%s: %v", expr, err)
			continue
		}
		if got, err := p.Bool(someVars()); err != nil || got != want {
			t.Errorf("%s: %v, %v; want %v", expr, got, err, want)
		}
	}
}

// What isn't known is an error, so that whoever asks can be careful.
func TestNotKnown(t *testing.T) {
	for _, expr := range []string{
		`evidence.value > 1.0`, `params.nothing == 1`, `params.country > 3`, `evidence.probabilities.other > 0.5`, `!(params.nothing == 1)`,
		`double(params.country) > 1.0`, `params.count / 0 == 1`,
	} {
		p, err := Compile(expr, ForRow)
		if err != nil {
			t.Errorf("%s: %v", expr, err)
			continue
		}
		if got, err := p.Bool(someVars()); err == nil {
			t.Errorf("%s: %v without an error", expr, got)
		}
	}
	p, err := Compile(`evidence.confidence < 0.5`, ForRow)
	if err != nil {
		t.Fatal(err)
	}
	for name, v := range map[string]*Vars{"nil": nil, "zero": {}, "no answer": {Evidence: &Evidence{Stage: "net"}}} {
		if got, err := p.Bool(v); err == nil {
			t.Errorf("%s: %v without an error", name, got)
		}
	}
	// A label set that doesn't fit its numbers is no probability.
	q, err := Compile(`evidence.probabilities.a > 0.5`, ForRow)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := q.Bool(&Vars{Evidence: &Evidence{Labels: []string{"a", "b"}, Probs: []float64{1}}}); err == nil {
		t.Error("two labels with one number gave a probability")
	}
}

func TestSet(t *testing.T) {
	p, err := Compile(`evidence.probabilities.a > 0.5`, ForRow)
	if err != nil {
		t.Fatal(err)
	}
	v := &Vars{Evidence: &Evidence{Labels: []string{"a"}, Probs: []float64{1}}}
	for _, c := range []struct {
		prob float64
		want bool
	}{{1, true}, {.2, false}, {.8, true}} {
		v.Evidence.Set(Evidence{Labels: []string{"a"}, Probs: []float64{c.prob}})
		if got, err := p.Bool(v); err != nil || got != c.want {
			t.Errorf("%v: %v, %v", c.prob, got, err)
		}
	}
}

func TestText(t *testing.T) {
	for expr, want := range map[string]string{
		`inputs.amount[1] > 100.0 ? "fraud" : ""`:                           "fraud",
		`inputs.amount.all(v, v < 100.0) ? "legitimate" : ""`:               "",
		`texts.memo[0].contains("GIFT") ? "fraud" : "legitimate"`:           "fraud",
		`texts["memo"].exists(s, s.matches("^[A-Z ]+$")) ? "fraud" : ""`:    "fraud",
		`has(inputs.none) && inputs.none[0] > 1.0 ? "fraud" : "legitimate"`: "legitimate",
		`params.amount > 1000.0 && consumer == "checkout" ? "fraud" : ""`:   "fraud",
	} {
		p, err := Compile(expr, ForRule)
		if err != nil {
			t.Errorf("%s: %v", expr, err)
			continue
		}
		if got, err := p.Text(someVars()); err != nil || got != want {
			t.Errorf("%s: %q, %v; want %q", expr, got, err, want)
		}
		if _, err := p.Bool(someVars()); err == nil {
			t.Errorf("%s: a text was a bool", expr)
		}
	}
	p, err := Compile(`inputs.amount[7] > 0.0 ? "a" : "b"`, ForRule)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := p.Text(someVars()); err == nil {
		t.Errorf("%q from an element that isn't there", got)
	}
}

func TestFaults(t *testing.T) {
	const row, call, rule = ForRow, ForCall, ForRule
	for _, c := range []struct {
		expr         string
		kind         Kind
		line, column int
		want         string
	}{
		{`parms.amount > 1.0`, row, 1, 1, `no name or function "parms"`},
		{"row == 1 &&\n  evidnce.label == 'a'", row, 2, 3, `no name or function "evidnce"`},
		{`evidence.confidnce < 0.5`, row, 1, 9, `no field "confidnce"; write one of confidence, `},
		{`card.size > 1`, row, 1, 5, `no field "size"; write one of age, created, owner, version`},
		{`evidence.label == "a"`, call, 1, 1, `no name or function "evidence" here; write one of consumer, model, params, card`},
		{`row == 1`, call, 1, 1, `no name`},
		{`inputs.x[0] > 1.0`, row, 1, 1, `no name`},
		{`evidence.confidence > "a"`, row, 1, 21, `> takes no (double, string)`},
		{`evidence.confidence`, row, 0, 0, `of type double, not bool`},
		{`params.urgent`, row, 0, 0, `of type dyn, not bool; compare it with something`},
		{`inputs.x[0] > 1.0`, rule, 0, 0, `of type bool, not string`},
		{`params.label`, rule, 0, 0, `of type dyn, not string`},
		{`params.amount >`, row, 1, 16, `Syntax error`},
		{``, row, 0, 0, "is empty"},
		{"  \n", row, 0, 0, "is empty"},
		{`evidence == evidence`, row, 1, 1, "no value of its own"},
		{`[card].exists(c, c.owner == "x")`, row, 1, 2, "no value of its own"},
		{`card.created.getHours("Europe/Berlin") == 3`, row, 1, 22, "time zone"},
		{`now() > card.created`, row, 1, 4, `no name or function "now"`},
		{`params.a + params.b == "ab"`, row, 1, 10, "known only when a request comes"},
		{`card.age > duration("7d")`, row, 1, 21, "invalid duration"},
		{`consumer.matches("(")`, row, 1, 18, "invalid matches argument"},
		{strings.Repeat("row == 1 || ", 400) + "row == 2", row, 0, 0, "4808 characters, more than 4096"},
		{`row == 1`, 0, 0, 0, "no kind 0"},
		{`params.exists(a, params.exists(b, params.exists(c, params.exists(d, params[a] == params[d]))))`, row, 0, 0, "the limit is 10000"},
	} {
		_, err := Compile(c.expr, c.kind)
		var fault *Error
		if !errors.As(err, &fault) {
			t.Errorf("%s: %v, want %q", c.expr, err, c.want)
			continue
		}
		if !strings.Contains(err.Error(), c.want) || fault.Line != c.line || fault.Column != c.column {
			t.Errorf("%s: %d:%d %v, want %d:%d %q", c.expr, fault.Line, fault.Column, err, c.line, c.column, c.want)
		}
	}
}

func TestInputs(t *testing.T) {
	for expr, want := range map[string]struct {
		names string
		all   bool
	}{
		`inputs.a[0] + inputs["b"][0] > 1.0 ? texts.c[0] : ""`: {"a b c", false},
		`inputs.exists(n, inputs[n][0] > 1.0) ? "x" : ""`:      {"", true},
		`has(inputs.a) ? consumer : ""`:                        {"a", false},
		`consumer`:                                             {"", false},
	} {
		p, err := Compile(expr, ForRule)
		if err != nil {
			t.Fatal(err)
		}
		names, all := p.Inputs()
		if strings.Join(names, " ") != want.names || all != want.all {
			t.Errorf("%s: %v %v, want %v", expr, names, all, want)
		}
	}
	for expr, want := range map[string]bool{`params.a == 1`: false, `params.a == 1 && evidence.stage == "x"`: true, `has(evidence.label)`: true} {
		p, err := Compile(expr, ForRow)
		if err != nil {
			t.Fatal(err)
		}
		if p.ReadsEvidence() != want || p.PerCall() == want {
			t.Errorf("%s reads evidence: %v, per call: %v", expr, p.ReadsEvidence(), p.PerCall())
		}
	}
	p, err := Compile(`row > 3 && params.a == 1`, ForRow)
	if err != nil {
		t.Fatal(err)
	}
	if p.ReadsEvidence() || p.PerCall() {
		t.Error("a condition on the row is one for all")
	}
}

func TestReads(t *testing.T) {
	for expr, want := range map[string]struct {
		fields string
		params bool
	}{
		`has(params.a) && params.a == 1`:                                   {"", true},
		`params["a"] == 1 && evidence.stage == "x"`:                        {"stage", true},
		`has(evidence.label) && evidence.confidence < 0.5`:                 {"confidence label", false},
		`evidence.probabilities.exists(k, evidence.probabilities[k] > .4)`: {"probabilities", false},
		`params.exists(k, k == "a")`:                                       {"", true},
		`consumer == "shop" && card.age > duration("1h") && row == 2`:      {"", false},
	} {
		p, err := Compile(expr, ForRow)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(p.EvidenceFields(), " "); got != want.fields || p.ReadsParams() != want.params {
			t.Errorf("%s: %q, params %v; want %+v", expr, got, p.ReadsParams(), want)
		}
	}
}

// What a request makes large meets the limit while the expression runs.
func TestCostLimit(t *testing.T) {
	p, err := Compile(`inputs.x.exists(v, v > 5.0) ? "big" : ""`, ForRule)
	if err != nil {
		t.Fatal(err)
	}
	v := &Vars{Inputs: map[string][]float64{"x": make([]float64, 1000)}}
	if _, err := p.Text(v); err != nil {
		t.Errorf("1000 numbers: %v", err)
	}
	v.Inputs["x"] = make([]float64, 1e6)
	if got, err := p.Text(v); !errors.Is(err, ErrTooDear) {
		t.Errorf("a million numbers: %q, %v", got, err)
	}
	// Text that grows: what is looked at counts.
	q, err := Compile(`(`+strings.Repeat("string(params.s) + ", 20)+`"") == "x"`, ForRow)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := q.Bool(&Vars{Params: map[string]any{"s": Text(strings.Repeat("a", MaxText))}}); !errors.Is(err, ErrTooDear) {
		t.Errorf("much text: %v, %v", got, err)
	}
}

// A client can't get around a condition by sending more than anybody would read.
func TestTooLongText(t *testing.T) {
	v := &Vars{Params: map[string]any{"s": Text(strings.Repeat("a", MaxText+1))}}
	for _, expr := range []string{`params.s == "x"`, `has(params.s) && params.s.contains("b")`, `params.s != "x"`, `size(params.s) > 3`, `params.exists(k, params[k] == "b")`} {
		p, err := Compile(expr, ForRow)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := p.Bool(v); err == nil || !strings.Contains(err.Error(), "more than 65536") {
			t.Errorf("%s: %v, %v", expr, got, err)
		}
	}
}

func TestConcurrent(t *testing.T) {
	p, err := Compile(`evidence.confidence < 0.95 && evidence.probabilities.fraud > 0.5 && params.country.matches("^D")`, ForRow)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			v := someVars()
			for range 200 {
				if got, err := p.Bool(v); !got || err != nil {
					t.Errorf("%v, %v", got, err)
					return
				}
			}
		})
	}
	wg.Wait()
}
