package router

import (
	"math"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// sample makes scores of a kind that its card allows, sure by about s of [0,1], about the first of three labels, or the second
// of two for one number.
func sample(rng *rand.Rand, kind candorv1.ScoreKind, s float64) Scores {
	out := Scores{Kind: kind, Labels: []string{"a", "b", "c"}, Scale: Scale{Interval: 10, EnergyCenter: 2, Distance: 1}}
	p := 1./3 + s*2/3*.999
	rest := (1 - p) / 2
	switch kind {
	case probability:
		out.Values = []float64{p, rest, rest}
	case logProb:
		out.Values = logs(p, rest, rest)
	case logit:
		out.Values = []float64{5 * s, 0, 0}
	case logOdds:
		out.Values, out.Labels = []float64{5 * s}, []string{"a", "b"}
	case regression:
		out.Values, out.Labels, out.Variance = []float64{rng.NormFloat64()}, nil, ptr(9*(1-s)*(1-s))
	case dist:
		out.Values = []float64{1 - s, 2, 3}
	case svm:
		out.Values = []float64{5 * s, -1, -1}
	}
	return out
}

func logs(v ...float64) []float64 {
	out := make([]float64, len(v))
	for i, p := range v {
		out[i] = math.Log(p)
	}
	return out
}

// For every score kind and every method: the confidence is in [0,1], there exactly where the table says that the method fits, and
// never falls as the row becomes surer.
func TestEveryKindByEveryMethod(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 2))
	for _, kind := range allKinds[1:] {
		for m := range candorv1.ConfidenceMethod_name {
			method := candorv1.ConfidenceMethod(m)
			source := Source{Kind: kind, Labels: 3}
			if kind == regression {
				source = Source{Kind: kind}
			}
			// What another model or an ensemble says isn't Score's to know.
			fits := slices.Contains(source.Methods(), method) && method != methodMeta && !OfEnsemble(method)
			for range 300 {
				lo, hi := rng.Float64(), rng.Float64()
				if lo > hi {
					lo, hi = hi, lo
				}
				a, b := sample(rng, kind, lo), sample(rng, kind, hi)
				a.Method, b.Method = method, method
				x, y := Score(a).Confidence, Score(b).Confidence
				if (x != nil) != fits || (y != nil) != fits {
					t.Fatalf("%v by %v: confidence %v, fits is %v", kind, method, x, fits)
				}
				if fits && (!(*x >= 0 && *y <= 1) || *x > *y) {
					t.Fatalf("%v by %v: %v at %v, %v at %v", kind, method, *x, lo, *y, hi)
				}
			}
		}
	}
}

// docs/evidence.md says of every kind which methods fit it, and of every method which kind of threshold it is compared with, as the
// code does.
func TestEvidenceIsDocumented(t *testing.T) {
	text, err := os.ReadFile("../docs/evidence.md")
	if err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile("(?m)^\\| `([a-z_]+)`([^|]*)\\|([^|]*)\\|")
	kinds, methods := map[string][]string{}, map[string]string{}
	first, second, ok := strings.Cut(string(text), "## Confidence")
	if !ok {
		t.Fatal("docs/evidence.md has no section Confidence")
	}
	name := regexp.MustCompile("`([a-z_]+)`")
	for _, m := range row.FindAllStringSubmatch(first, -1) {
		var list []string
		for _, n := range name.FindAllStringSubmatch(m[3], -1) {
			list = append(list, n[1])
		}
		kinds[m[1]+m[2]] = list
	}
	for _, m := range row.FindAllStringSubmatch(second, -1) {
		methods[m[1]] = strings.Trim(m[3], " `")
	}
	labels := func(list []candorv1.ConfidenceMethod) []string {
		var out []string
		for _, m := range list {
			if m != methodMeta && !OfEnsemble(m) {
				out = append(out, MethodName(m))
			}
		}
		return out
	}
	want := map[string][]string{}
	for _, kind := range allKinds[1:] {
		want[kindName(kind)+" "] = labels(Source{Kind: kind, Labels: 3}.Methods())
	}
	want["logit of one number "] = labels(Source{Kind: logit, Labels: 2, Single: true}.Methods())
	for _, kind := range []candorv1.ScoreKind{dist, svm} {
		want[kindName(kind)+", calibrated "] = labels(Source{Kind: kind, Labels: 3, Calibrated: true}.Methods())
	}
	for k, list := range want {
		if !slices.Equal(kinds[k], list) {
			t.Errorf("docs/evidence.md says that %s has %v, and the code %v", k, kinds[k], list)
		}
	}
	if len(kinds) != len(want) {
		t.Errorf("docs/evidence.md has %d kinds, the code %d", len(kinds), len(want))
	}
	for m := range candorv1.ConfidenceMethod_name {
		if method := candorv1.ConfidenceMethod(m); m != 0 && methods[MethodName(method)] != ThresholdKind(method) {
			t.Errorf("docs/evidence.md says that %s is compared with %q, and the code %q", MethodName(method), methods[MethodName(method)], ThresholdKind(method))
		}
	}
}
