package targets

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/candor-gateway/candor/bench/process"
	"github.com/candor-gateway/candor/config"
)

// Candor's configurations have no fault, and differ from one another in what their descriptions say.
func TestConfigs(t *testing.T) {
	s := &Set{o: Options{Dir: t.TempDir()}}
	for name, c := range configs {
		text := strings.NewReplacer("$GRPC", "127.0.0.1:1", "$HTTP", "127.0.0.1:2", "$STUB", "127.0.0.1:3", "$NAME", name, "$THRESHOLD", "0.8").Replace(c.text)
		path, err := s.write(name+".yaml", text)
		if err != nil || filepath.Dir(path) != s.o.Dir {
			t.Fatal(path, err)
		}
		cfg, faults := config.Check(path)
		for _, f := range faults.Errors() {
			t.Errorf("%s: %v", name, f)
		}
		if len(faults.Errors()) > 0 {
			continue
		}
		full := name != "candor-pass"
		if got := cfg.GetLimits()["declines"] != nil && cfg.GetTelemetry().GetTraceFile() != ""; got != full {
			t.Errorf("%s: limit and traces: %v", name, got)
		}
		for model, m := range cfg.GetModels() {
			b := cfg.GetBackends()[m.GetPrimary()]
			if mixed := name == "candor-mixed"; (m.GetPolicy().GetFallback() != nil) != mixed || strings.HasSuffix(b.GetModel(), "-mixed") != mixed {
				t.Errorf("%s: %s has the fallback %v and the model %s", name, model, m.GetPolicy().GetFallback(), b.GetModel())
			}
		}
	}
	if len(configs) != 3 {
		t.Errorf("%d configurations", len(configs))
	}
}

func TestNames(t *testing.T) {
	seen := map[string]bool{}
	for _, name := range Names() {
		if seen[name] {
			t.Errorf("%s twice", name)
		}
		seen[name] = true
	}
	for name := range configs {
		if !seen[name] {
			t.Errorf("%s is never started", name)
		}
	}
}

// A program that isn't installed is left out with a line that says how to get it; one that doesn't start is an error.
func TestAbsent(t *testing.T) {
	s := &Set{o: Options{Dir: t.TempDir()}}
	_, err := s.external(t.Context(), "no-such-proxy", "", "", nil)
	if !errors.Is(err, ErrAbsent) || !strings.Contains(err.Error(), "no-such-proxy is not installed (Debian has it") {
		t.Errorf("%v", err)
	}
	// "false" is installed and ends at once.
	cores, err := process.Cores()
	if errors.Is(err, process.ErrLinux) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	s.o.ProxyCore = cores[0]
	_, err = s.external(t.Context(), "false", "", "", func(path, _, _ string) []string { return []string{path} })
	if err == nil || errors.Is(err, ErrAbsent) || !strings.Contains(err.Error(), "false has ended (exit status 1") {
		t.Errorf("%v", err)
	}
}
