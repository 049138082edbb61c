package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/candor-gateway/candor/bench/measure"
	"github.com/candor-gateway/candor/bench/process"
	"github.com/candor-gateway/candor/bench/report"
)

// TestMain is, for the processes that the benchmark starts of itself, what main is.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && (os.Args[1] == "stub" || os.Args[1] == "proxy") {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		defer stop()
		if err := run(ctx, os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			stop()
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// The real thing for a moment: real processes, every regime, every answer right, the routes as the policies want them.
func TestShortRun(t *testing.T) {
	cores, err := process.Cores()
	if errors.Is(err, process.ErrLinux) {
		t.Skip(err)
	}
	if err != nil || len(cores) < 2 {
		t.Skipf("the benchmark needs two cores: %v, %v", cores, err)
	}
	folder := t.TempDir()
	if err := run(t.Context(), []string{"-short", "-out", folder}); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(folder, "report.json"))
	if err != nil {
		t.Fatal(err)
	}
	var r report.Report
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	targets := strings.Count(shortTargets, ",") + 1
	if want := targets * len(measure.Regimes()); len(r.Samples) != want || len(r.Rows) != want {
		t.Errorf("%d samples, %d rows, want %d", len(r.Samples), len(r.Rows), want)
	}
	for _, s := range r.Samples {
		proxied := s.Target != "direct"
		if s.Requests == 0 || s.Failed > 0 || (s.CPUMicros > 0) != proxied || (s.AllocBytes != nil) != proxied || (s.PeakRSS > 0) != proxied {
			t.Errorf("%+v", s)
		}
	}
	if got := r.Routes["candor"]; len(got) != 1 || got["ACCEPT"] == 0 {
		t.Errorf("candor decided %v; all rows are to be accepted", got)
	}
	mixed := r.Routes["candor-mixed"]
	sum := float64(mixed["ACCEPT"] + mixed["FALLBACK"] + mixed["DEFER"])
	share := func(route string, want float64) {
		// Calls that were in flight when the counters were read are in neither model's sequence at its end.
		const slack = 0.005
		if got := float64(mixed[route]) / sum; got < want-slack || got > want+slack {
			t.Errorf("candor-mixed decided %v: %s is %.4f of the rows, want %.2f", mixed, route, got, want)
		}
	}
	share("ACCEPT", 0.94)
	share("FALLBACK", 0.05)
	share("DEFER", 0.01)
	for _, name := range []string{"report.txt", "report.svg"} {
		if info, err := os.Stat(filepath.Join(folder, name)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What the command line doesn't mean is refused before anything is built.
func TestRefuses(t *testing.T) {
	for want, args := range map[string][]string{
		`no target "envoy"; there are direct, candor, `: {"-only", "candor,envoy"},
		`no regime "tiny"; there are small, open, `:     {"-regimes", "tiny"},
		`unexpected argument "candor"`:                  {"candor"},
		"-rounds and -window must be positive":          {"-rounds", "0"},
		"-profile needs the target candor among -only":  {"-profile", "-only", "stream"},
	} {
		if err := run(t.Context(), args); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v", args, err)
		}
	}
}
