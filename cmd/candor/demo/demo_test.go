package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	"github.com/candor-gateway/candor/config"
	"github.com/candor-gateway/candor/internal/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// lenient is for a machine that is busy with other tests: how fast it is is no subject of these.
var lenient = patience{call: time.Minute, scene: 5 * time.Minute, earning: 5 * time.Minute, review: time.Minute, look: time.Minute}

// execute runs the command as a shell would.
func execute(ctx context.Context, stdout, stderr io.Writer, args ...string) error {
	c := command(lenient)
	c.SetOut(stdout)
	c.SetErr(stderr)
	c.SetContext(ctx)
	cli.Prepare(c)
	return cli.Execute(c, args)
}

// trigger is a writer that does something when a text has been written to it.
type trigger struct {
	text string
	do   func()

	mu  sync.Mutex
	buf bytes.Buffer
}

func (w *trigger) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n, err := w.buf.Write(p)
	if strings.Contains(w.buf.String(), w.text) {
		w.do()
	}
	return n, err
}

func (w *trigger) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.String()
}

// The whole demo; and then the next one in the same folder, with a person in front of it.
func TestDemo(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	dir := filepath.Join(t.TempDir(), "demo")
	first := headless(t, dir)
	again(t, dir, first)
}

func headless(t *testing.T, dir string) summary {
	var stdout, stderr bytes.Buffer
	if err := execute(t.Context(), &stdout, &stderr, "--headless", "--for", "12s", "--data-dir", dir); err != nil {
		log, _ := os.ReadFile(filepath.Join(dir, logName))
		t.Fatalf("%v\n%s\n%s\n%s", err, &stdout, &stderr, log)
	}
	t.Logf("%s\n%s", &stdout, &stderr)
	var s summary
	dec := json.NewDecoder(&stdout)
	dec.DisallowUnknownFields()
	if err := dec.Decode(&s); err != nil {
		t.Fatal(err)
	}
	if dec.More() {
		t.Error("there is more than the summary on standard output")
	}
	r := s.Routes
	if s.Rows == 0 || r.Accept == 0 || r.Fallback == 0 || r.Accept+r.Fallback+r.Defer+r.Reject != s.Rows {
		t.Errorf("routes %+v don't add up to %d rows", r, s.Rows)
	}
	if s.Review.Deferred != r.Defer || s.Review.InQueue == 0 || s.Review.Verdicts == 0 {
		t.Errorf("review %+v, want %d deferred, some of them judged and some in the queue", s.Review, r.Defer)
	}
	p := s.Promise
	if p.CertifiedAtRow < 80 || p.CertifiedAtRow >= s.Rows || p.Verdicts < 80 || p.Accepted != r.Accept || p.Certificate == "" {
		t.Errorf("promise %+v, want a certificate, earned by many verdicts, and %d accepted rows", p, r.Accept)
	}
	if want := round(float64(p.AcceptedErrors)/float64(p.Accepted), 4); p.MeasuredError != want || p.Alpha != 0.05 || p.Delta != 0.1 {
		t.Errorf("promise %+v, want a measured error of %v", p, want)
	}
	if s.Accuracy.Accepted < s.Accuracy.PrimaryAlone || s.Accuracy.Accepted > 1 || s.Accuracy.All == 0 || s.Accuracy.PrimaryAlone == 0 {
		t.Errorf("accuracy %+v", s.Accuracy)
	}
	if s.Breaker.Opened == 0 || s.Breaker.Closed != s.Breaker.Opened {
		t.Errorf("breaker %+v, want every opened one closed again", s.Breaker)
	}
	if s.Limit != (limitSummary{Tripped: 1, Latched: true}) {
		t.Errorf("limit %+v", s.Limit)
	}
	if s.Seconds < 12 {
		t.Errorf("%v seconds, want at least 12", s.Seconds)
	}
	if _, faults := config.Check(filepath.Join(dir, configName)); len(faults.Errors()) > 0 {
		t.Errorf("the configuration in effect has faults: %v", faults)
	}
	for _, name := range []string{"ann.token", "olga.token", configName, storeName} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v; want a file for its owner only", name, info, err)
		}
	}
	return s
}

// again goes on in the folder: the limit is still tripped, and what waited still waits. It ends by an interrupt.
func again(t *testing.T, dir string, first summary) {
	token, err := os.ReadFile(filepath.Join(dir, "olga.token"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	stdout := &trigger{text: "Stop with Ctrl-C", do: interrupt}
	var stderr bytes.Buffer
	if err := execute(ctx, stdout, &stderr, "--for", "10s", "--data-dir", dir, "--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0"); err != nil {
		t.Fatalf("%v\n%s\n%s", err, stdout, &stderr)
	}
	t.Logf("%s\n%s", stdout, &stderr)
	if !strings.Contains(stderr.String(), "still tripped") {
		t.Errorf("the latch did not outlive the first demo:\n%s", &stderr)
	}
	if !strings.Contains(stderr.String(), "Certified by an earlier demo") || !strings.Contains(stdout.String(), "Certified by an earlier demo; ") {
		t.Errorf("the certificate did not outlive the first demo:\n%s\n%s", &stderr, stdout)
	}
	if first.Review.InQueue == 0 || !strings.Contains(stdout.String(), "Limits: 0 tripped.") {
		t.Errorf("a latched limit tripped again:\n%s", stdout)
	}
	for _, want := range []string{"explain ", "review next", "certificate show " + first.Promise.Certificate, "limits list", "limits reset nines", "audit verify --data-dir", "grpcurl -plaintext"} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("the list of commands lacks %q:\n%s", want, stdout)
		}
	}
	if after, err := os.ReadFile(filepath.Join(dir, "olga.token")); err != nil || !bytes.Equal(token, after) {
		t.Errorf("the second demo made another token (%v)", err)
	}
	if _, err := os.Stat(filepath.Join(dir, requestName)); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(dir, startName)); err == nil {
		t.Errorf("%s was left behind", startName)
	}
}

// An interrupt in the middle: nothing is left, and nobody pretends that there was a summary.
func TestInterrupted(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	var stdout bytes.Buffer
	stderr := &trigger{text: "[scene 1", do: interrupt}
	err := execute(ctx, &stdout, stderr, "--headless")
	if err == nil || !strings.Contains(err.Error(), "interrupted") {
		t.Errorf("error %v, want one that says interrupted\n%s", err, stderr)
	}
	if stdout.Len() > 0 {
		t.Errorf("standard output has %q", &stdout)
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestRefusals(t *testing.T) {
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{"--for", "9s"}, "--for 9s is too short"},
		{[]string{"--grpc", "0.0.0.0:0"}, "no loopback address"},
		{[]string{"--http", "192.0.2.1:80"}, "no loopback address"},
		{[]string{"--grpc", "8433"}, "no address"},
		{[]string{"now"}, "unexpected argument"},
	} {
		t.Run(strings.Join(tc.args, " "), func(t *testing.T) {
			err := execute(t.Context(), io.Discard, io.Discard, tc.args...)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want %q", err, tc.want)
			}
			if cli.Report(io.Discard, err) != cli.StatusUsage {
				t.Errorf("exit status %d, want %d", cli.Report(io.Discard, err), cli.StatusUsage)
			}
		})
	}
}
