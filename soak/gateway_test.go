package soak

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// patience is how long what must happen may take on a slow machine. Reaching it is a failure.
const patience = 60 * time.Second

// gateway is a candor serve in a process of its own, with its store.
type gateway struct {
	t              *testing.T
	folder, config string
	args           []string
	// under is a command that runs the program, for example in a network of its own.
	under []string

	cmd        *exec.Cmd
	grpc, http string
	ended      chan struct{}
	err        error // of the process, when it has ended

	mu  sync.Mutex
	log []string
}

var listening = regexp.MustCompile(`msg=listening grpc=(\S+) http=(\S+)`)

// initialised makes a store for a configuration, but starts nothing.
func initialised(t *testing.T, config string) *gateway {
	t.Helper()
	g := configured(t, config)
	if out, err := candor("init", "--config", g.config); err != nil {
		t.Fatalf("candor init: %v\n%s", err, out)
	}
	return g
}

// configured has a configuration, and neither a store nor a process.
func configured(t *testing.T, config string) *gateway {
	t.Helper()
	g := &gateway{t: t, folder: t.TempDir()}
	g.config = filepath.Join(g.folder, "candor.yaml")
	if err := os.WriteFile(g.config, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if g.cmd != nil {
			g.kill()
		}
		if t.Failed() {
			t.Logf("the gateway's last words:\n%s", g.lastWords())
		}
	})
	return g
}

// serve starts a gateway on a new store and waits until it listens.
func serve(t *testing.T, config string) *gateway {
	t.Helper()
	g := initialised(t, config)
	g.start()
	return g
}

// start starts the process, again after it has ended. A free port of the first life is kept.
func (g *gateway) start() {
	g.t.Helper()
	if err := g.tryStart(); err != nil {
		g.t.Fatal(err)
	}
}

// tryStart is start for a gateway that may have a reason not to.
func (g *gateway) tryStart() error {
	words := append(slices.Clone(g.under), program, "serve", "--config", g.config)
	words = append(words, g.args...)
	cmd := exec.Command(words[0], words[1:]...)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	ready, ended := make(chan [2]string, 1), make(chan struct{})
	g.cmd, g.ended = cmd, ended
	go g.read(cmd, stderr, ready, ended)
	select {
	case at := <-ready:
		g.grpc, g.http = at[0], strings.Trim(at[1], `"`)
		return nil
	case <-ended:
		return fmt.Errorf("candor serve ended before it listened: %w\n%s", g.err, g.lastWords())
	case <-time.After(patience):
		return fmt.Errorf("candor serve does not listen\n%s", g.lastWords())
	}
}

func (g *gateway) read(cmd *exec.Cmd, stderr io.Reader, ready chan<- [2]string, ended chan<- struct{}) {
	const kept = 200
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		g.mu.Lock()
		g.log = append(g.log, lines.Text())
		g.log = g.log[max(0, len(g.log)-kept):]
		g.mu.Unlock()
		if m := listening.FindStringSubmatch(lines.Text()); m != nil {
			ready <- [2]string{m[1], m[2]}
		}
	}
	g.err = cmd.Wait()
	close(ended)
}

func (g *gateway) lastWords() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return strings.Join(g.log[max(0, len(g.log)-20):], "\n")
}

// kill ends the process as kill -9 does.
func (g *gateway) kill() {
	_ = g.cmd.Process.Kill()
	<-g.ended
}

// stop asks it to end by SIGTERM, and wants exit status 0.
func (g *gateway) stop() {
	g.t.Helper()
	if err := g.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		g.t.Fatal(err)
	}
	select {
	case <-g.ended:
		if g.err != nil {
			g.t.Fatalf("candor serve: %v", g.err)
		}
	case <-time.After(patience):
		g.t.Fatal("candor serve does not drain")
	}
}

// dial opens a connection of its own to the gateway.
func (g *gateway) dial(opts ...grpc.DialOption) *grpc.ClientConn {
	g.t.Helper()
	conn, err := grpc.NewClient(g.grpc, append(opts, grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// metric is the sum of the samples whose line begins with prefix, for example `candor_breaker_transitions_total{`.
func (g *gateway) metric(prefix string) float64 {
	g.t.Helper()
	resp, err := http.Get("http://" + g.http + "/metrics")
	if err != nil {
		g.t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if err != nil {
		g.t.Fatal(err)
	}
	sum := 0.0
	for line := range bytes.Lines(body) {
		text := strings.TrimSpace(string(line))
		if !strings.HasPrefix(text, prefix) {
			continue
		}
		v, err := strconv.ParseFloat(text[strings.LastIndexByte(text, ' ')+1:], 64)
		if err != nil {
			g.t.Fatalf("%s: %v", text, err)
		}
		sum += v
	}
	return sum
}

// memoryOf is a process's resident set in bytes; 0 where the system doesn't say.
func memoryOf(pid int) int64 {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0
	}
	var size, resident int64
	if _, err := fmt.Sscan(string(data), &size, &resident); err != nil {
		return 0
	}
	return resident * int64(os.Getpagesize())
}

// processorOf is how long a process has had a processor; 0 where the system doesn't say.
func processorOf(pid int) time.Duration {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	// The name, in parentheses, may have spaces; the 14th and 15th fields of the line are the 12th and 13th behind it.
	fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
	const user, system, tick = 11, 12, 10 * time.Millisecond
	if len(fields) <= system {
		return 0
	}
	u, uerr := strconv.Atoi(fields[user])
	s, serr := strconv.Atoi(fields[system])
	if uerr != nil || serr != nil {
		return 0
	}
	return time.Duration(u+s) * tick
}

// candor runs a command of the program and answers what it wrote, and how it ended.
func candor(args ...string) (string, error) {
	out, err := exec.Command(program, args...).CombinedOutput()
	return string(out), err
}

// await waits until something is so.
func await(t *testing.T, what string, so func() bool) {
	t.Helper()
	const pause = 5 * time.Millisecond
	for deadline := time.Now().Add(patience); !so(); time.Sleep(pause) {
		if time.Now().After(deadline) {
			t.Fatalf("in %v it never came true that %s", patience, what)
		}
	}
}
