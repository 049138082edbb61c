package demo

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	"github.com/candor-gateway/candor/config"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// execute runs the command as a shell would.
func execute(t *testing.T, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	var out, errOut bytes.Buffer
	c := Command()
	c.SetOut(&out)
	c.SetErr(&errOut)
	cli.Prepare(c)
	c.SetContext(t.Context())
	err = cli.Execute(c, args)
	return out.String(), errOut.String(), err
}

// The whole demo, and then the next one in the same folder: its limit is still tripped.
func TestDemo(t *testing.T) {
	if testing.Short() {
		t.Skip("takes 12 seconds")
	}
	dir := filepath.Join(t.TempDir(), "demo")
	stdout, stderr, err := execute(t, "--headless", "--for", "12s", "--data-dir", dir)
	t.Logf("stdout:\n%s\nstderr:\n%s", stdout, stderr)
	if err != nil {
		log, _ := os.ReadFile(filepath.Join(dir, logName))
		t.Fatalf("%v\n%s", err, log)
	}
	var s summary
	dec := json.NewDecoder(bytes.NewBufferString(stdout))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&s); err != nil {
		t.Fatal(err)
	}
	if dec.More() {
		t.Error("there is more than the summary on standard output")
	}
	r := s.Routes
	if s.Rows == 0 || r.Accept+r.Fallback+r.Defer+r.Reject != s.Rows {
		t.Errorf("routes %+v don't add up to %d rows", r, s.Rows)
	}
	if s.Review.Deferred != r.Defer || s.Review.InQueue != int64(r.Defer) {
		t.Errorf("review %+v, want %d deferred, all of them in the queue", s.Review, r.Defer)
	}
	if s.Accuracy.Accepted < s.Accuracy.PrimaryAlone || s.Accuracy.Accepted > 1 || s.Accuracy.PrimaryAlone == 0 {
		t.Errorf("accuracy %+v", s.Accuracy)
	}
	if s.Breaker.Opened == 0 || s.Breaker.Closed != s.Breaker.Opened {
		t.Errorf("breaker %+v, want all of them closed again", s.Breaker)
	}
	if s.Limit != (limitSummary{Tripped: 1, Latched: true}) {
		t.Errorf("limit %+v", s.Limit)
	}
	if _, faults := config.Check(filepath.Join(dir, configName)); len(faults) > 0 {
		t.Errorf("the configuration in effect has faults: %v", faults)
	}
	for _, name := range []string{reviewer, operator} {
		if info, err := os.Stat(filepath.Join(dir, name+".token")); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("token of %s: %v, %v", name, info, err)
		}
	}
}
