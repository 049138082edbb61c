package simulate

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"gonum.org/v1/gonum/integrate/quad"
)

// TestClosedForm holds the formulas against the integral that they solve, by quadrature.
func TestClosedForm(t *testing.T) {
	for _, w := range []World{{}, {Flip: .1}} {
		for _, tau := range []float64{.5, .6, .8, .95, .99} {
			d := math.Log(tau/(1-tau)) / 2
			wrong := quad.Fixed(func(x float64) float64 {
				p := 1 / (1 + math.Exp(2*x))
				return p*(1-w.Flip) + (1-p)*w.Flip
			}, d, span, 64, nil, 0)
			if got, want := w.Risk(tau, 0), wrong/(span-d); math.Abs(got-want) > 1e-12 {
				t.Errorf("flip %v: risk at %v is %v, want %v", w.Flip, tau, got, want)
			}
			if got, want := w.Coverage(tau), (span-d)/span; math.Abs(got-want) > 1e-12 {
				t.Errorf("coverage at %v is %v, want %v", tau, got, want)
			}
		}
	}
}

// TestRowsAreOfTheWorld: what is drawn has the risk and the coverage that the formulas say, before and after a drift.
func TestRowsAreOfTheWorld(t *testing.T) {
	const n = 200_000
	for name, w := range map[string]World{
		"plain": {}, "flipped": {Flip: .1}, "drifted": {DriftRow: 1, DriftFlip: .2}, "level": {Level: .07},
	} {
		rng := rand.New(rand.NewPCG(1, 1))
		above, wrong := 0, 0
		for range n {
			if confidence, bad := w.row(rng, 5); confidence >= .8 {
				above++
				if bad {
					wrong++
				}
			}
		}
		risk, coverage := float64(wrong)/float64(above), float64(above)/n
		// Four standard deviations.
		if want := w.Risk(.8, 5); math.Abs(risk-want) > 4*math.Sqrt(want*(1-want)/float64(above)) {
			t.Errorf("%s: risk %v, want %v", name, risk, want)
		}
		if want := w.Coverage(.8); math.Abs(coverage-want) > 4*math.Sqrt(want*(1-want)/n) {
			t.Errorf("%s: coverage %v, want %v", name, coverage, want)
		}
	}
}

func TestOracle(t *testing.T) {
	for _, w := range []World{{}, {Flip: .02}} {
		coverage := w.Oracle(.05, 0)
		d := span * (1 - coverage)
		if risk := w.Risk(1/(1+math.Exp(-2*d)), 0); math.Abs(risk-.05) > 1e-9 {
			t.Errorf("flip %v: the oracle's risk is %v", w.Flip, risk)
		}
	}
	if got := (&World{}).Oracle(.2, 0); got != 1 {
		t.Errorf("all rows keep 0.2, and the oracle accepts %v", got)
	}
	if got := (&World{Flip: .1}).Oracle(.05, 0); got != 0 {
		t.Errorf("no row keeps 0.05, and the oracle accepts %v", got)
	}
	if with, without := (&World{}).Oracle(.05, .02), (&World{}).Oracle(.05, 0); with >= without {
		t.Errorf("reviewers who err cost nothing: %v, %v", with, without)
	}
}

func TestRecording(t *testing.T) {
	for name, text := range map[string]string{
		"CSV":   "id,confidence,correct\na,0.9,true\nb,0.8,0\nc,0.7,1\nd,0.7,false\n",
		"JSONL": `{"confidence":0.9,"correct":true}` + "\n" + `{"confidence":0.8,"correct":0,"label":"x"}` + "\n\n" + `{"confidence":0.7,"correct":1}` + "\n" + `{"correct":false,"confidence":0.7}`,
	} {
		r, err := ReadRecording(strings.NewReader(text))
		if err != nil {
			t.Fatal(name, err)
		}
		w := World{Recorded: r}
		if r.Rows() != 4 || w.Risk(.9, 0) != 0 || w.Risk(.8, 0) != .5 || w.Risk(.7, 0) != .5 || w.Risk(.95, 0) != 0 || w.Coverage(.75) != .5 {
			t.Errorf("%s: %+v", name, r)
		}
		for alpha, want := range map[float64]float64{.1: .25, .5: 1} {
			if got := w.Oracle(alpha, 0); got != want {
				t.Errorf("%s: oracle of %v is %v, want %v", name, alpha, got, want)
			}
		}
	}
	for want, text := range map[string]string{
		"is empty":                     "",
		"has no rows":                  "confidence,correct\n",
		"names the columns":            "conf,correct\n1,1\n",
		"line 2: confidence is \"x\"":  "confidence,correct\nx,1\n",
		"line 3: confidence is 1.5":    "confidence,correct\n1,1\n1.5,1\n",
		"line 2: correct is \"maybe\"": "confidence,correct\n1,maybe\n",
		"line 2 has no confidence":     `{"confidence":1,"correct":true}` + "\n" + `{"correct":true}`,
		"line 1: correct is":           `{"confidence":1}`,
		"line 1 is no JSON":            `{"confidence":`,
		"wrong number of fields":       "confidence,correct\n1\n",
	} {
		if _, err := ReadRecording(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func FuzzRecording(f *testing.F) {
	f.Add("confidence,correct\n0.5,1\n0.25,false\n", 0.3)
	f.Add(`{"confidence":0.9,"correct":true}`, 0.9)
	f.Fuzz(func(t *testing.T, text string, tau float64) {
		r, err := ReadRecording(strings.NewReader(text))
		if err != nil {
			return
		}
		w := World{Recorded: r}
		if risk, coverage := w.Risk(tau, 0), w.Coverage(tau); !(risk >= 0 && risk <= 1) || !(coverage >= 0 && coverage <= 1) {
			t.Errorf("risk %v, coverage %v", risk, coverage)
		}
		if _, err := Run(Config{World: w, Policy: Policy{Enforce: true, Alpha: .1, Delta: .1, Audit: .1}}); err != nil {
			t.Error(err)
		}
	})
}
