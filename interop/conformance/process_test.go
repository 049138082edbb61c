package conformance_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// process is a program that runs beside the test.
type process struct {
	name string
	log  string
	// ended is closed when it has ended.
	ended chan struct{}
}

// stopTimeout is how long a program may take to end when it is asked to.
const stopTimeout = 20 * time.Second

// startProcess runs a program until the test ends. It is the head of a process group, because servers have children that they
// don't always take with them.
func startProcess(t *testing.T, name string, env []string, path string, args ...string) *process {
	t.Helper()
	p := &process{name: name, log: filepath.Join(t.TempDir(), "log"), ended: make(chan struct{})}
	log, err := os.Create(p.log)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	// Some leave files where they are started.
	cmd.Dir = t.TempDir()
	if err := cmd.Start(); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	go func() {
		// How it ended stands in its log, if it is of interest.
		_ = cmd.Wait()
		_ = log.Close()
		close(p.ended)
	}()
	t.Cleanup(func() {
		// Its head first, which ends its children in the way that they need.
		group := -cmd.Process.Pid
		signal(t, cmd.Process.Pid, syscall.SIGTERM)
		select {
		case <-p.ended:
		case <-time.After(stopTimeout):
			t.Logf("%s did not end within %v; it is killed", name, stopTimeout)
		}
		// What is left of the group.
		signal(t, group, syscall.SIGKILL)
		<-p.ended
		if t.Failed() {
			t.Logf("the end of the log of %s:\n%s", name, p.output(t))
		}
	})
	return p
}

// signal sends to a process, or to a group where the number is negative.
func signal(t *testing.T, pid int, s syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(pid, s); err != nil && !errors.Is(err, syscall.ESRCH) {
		t.Errorf("signal %v: %v", s, err)
	}
}

// maxOutput is how much of a log a failure shows.
const maxOutput = 4 << 10

// output is the end of what the process wrote.
func (p *process) output(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return string(b[max(0, len(b)-maxOutput):])
}
