package simulate

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
)

func TestSVG(t *testing.T) {
	cfg := enforced()
	for name, change := range map[string]func(){
		"certified": func() {}, "never certified": func() { cfg.World.Flip = .2 }, "a single row": func() { cfg.Rows = 1 },
	} {
		cfg = enforced()
		change()
		var out bytes.Buffer
		if err := play(t, cfg).SVG(&out, `a <b> & "c"`, cfg.Policy.Alpha); err != nil {
			t.Fatal(err)
		}
		text := out.String()
		for _, want := range []string{"Coverage", "Risk", "Threshold", "desk", "Wealth", "alpha", "rows", "a &lt;b&gt; &amp;"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s: %q is missing", name, want)
			}
		}
		if strings.Contains(text, "NaN") || strings.Contains(text, "Inf") {
			t.Errorf("%s: a number that isn't one", name)
		}
		for d := xml.NewDecoder(&out); ; {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
	}
	if err := new(Result).SVG(io.Discard, "", .05); err == nil {
		t.Error("a picture of nothing")
	}
}

func TestTicks(t *testing.T) {
	for _, c := range []struct {
		low, high float64
		n         int
		want      []float64
	}{{0, 1, 4, []float64{0, .5, 1}}, {0, 20000, 8, []float64{0, 5000, 10000, 15000, 20000}}, {-1, 3, 4, []float64{-1, 0, 1, 2, 3}}} {
		got := ticks(c.low, c.high, c.n)
		if len(got) != len(c.want) {
			t.Errorf("%v to %v: %v", c.low, c.high, got)
			continue
		}
		for i := range got {
			if math.Abs(got[i]-c.want[i]) > 1e-9 {
				t.Errorf("%v to %v: %v", c.low, c.high, got)
			}
		}
	}
	if got := ticks(0, math.Inf(1), 4); got != nil {
		t.Error(got)
	}
}
