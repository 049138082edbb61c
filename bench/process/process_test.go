package process

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestMain is, for the processes that the tests start, what they do.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "child" {
		child(os.Args[2])
		return
	}
	os.Exit(m.Run())
}

// child listens, uses 50 ms of CPU and 64 MiB, says what it sees, and waits for a signal.
func child(addr string) {
	if addr == "broken" {
		fmt.Println("broken on purpose")
		os.Exit(3)
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	memory := make([]byte, childMemory)
	for i := 0; i < len(memory); i += os.Getpagesize() {
		memory[i] = 1
	}
	for {
		d, err := OwnCPU()
		if err != nil {
			panic(err)
		}
		if d > childCPU {
			break
		}
	}
	fmt.Println("procs", runtime.GOMAXPROCS(0), "gogc", os.Getenv("GOGC"))
	lis, err := net.Listen("tcp", addr)
	if err != nil {
		panic(err)
	}
	<-signals
	runtime.KeepAlive(memory)
	_ = lis.Close()
}

const (
	childMemory = 64 << 20
	childCPU    = 50 * time.Millisecond
	patience    = 30 * time.Second
)

// linux skips where the benchmark doesn't run.
func linux(t *testing.T) int {
	t.Helper()
	cores, err := Cores()
	if errors.Is(err, ErrLinux) {
		t.Skip(err)
	}
	if err != nil || len(cores) == 0 {
		t.Fatalf("cores %v, %v", cores, err)
	}
	return cores[len(cores)-1]
}

// A process runs on its core with Go's defaults, and what it used can be read while it runs.
func TestProcess(t *testing.T) {
	core := linux(t)
	t.Setenv("GOGC", "off")
	addr, err := FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	before, err := Cores()
	if err != nil {
		t.Fatal(err)
	}
	p, err := Start(Options{Name: "child", Core: core, Command: []string{os.Args[0], "child", addr}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := p.Await(ctx, addr); err != nil {
		t.Fatal(err)
	}
	if after, err := Cores(); err != nil || !slices.Equal(after, before) {
		t.Errorf("this process was on cores %v and is on %v, %v", before, after, err)
	}
	if d, err := CPU(p.PID()); err != nil || d < childCPU {
		t.Errorf("used %v of CPU, %v", d, err)
	}
	if n, err := PeakRSS(p.PID()); err != nil || n < childMemory {
		t.Errorf("used %d bytes, %v", n, err)
	}
	if err := ResetPeak(p.PID()); err != nil {
		t.Error(err)
	}
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
	if got := p.Output(); !strings.Contains(got, "procs 1 gogc \n") {
		t.Errorf("the process says %q", got)
	}
	if _, err := CPU(p.PID()); err == nil {
		t.Error("a process that has ended still uses CPU")
	}
	if err := p.Stop(); err == nil {
		t.Error("a process that had ended is stopped again without a word")
	}
}

// A process that ends by itself says why.
func TestProcessThatEnds(t *testing.T) {
	p, err := Start(Options{Name: "child", Core: linux(t), Command: []string{os.Args[0], "child", "broken"}})
	if err != nil {
		t.Fatal(err)
	}
	addr, err := FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := p.Await(ctx, addr); err == nil || !strings.Contains(err.Error(), "broken on purpose") || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("%v", err)
	}
	if _, err := Start(Options{Name: "nobody", Core: linux(t), Command: []string{"/no/such/program"}}); err == nil {
		t.Error("a program that isn't there starts")
	}
}

func TestMachine(t *testing.T) {
	linux(t)
	a, err := MachineBusy()
	if err != nil || a <= 0 {
		t.Fatalf("%v, %v", a, err)
	}
	if b, err := MachineBusy(); err != nil || b < a {
		t.Errorf("%v after %v, %v", b, a, err)
	}
	if m := Machine(); !strings.Contains(m, "cores, Linux ") {
		t.Errorf("%q", m)
	}
}

func TestTail(t *testing.T) {
	out := &tail{}
	for i := range 1000 {
		_, _ = fmt.Fprintf(out, "line %d\n", i)
	}
	if got := out.String(); len(got) != tailBytes || !strings.HasSuffix(got, "line 999\n") {
		t.Errorf("%d bytes that end in %q", len(got), got[max(0, len(got)-20):])
	}
}
