package main

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
)

// However somebody ends a demo, it takes its temporary folder with it, and its exit status is one of its own.
func TestDemoLeavesNothing(t *testing.T) {
	for _, tc := range []struct {
		name string
		args []string
		end  func(cmd *exec.Cmd, progress io.Closer) error
		// status and says are how it ends; a demo whose progress nobody reads can't say it.
		status int
		says   string
	}{
		{"progress is closed", []string{"--headless"}, func(_ *exec.Cmd, progress io.Closer) error { return progress.Close() }, 1, ""},
		{"SIGHUP", []string{"--headless"}, signalled(syscall.SIGHUP), 1, "the demo was interrupted"},
		{"SIGHUP twice", nil, signalled(syscall.SIGHUP, syscall.SIGHUP), 0, ""},
		{"SIGTERM", []string{"--headless"}, signalled(syscall.SIGTERM), 1, "the demo was interrupted"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cmd, temp := demoCommand(t, tc.args...)
			progress, err := cmd.StderrPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			defer cmd.Process.Kill()
			// The gateway serves when the scenes begin.
			lines := bufio.NewScanner(progress)
			for lines.Scan() && !strings.Contains(lines.Text(), "[scene 1") {
			}
			if entries, err := os.ReadDir(temp); err != nil || len(entries) != 1 {
				t.Fatalf("a demo that plays has one temporary folder, not %v (%v)", entries, err)
			}
			if err := tc.end(cmd, progress); err != nil {
				t.Fatal(err)
			}
			var said strings.Builder
			for lines.Scan() {
				said.WriteString(lines.Text() + "\n")
			}
			wantEnd(t, cmd.Wait(), tc.status, temp)
			if !strings.Contains(said.String(), tc.says) {
				t.Errorf("it said %q, want %q", said.String(), tc.says)
			}
		})
	}
}

// The summary of a demo whose standard output nobody reads any more.
func TestDemoWithoutReader(t *testing.T) {
	if testing.Short() {
		t.Skip("plays all scenes")
	}
	cmd, temp := demoCommand(t, "--headless")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	summary, err := cmd.StdoutPipe()
	if err == nil {
		err = errors.Join(summary.Close(), cmd.Start())
	}
	if err != nil {
		t.Fatal(err)
	}
	wantEnd(t, cmd.Wait(), 1, temp)
	if want := "candor: the demo's output can't be written: "; !strings.Contains(stderr.String(), want) {
		t.Errorf("it said %q, want %q", &stderr, want)
	}
}

// demoCommand is a demo of the shortest length, and the folder in which it makes its own.
func demoCommand(t *testing.T, args ...string) (cmd *exec.Cmd, temp string) {
	temp = t.TempDir()
	cmd = exec.Command("candor", append([]string{"demo", "--for", "10s", "--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0", "--web", "127.0.0.1:0"}, args...)...)
	cmd.Env = append(os.Environ(), "TMPDIR="+temp)
	// Tests that are run by nohup ignore SIGHUP, and so would the demo. What is caught here is not ignored there.
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, syscall.SIGHUP)
	t.Cleanup(func() { signal.Stop(caught) })
	return cmd, temp
}

func signalled(signals ...os.Signal) func(*exec.Cmd, io.Closer) error {
	return func(cmd *exec.Cmd, _ io.Closer) error {
		for _, s := range signals {
			// It may be over at the second.
			if err := cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
				return err
			}
		}
		return nil
	}
}

func wantEnd(t *testing.T, err error, status int, temp string) {
	t.Helper()
	var exit *exec.ExitError
	got := 0
	if errors.As(err, &exit) {
		got = exit.ExitCode() // -1: a signal has killed it
	} else if err != nil {
		t.Fatal(err)
	}
	if got != status {
		t.Errorf("exit status %d (%v), want %d", got, err, status)
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
