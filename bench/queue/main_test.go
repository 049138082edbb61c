package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The real thing for a moment: real stores, a real gateway, everything claimed and finished. PostgreSQL only where it was asked for. River
// has its turn in .ci/run: its module may have to be downloaded.
func TestShortRun(t *testing.T) {
	only, measured := "sqlite,gateway-sqlite", 2
	if os.Getenv("CANDOR_POSTGRES") == "1" {
		only, measured = only+",postgres,gateway-postgres", 4
	}
	folder := t.TempDir()
	if err := run(t.Context(), []string{"-short", "-only", only, "-out", folder}); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(folder, "queue.json"))
	if err != nil {
		t.Fatal(err)
	}
	var r Report
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	if want := measured * 2 * len(claimers); len(r.Samples) != want || len(r.Rows) != want || len(r.Absent) > 0 || !r.Short {
		t.Errorf("%d samples, %d rows, want %d; absent: %v", len(r.Samples), len(r.Rows), want, r.Absent)
	}
	for _, s := range r.Samples {
		if s.Done == 0 || s.Left < 0 || s.Seconds <= 0 || s.P50 <= 0 || s.P99 < s.P50 {
			t.Errorf("%+v", s)
		}
	}
	for _, f := range r.Published {
		if f.Figure == "" || f.On == "" || !strings.HasPrefix(f.Source, "https://") {
			t.Errorf("%+v: a figure of others needs its source", f)
		}
	}
}

// What the command line doesn't mean is refused before anything is started.
func TestRefuses(t *testing.T) {
	for want, args := range map[string][]string{
		`no "oracle" to measure; there are sqlite, `: {"-only", "sqlite,oracle"},
		`unexpected argument "sqlite"`:               {"sqlite"},
		"-rounds and -window must be positive":       {"-window", "0s"},
	} {
		if err := run(t.Context(), args); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v", args, err)
		}
	}
}
