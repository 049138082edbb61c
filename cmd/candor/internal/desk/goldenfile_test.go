package desk

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

func TestGoldenOfCSV(t *testing.T) {
	const file = "age, answer ,amount\n30, fraud, 12.5\n\"41\",ok,NaN\n"
	got, err := goldenOfCSV([]byte(strings.ReplaceAll(file, " answer ", "answer")), "features", false)
	if err != nil || len(got) != 2 {
		t.Fatalf("%v, %v", got, err)
	}
	p := got[0].GetPayload().GetTensors()[0]
	if got[0].GetAnswer().GetLabel() != "fraud" || p.GetName() != "features" || len(p.GetValues()) != 2 || p.GetValues()[1] != 12.5 || p.GetFeatures()[1].GetName() != "amount" ||
		p.GetView() != candorv1.PayloadView_PAYLOAD_VIEW_TABLE {
		t.Errorf("%v", got[0])
	}
	got, err = goldenOfCSV([]byte("x,answer,tolerance\n1,2.5,0.1\n"), "x", false)
	if err != nil || got[0].GetAnswer().GetValue() != 2.5 || got[0].GetTolerance() != 0.1 {
		t.Errorf("a value: %v, %v", got, err)
	}
	for name, tt := range map[string]struct {
		in     string
		values bool
		want   string
	}{
		"nothing":             {"", false, "the first line must name the columns"},
		"no question":         {"x,answer\n", false, "there is no question in it"},
		"no feature":          {"answer\nok\n", false, "no column with a feature"},
		"a column twice":      {"x,x\n1,2\n", false, `column "x" is there twice`},
		"no number":           {"x,answer\n1,ok\nlots,ok\n", false, `line 3: x is "lots"`},
		"endless":             {"x\nInf\n", false, `line 2: x is "Inf"`},
		"a short line":        {"x,y\n1\n", false, "wrong number of fields"},
		"a label for a value": {"x,answer\n1,ok\n", true, `line 2: answer is "ok"`},
		"less than exact":     {"x,answer,tolerance\n1,1,-1\n", false, `tolerance is "-1"`},
	} {
		if _, err := goldenOfCSV([]byte(tt.in), "x", tt.values); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
}

func TestGoldenOfJSON(t *testing.T) {
	const one = `{"queue": "q", "model": "m", "answer": {"label": "ok"}, "payload": {"tensors": [{"name": "x", "values": [1]}]}}`
	for name, tt := range map[string]struct {
		in   string
		want int
		err  string
	}{
		"one":              {one, 1, ""},
		"a list":           {" [" + one + "," + one + "]", 2, ""},
		"what list writes": {`{"golden": [` + one + `], "next_page_token": ""}`, 1, ""},
		"a payload":        {`{"tensors": [{"name": "x", "values": [1]}]}`, 1, ""},
		"none":             {`[]`, 0, "there is no question in it"},
		"an error":         {`[` + one + `, {"queu": 1}]`, 0, "element 2: "},
		"nothing":          {``, 0, "unexpected end of JSON input"},
	} {
		got, err := goldenOfJSON([]byte(tt.in))
		if len(got) != tt.want || (err == nil) != (tt.err == "") || (err != nil && !strings.Contains(err.Error(), tt.err)) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
		if tt.want > 0 && got[0].GetPayload().GetTensors()[0].GetName() != "x" {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// Whatever a file holds, it is read or refused.
func FuzzGoldenFile(f *testing.F) {
	f.Add([]byte("x,answer,tolerance\n1,2,3\n"))
	f.Add([]byte(`{"golden": [{"payload": {}}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, read := range []func() ([]*candorv1.GoldenItem, error){
			func() ([]*candorv1.GoldenItem, error) { return goldenOfJSON(data) },
			func() ([]*candorv1.GoldenItem, error) { return goldenOfCSV(data, "x", false) },
		} {
			if got, err := read(); err == nil && len(got) == 0 {
				t.Error("neither questions nor an error")
			}
		}
	})
}

// A tolerance of 0 that is written goes before a file's, as every other does.
func TestToleranceOfZero(t *testing.T) {
	path := filepath.Join(t.TempDir(), "known.json")
	const one = `{"queue": "q", "model": "m", "answer": {"value": 2}, "tolerance": 0.5, "payload": {"tensors": [{"name": "x", "values": [1]}]}}`
	if err := os.WriteFile(path, []byte(one), 0o600); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]float64{"": 0.5, "0": 0, "0.25": 0.25} {
		g := goldenFlags{json: path}
		var c cobra.Command
		c.Flags().Float64Var(&g.common.Tolerance, "tolerance", 0, "")
		if text != "" {
			if err := c.Flags().Set("tolerance", text); err != nil {
				t.Fatal(err)
			}
		}
		reqs, err := g.requests(&c)
		if err != nil || len(reqs) != 1 || reqs[0].GetGolden().GetTolerance() != want {
			t.Errorf("--tolerance %q: %v, %v; want %v", text, reqs, err, want)
		}
	}
}
