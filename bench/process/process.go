// Package process starts the processes that the benchmark measures, each on its core, and reads what they use.
package process

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/candor-gateway/candor/internal/heldport"
)

// ErrLinux is what everything here says on other systems.
var ErrLinux = errors.New("the benchmark pins processes to cores and reads /proc: run it on Linux")

// Process is one that runs.
type Process struct {
	Name string
	cmd  *exec.Cmd
	out  *tail
	done chan struct{}
	err  error // after done
}

// Options of Start.
type Options struct {
	Name string
	// Core is the CPU that it runs on; negative: any.
	Core int
	// Dir is its folder.
	Dir     string
	Command []string
}

// tuning are the variables by which Go programs are tuned: nobody gets any.
var tuning = []string{"GOGC=", "GOMEMLIMIT=", "GOMAXPROCS=", "GODEBUG=", "GOTRACEBACK="}

// Start starts a process.
func Start(o Options) (*Process, error) {
	p := &Process{Name: o.Name, out: &tail{}, done: make(chan struct{})}
	p.cmd = exec.Command(o.Command[0], o.Command[1:]...)
	p.cmd.Dir, p.cmd.SysProcAttr = o.Dir, attributes()
	p.cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool {
		return slices.ContainsFunc(tuning, func(t string) bool { return strings.HasPrefix(v, t) })
	})
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.out
	start := p.cmd.Start
	if o.Core >= 0 {
		start = func() error { return startOn(o.Core, p.cmd.Start) }
	}
	if err := start(); err != nil {
		return nil, fmt.Errorf("%s: %w", o.Name, err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// PID is the process's id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// stopTime is how long a process may take to end by itself.
const stopTime = 20 * time.Second

// Stop asks the process to end, and ends it when it doesn't.
func (p *Process) Stop() error {
	if p.exited() {
		return p.failure()
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(stopTime):
		_ = p.cmd.Process.Kill()
		<-p.done
		return fmt.Errorf("%s did not end within %v of SIGTERM\n%s", p.Name, stopTime, p.out)
	}
	return nil
}

// Output is the end of what the process printed.
func (p *Process) Output() string { return p.out.String() }

func (p *Process) exited() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

func (p *Process) failure() error {
	return fmt.Errorf("%s has ended (%w); it printed:\n%s", p.Name, errors.Join(p.err, errEnded), p.out)
}

var errEnded = errors.New("before it was told to")

// Await waits until something accepts connections at addr, which is where the process will listen.
func (p *Process) Await(ctx context.Context, addr string) error {
	const again = 10 * time.Millisecond
	var d net.Dialer
	for {
		nc, err := d.DialContext(ctx, "tcp", addr)
		if err == nil {
			return nc.Close()
		}
		select {
		case <-p.done:
			return p.failure()
		case <-ctx.Done():
			return fmt.Errorf("%s does not listen at %s: %w; it printed:\n%s", p.Name, addr, err, p.out)
		case <-time.After(again):
		}
	}
}

// FreeAddr is a loopback address that nobody listens at, and that nobody else is given while this program runs.
func FreeAddr() (string, error) {
	addr, _, err := heldport.Hold()
	return addr, err
}

// tail keeps the last of what is written to it.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

const tailBytes = 4 << 10

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, b...)
	if over := len(t.buf) - tailBytes; over > 0 {
		t.buf = slices.Delete(t.buf, 0, over)
	}
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.buf)
}
