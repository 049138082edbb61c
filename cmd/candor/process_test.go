package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"time"
)

// patience is how long a process may take to come up or to end on a slow machine. Reaching it is a failure.
const patience = 2 * time.Minute

// process is a candor serve in a process of its own.
type process struct {
	cmd        *exec.Cmd
	grpc, http string
	// ended is closed when the process has; err is set before.
	ended chan struct{}
	err   error

	mu    sync.Mutex
	lines []string
}

var listening = regexp.MustCompile(`msg=listening grpc=(\S+) http=(\S+)`)

// startServe starts candor serve and waits until it listens.
func startServe(config string) (*process, error) { return startProgram("candor", config) }

// startProgram is startServe of another build of candor.
func startProgram(candor, config string) (*process, error) {
	p := &process{cmd: exec.Command(candor, "serve", "--config", config), ended: make(chan struct{})}
	p.cmd.Env = os.Environ()
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	ready := make(chan [2]string, 1)
	go p.read(stderr, ready)
	select {
	case at := <-ready:
		p.grpc, p.http = at[0], strings.Trim(at[1], `"`)
		return p, nil
	case <-p.ended:
		return nil, fmt.Errorf("candor serve ended before it listened: %v\n%s", p.err, p.log())
	case <-time.After(patience):
		p.kill()
		return nil, fmt.Errorf("candor serve does not listen\n%s", p.log())
	}
}

func (p *process) read(stderr io.Reader, ready chan<- [2]string) {
	for scanner := bufio.NewScanner(stderr); scanner.Scan(); {
		p.mu.Lock()
		p.lines = append(p.lines, scanner.Text())
		p.mu.Unlock()
		if m := listening.FindStringSubmatch(scanner.Text()); m != nil {
			ready <- [2]string{m[1], m[2]}
		}
	}
	// All has been read, so that Wait may close the pipe.
	p.err = p.cmd.Wait()
	close(p.ended)
}

// log is what the process has written to standard error.
func (p *process) log() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.lines, "\n")
}

// kill ends the process as kill -9 does, and waits until it is gone. It may be called again.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may have ended already
	<-p.ended
}

// interrupt asks the process to end, and answers how it did.
func (p *process) interrupt() error {
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		return err
	}
	select {
	case <-p.ended:
		return p.err
	case <-time.After(patience):
		p.kill()
		return fmt.Errorf("it did not drain within %v", patience)
	}
}
