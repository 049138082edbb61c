package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/candor-gateway/candor/audit"
	"github.com/candor-gateway/candor/store/storetest"
)

// panicPath is set in the environment of a process whose writer is to panic: the store that it serves from.
const panicPath = "CANDOR_TEST_PANIC_STORE"

// recorded is the prediction that shares the transaction that panics.
var recorded = uuid.MustParse("0199c1a0-0000-7000-8000-000000000001")

// TestPanickedChild isn't a test: it's the process that TestPanicOfTheWriter starts.
func TestPanickedChild(t *testing.T) {
	path := os.Getenv(panicPath)
	if path == "" {
		t.Skip("runs in a child process of TestPanicOfTheWriter only")
	}
	s := reopen(t, path, Options{MaxLinger: time.Hour})
	if err := s.Enqueue(context.Background(), storetest.Accept(recorded)); err != nil {
		t.Fatal(err)
	}
	err := s.write(context.Background(), "panic", func(*tx) error { panic("a defect of the store") })
	fmt.Println("it went on:", err)
	os.Exit(0)
}

// A panic of the writer ends the process, loudly and at once: nobody is told that anything was stored, and nothing was.
func TestPanicOfTheWriter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "candor.db")
	if err := Init(t.Context(), path, "test"); err != nil {
		t.Fatal(err)
	}
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestPanickedChild$")
	child.Env = append(os.Environ(), panicPath+"="+path)
	out, err := child.CombinedOutput()
	var exit *exec.ExitError
	if text := string(out); !errors.As(err, &exit) || exit.ExitCode() != 2 || !strings.Contains(text, "panic: a defect of the store") || strings.Contains(text, "went on") {
		t.Fatalf("%v: %s", err, out)
	}
	s := reopen(t, path, Options{})
	if _, err := s.Find(t.Context(), recorded.String()); !errors.Is(err, audit.ErrNotFound) {
		t.Errorf("the record that shared its transaction: %v; want ErrNotFound", err)
	}
	if report, err := s.VerifyLog(t.Context()); err != nil || report.Fault() != nil {
		t.Errorf("the log: %v, %v", report.Fault(), err)
	}
}
