package condition

import "testing"

func benchmark(b *testing.B, expr string, kind Kind, v *Vars) {
	p, err := Compile(expr, kind)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if kind == ForRule {
			_, _ = p.Text(v)
		} else {
			_, _ = p.Bool(v)
		}
	}
}

func BenchmarkParam(b *testing.B) {
	benchmark(b, `params.amount > 1000.0`, ForRow, someVars())
}

func BenchmarkEvidence(b *testing.B) {
	benchmark(b, `evidence.label == "fraud" && evidence.confidence < 0.95`, ForRow, someVars())
}

func BenchmarkCard(b *testing.B) { benchmark(b, `card.age > duration("720h")`, ForRow, someVars()) }

// BenchmarkCostLimit is what an evaluation takes that is ended for its cost: the longest that any may.
func BenchmarkCostLimit(b *testing.B) {
	benchmark(b, `inputs.x.exists(v, v > 5.0) ? "big" : ""`, ForRule, &Vars{Inputs: map[string][]float64{"x": make([]float64, 1e6)}})
}

func BenchmarkCompile(b *testing.B) {
	for b.Loop() {
		if _, err := Compile(`params.amount > 1000.0`, ForRow); err != nil {
			b.Fatal(err)
		}
	}
}
