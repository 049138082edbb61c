package config

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

// One file with many mistakes: a run lists all of them.
func TestReport(t *testing.T) {
	const file = "testdata/mistakes.yaml"
	_, faults := Check(file)
	if len(faults.Errors()) < 6 || len(faults.Warnings()) == 0 {
		t.Errorf("%d errors, %d warnings", len(faults.Errors()), len(faults.Warnings()))
	}
	for _, f := range faults {
		if f.Line < 1 || f.Column < 1 || f.Problem == "" || f.Remedy == "" {
			t.Errorf("incomplete: %+v", f)
		}
	}
	var text, object bytes.Buffer
	if err := Report(&text, file, faults); err != nil {
		t.Fatal(err)
	}
	if err := ReportJSON(&object, file, faults); err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/mistakes.txt", text.Bytes())
	golden(t, "testdata/mistakes.json", object.Bytes())

	var read struct {
		OK     bool
		Errors int
		Faults []map[string]any
	}
	if err := json.Unmarshal(object.Bytes(), &read); err != nil || read.OK || read.Errors != len(faults.Errors()) || len(read.Faults) != len(faults) {
		t.Errorf("the JSON says %+v (%v)", read, err)
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(string(got), "\n")); diff != "" {
		t.Errorf("%s (go test ./config -update writes it anew):\n%s", name, diff)
	}
}

func TestReportSummary(t *testing.T) {
	e, w := Fault{File: "f", Line: 2, Column: 3, Field: "a.b", Problem: "p", Remedy: "r"}, Fault{File: "f", Line: 1, Column: 1, Problem: "p", Warning: true}
	for _, tc := range []struct {
		faults Faults
		want   string
	}{
		{nil, "f: no faults\n"},
		{Faults{e}, "f:2:3: a.b: p; r\nf: 1 fault\n"},
		{Faults{w}, "f:1:1: warning: p\nf: no faults, 1 warning\n"},
		{Faults{w, e, e}, "f:1:1: warning: p\nf:2:3: a.b: p; r\nf:2:3: a.b: p; r\nf: 2 faults, 1 warning\n"},
	} {
		var out strings.Builder
		if err := Report(&out, "f", tc.faults); err != nil || out.String() != tc.want {
			t.Errorf("got %q, %v; want %q", out.String(), err, tc.want)
		}
	}
	var out strings.Builder
	if err := ReportJSON(&out, "f", nil); err != nil || !strings.Contains(out.String(), `"faults": []`) || !strings.Contains(out.String(), `"ok": true`) {
		t.Errorf("got %s, %v", out.String(), err)
	}
}

func TestFaultsAreSortedOnce(t *testing.T) {
	a, b, c := Fault{Line: 1, Column: 2, Problem: "a"}, Fault{Line: 1, Column: 10, Problem: "b"}, Fault{Line: 10, Problem: "c"}
	if diff := cmp.Diff(Faults{a, b, c}, Faults{c, b, a, b, c}.sorted()); diff != "" {
		t.Error(diff)
	}
}
