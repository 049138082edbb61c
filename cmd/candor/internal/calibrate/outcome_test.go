package calibrate

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/candor-gateway/candor/calibration"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// overconfident rows of two labels: right with σ(f), and said to be right with σ(2f).
func overconfident(n int) calibration.Sample {
	rng := rand.New(rand.NewPCG(1, 1))
	s := calibration.Sample{Labels: []string{"no", "yes"}}
	for range n {
		f := 3 * rng.NormFloat64()
		p := 1 / (1 + math.Exp(-2*f))
		truth := 0
		if rng.Float64() < 1/(1+math.Exp(-f)) {
			truth = 1
		}
		s.Probs, s.Truth = append(s.Probs, []float64{1 - p, p}), append(s.Truth, truth)
	}
	return s
}

var someScope = &candorv1.ArtefactScope{Model: "m", Version: "1", Labels: []string{"no", "yes"}}

func certifying(method calibration.Method) order {
	return order{method: method, certify: true, alpha: .1, delta: .05, share: .5, seed: 1, confidence: candorv1.ConfidenceMethod_CONFIDENCE_METHOD_MAX_PROB}
}

func TestWork(t *testing.T) {
	s := overconfident(2000)
	out, err := work(s, someScope, order{method: calibration.MethodPlatt, seed: 1})
	if err != nil || !out.crossed || out.fitted != 2000 || out.certificate != nil || !(out.after.ECEMass < out.before.ECEMass/2) {
		t.Fatalf("%+v, %v", out, err)
	}
	if a := out.calibrator.GetPlatt().GetA(); math.Abs(a-.5) > .05 {
		t.Errorf("a = %v, want about 1/2", a)
	}
	again, err := work(s, someScope, order{method: calibration.MethodPlatt, seed: 1})
	if err != nil || again.after.NLL != out.after.NLL {
		t.Errorf("the same seed, another result: %v, %v", again.after.NLL, out.after.NLL)
	}

	for _, o := range []order{certifying(calibration.MethodPlatt), certifying("")} {
		out, err = work(s, someScope, o)
		if err != nil || out.fitted != 1000 || out.tested != 1000 || out.certificate.Threshold == nil || out.certificate.GetConfidence() != o.confidence {
			t.Fatalf("%+v, %v", out, err)
		}
		digest := ""
		if o.method != "" {
			if digest, err = calibration.Digest(out.calibrator); err != nil {
				t.Fatal(err)
			}
		}
		if out.certificate.GetCalibrator() != digest {
			t.Errorf("bound to %q, want %q", out.certificate.GetCalibrator(), digest)
		}
	}
	o := certifying(calibration.MethodPlatt)
	o.confidence = candorv1.ConfidenceMethod_CONFIDENCE_METHOD_MARGIN
	margin, err := work(s, someScope, o)
	if err != nil || margin.certificate.GetThreshold() >= 1 {
		t.Fatal(err)
	}
	o.confidence = candorv1.ConfidenceMethod_CONFIDENCE_METHOD_MAX_PROB
	top, err := work(s, someScope, o)
	// With two labels the margin is 2p-1.
	if err != nil || math.Abs(margin.certificate.GetThreshold()-(2*top.certificate.GetThreshold()-1)) > 1e-9 {
		t.Errorf("margin %v, max_prob %v, %v", margin.certificate.GetThreshold(), top.certificate.GetThreshold(), err)
	}

	// 29 rows without error are needed for .1 and .05; times 4.
	if _, err := work(overconfident(231), someScope, certifying("")); err == nil || !strings.Contains(err.Error(), "needs 116 rows that nothing was fitted on, 0.5 of 231 rows are 115; have 233 rows") {
		t.Error(err)
	}
	small, err := work(overconfident(22), someScope, order{method: calibration.MethodPlatt})
	if err != nil || small.after != nil || !strings.Contains(small.unjudged, "needs at least 20 rows") {
		t.Errorf("%+v, %v", small, err)
	}
}

// No row is in both parts, and none is lost.
func TestShuffleIsAPermutation(t *testing.T) {
	for seed := range uint64(5) {
		rows := shuffle(100, seed)
		slices.Sort(rows)
		for i, row := range rows {
			if i != row {
				t.Fatalf("seed %d: %v", seed, rows)
			}
		}
	}
}

func TestPictureIsXML(t *testing.T) {
	out, err := work(overconfident(2000), someScope, certifying(calibration.MethodIsotonic))
	if err != nil {
		t.Fatal(err)
	}
	for _, after := range []*calibration.Report{nil, out.after} {
		var b bytes.Buffer
		if err := svg(&b, `a <model> & "its" version`, out.before, after, out.certificate); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(b.String(), "NaN") || strings.Contains(b.String(), "Inf") {
			t.Error("a coordinate is no number")
		}
		d := xml.NewDecoder(&b)
		for {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
		}
	}
}
