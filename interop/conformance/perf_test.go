package conformance_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	// perfRequests is how many requests perf_analyzer sends in a run: enough for every one of its calls, not enough to measure.
	perfRequests = 40
	// perfConcurrency is how many of them are under way at a time.
	perfConcurrency = 2
)

// perfRun is perf_analyzer with one kind of call. At its start it asks ServerMetadata, ModelMetadata, ModelConfig and
// ModelStatistics, and statistics again at the end.
type perfRun struct {
	name, model string
	flags       []string
	// tells are parts of lines that it has to print: what it learned from those calls, and what it counted.
	tells []string
}

var perfRuns = []perfRun{
	{name: "ModelInfer", model: "triton-classifier", tells: []string{fmt.Sprintf("Request count: %d", perfRequests)}},
	{
		name: "ModelStreamInfer, a decoupled model", model: "triton-stream", flags: []string{"--streaming"},
		tells: []string{"Detected decoupled model", fmt.Sprintf("Request count: %d", perfRequests)},
	},
}

// inferences is what perf_analyzer tells of the server's statistics.
var inferences = regexp.MustCompile(`Inference count: (\d+)`)

// perfAnalyzer runs Triton's load generator at Triton itself and through Candor, and answers a part of the table.
func perfAnalyzer(t *testing.T, all []*server, candor string) string {
	triton := all[slices.IndexFunc(all, func(s *server) bool { return s.name == "triton" })]
	command := strings.Fields(required(t, "CANDOR_PERF_ANALYZER"))
	var b strings.Builder
	fmt.Fprintf(&b, "\n## perf_analyzer\n\nTriton's load generator, of the package perf-analyzer %s. It asks for the server's and the model's metadata, the\n"+
		"model's configuration and its statistics before it begins, and for the statistics again when it has done; a cell is what it told.\n\n", required(t, "CANDOR_PERF_ANALYZER_VERSION"))
	b.WriteString("| calls | direct | through Candor |\n|---|---|---|\n")
	for _, r := range perfRuns {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", r.name, r.at(t, command, triton.addr), r.at(t, command, candor))
	}
	return b.String()
}

// at runs it against an address, and answers what it told.
func (r perfRun) at(t *testing.T, command []string, addr string) string {
	t.Helper()
	data := filepath.Join(t.TempDir(), "data.json")
	// Two rows, so that its answers are sure enough for the threshold; what it makes up by itself need not be.
	if err := os.WriteFile(data, []byte(`{"data": [{"x": [5.1, 3.5, 1.4, 0.2]}, {"x": [6.3, 3.3, 6.1, 2.5]}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"-m", r.model, "-u", addr, "-i", "grpc", "--input-data", data, "--request-count", fmt.Sprint(perfRequests), "--concurrency-range", fmt.Sprint(perfConcurrency)}
	out := perfOutput(t, command, append(args, r.flags...)...)
	for _, line := range r.tells {
		if !strings.Contains(out, line) {
			t.Errorf("%s at %s does not say %q:\n%s", r.name, addr, line, out)
			return "**FAILED**"
		}
	}
	// It asks for the statistics as soon as the last response has come, and Triton counts a request when it has sent that: those
	// under way last may be missing.
	counted := 0
	if m := inferences.FindStringSubmatch(out); m != nil {
		counted, _ = strconv.Atoi(m[1])
	}
	if counted < perfRequests-perfConcurrency || counted > perfRequests {
		t.Errorf("%s at %s: the server's statistics tell of %d inferences, want %d:\n%s", r.name, addr, counted, perfRequests, out)
		return "**FAILED**"
	}
	return strings.Join(r.tells, ", ") + ", statistics of the server"
}

func perfOutput(t *testing.T, command []string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), runTimeout)
	defer cancel()
	out, err := exec.CommandContext(ctx, command[0], slices.Concat(command[1:], args)...).CombinedOutput()
	if err != nil {
		t.Errorf("perf_analyzer %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}
