package condition

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

var seeds = []string{
	`params.amount > 1000.0`, `has(params.a) && params.a in ["x", 'y', b"z"]`, `evidence.label == "a" || evidence.confidence < 0.5`,
	`evidence.probabilities.exists(l, evidence.probabilities[l] > .9)`, `card.age > duration("24h")`, `card.created.getFullYear() < 2027`,
	`inputs.x[0] > 1.0 ? "a" : ""`, `texts.memo.exists(t, t.matches("^[a-z]+$")) ? "b" : ""`, `[1, 2].map(x, x * 2).all(x, x > params.n)`,
	`evidence`, `type(params.a) == int`, `{"a": 1}[params.k] == 1`, `google.protobuf.Duration{seconds: 1} == card.age`, `dyn(params)`, `row / 0 == 1`,
	"\xff", `"` + "\x00", `((((`, `a.b.c.d`, `evidence.faults.map(f, f + f).exists_one(f, f == "x")`, `string(params.a) + string(params.a) == model`,
	`params == params`, `int(params.a) % 2 == 0`, `timestamp(params.a) < card.created`, `-9223372036854775808 / params.a == 1`, `size(inputs) == 1 ? "" : consumer`,
}

// randomVars are variables that somebody could send or have, and some that nobody should.
func randomVars(rng *rand.Rand) *Vars {
	text := func() string { return strings.Repeat(string(rune('a'+rng.IntN(3))), rng.IntN(300)) }
	number := func() *float64 {
		if rng.IntN(3) == 0 {
			return nil
		}
		return ptr(rng.NormFloat64())
	}
	value := func() any {
		switch rng.IntN(7) {
		case 0:
			return rng.IntN(2) == 0
		case 1:
			return rng.Int64() - rng.Int64()
		case 2:
			return rng.Uint64()
		case 3:
			return rng.NormFloat64()
		case 4:
			return Text(strings.Repeat("x", rng.IntN(2*MaxText)))
		case 5:
			return nil
		}
		return Text(text())
	}
	v := &Vars{Consumer: text(), Model: text(), Row: rng.IntN(5) - 1}
	if rng.IntN(8) > 0 {
		v.Evidence = &Evidence{Stage: text(), Label: text(), Value: number(), Confidence: number(), RawConfidence: number(), Uncertainty: rng.Float64(), UncertaintyKind: text()}
		for range rng.IntN(5) {
			v.Evidence.Labels = append(v.Evidence.Labels, text())
			v.Evidence.Faults = append(v.Evidence.Faults, text())
		}
		for range rng.IntN(5) {
			v.Evidence.Probs = append(v.Evidence.Probs, rng.Float64())
		}
	}
	if rng.IntN(8) > 0 {
		v.Card = &Card{Owner: text(), Version: text(), Created: time.Unix(rng.Int64N(1<<40)-1<<39, 0), Age: time.Duration(rng.Int64())}
	}
	if rng.IntN(8) > 0 {
		v.Params = map[string]any{"a": value(), "amount": value(), "n": value(), "k": value()}
		v.Inputs = map[string][]float64{"x": make([]float64, rng.IntN(5000))}
		v.Texts = map[string][]string{"memo": {text(), text()}, "x": nil}
	}
	return v
}

// No text, and no variables, make Compile or an evaluation panic, hang, or answer what no expression of its kind can.
func FuzzCompile(f *testing.F) {
	for i, s := range seeds {
		f.Add(s, uint64(i))
	}
	f.Fuzz(func(t *testing.T, expr string, seed uint64) {
		rng := rand.New(rand.NewPCG(seed, 1))
		for _, kind := range []Kind{ForRow, ForCall, ForRule} {
			p, err := Compile(expr, kind)
			if err != nil {
				var fault *Error
				if !errors.As(err, &fault) || fault.Problem == "" || strings.ContainsAny(fault.Problem, "\n\r") || !utf8.ValidString(err.Error()) {
					t.Fatalf("%q: error %q", expr, err)
				}
				if fault.Line < 0 || fault.Column < 0 || fault.Line == 0 && fault.Column != 0 {
					t.Fatalf("%q: at %d:%d", expr, fault.Line, fault.Column)
				}
				continue
			}
			for range 3 {
				v := randomVars(rng)
				if kind == ForRule {
					_, err = p.Text(v)
				} else {
					_, err = p.Bool(v)
				}
				if err != nil && strings.Contains(err.Error(), "internal error") {
					t.Fatalf("%q panicked inside: %v", expr, err)
				}
			}
		}
	})
}
