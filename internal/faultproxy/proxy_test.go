package faultproxy_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/candor-gateway/candor/internal/faultproxy"
	"github.com/candor-gateway/candor/internal/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// patience is how long what must happen may take on a slow machine; silence how long one listens for what must not.
const (
	patience = 20 * time.Second
	silence  = 100 * time.Millisecond
)

// echo is a server that sends back every line.
func echo(t *testing.T) string {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = lis.Close() })
	go func() {
		for {
			c, err := lis.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(c, c); _ = c.Close() }()
		}
	}()
	return lis.Addr().String()
}

type client struct {
	t *testing.T
	net.Conn
	r *bufio.Reader
}

func dial(t *testing.T, p *faultproxy.Proxy) client {
	t.Helper()
	c, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return client{t, c, bufio.NewReader(c)}
}

func (c client) send(line string) {
	c.t.Helper()
	if _, err := io.WriteString(c, line+"\n"); err != nil {
		c.t.Fatal(err)
	}
}

// hear answers a line, or what came before the connection or the time ended.
func (c client) hear(within time.Duration) (string, error) {
	_ = c.SetReadDeadline(time.Now().Add(within))
	s, err := c.r.ReadString('\n')
	return strings.TrimSuffix(s, "\n"), err
}

func (c client) wants(line string) {
	c.t.Helper()
	if got, err := c.hear(patience); got != line || err != nil {
		c.t.Fatalf("%q, %v; want %q", got, err, line)
	}
}

func (c client) wantsSilence() {
	c.t.Helper()
	if got, err := c.hear(silence); !errors.Is(err, os.ErrDeadlineExceeded) {
		c.t.Fatalf("%q, %v; want silence", got, err)
	}
}

func TestPasses(t *testing.T) {
	p := faultproxy.Start(t, echo(t))
	c := dial(t, p)
	large := strings.Repeat("x", 1<<20)
	sent := make(chan error, 1)
	go func() {
		_, err := io.WriteString(c, large+"\n")
		sent <- err
	}()
	c.wants(large)
	if err := <-sent; err != nil {
		t.Error(err)
	}
	if p.Opened() != 1 {
		t.Errorf("%d connections", p.Opened())
	}
}

// A target may be a Unix socket, as PostgreSQL's is.
func TestUnixTarget(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	lis, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = lis.Close() })
	go func() {
		if c, err := lis.Accept(); err == nil {
			_, _ = io.Copy(c, c)
			_ = c.Close()
		}
	}()
	p := faultproxy.StartAt(t, "127.0.0.1:0", path)
	c := dial(t, p)
	c.send("hello")
	c.wants("hello")
	p.Reset()
	if _, err := c.hear(patience); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("%v, want a reset", err)
	}
}

func TestLatency(t *testing.T) {
	p := faultproxy.Start(t, echo(t))
	c := dial(t, p)
	const late = 50 * time.Millisecond
	p.Set(faultproxy.Fault{Latency: late})
	start := time.Now()
	c.send("there")
	c.wants("there")
	if took := time.Since(start); took < 2*late {
		t.Errorf("there and back took %v, with %v each way", took, late)
	}
}

func TestThinLine(t *testing.T) {
	p := faultproxy.Start(t, echo(t))
	c := dial(t, p)
	p.Set(faultproxy.Fault{BytesPerSecond: 100_000})
	start := time.Now()
	line := strings.Repeat("x", 5_000)
	c.send(line)
	c.wants(line)
	if took := time.Since(start); took < 100*time.Millisecond {
		t.Errorf("5 kB each way at 100 kB/s took %v", took)
	}
}

// What is sent into a partition arrives when it ends.
func TestBlackhole(t *testing.T) {
	p := faultproxy.Start(t, echo(t))
	c := dial(t, p)
	p.Set(faultproxy.Fault{Blackhole: true})
	c.send("hello")
	c.wantsSilence()
	fresh := dial(t, p)
	fresh.send("me too")
	fresh.wantsSilence()
	p.Set(faultproxy.Fault{})
	c.wants("hello")
	fresh.wants("me too")
}

func TestReset(t *testing.T) {
	p := faultproxy.Start(t, echo(t))
	c := dial(t, p)
	c.send("first")
	c.wants("first")
	p.Reset()
	if _, err := c.hear(patience); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("%v, want a reset", err)
	}
	p.Set(faultproxy.Fault{Refuse: true})
	wantsRefusal(t, p)
}

func TestTruncate(t *testing.T) {
	p := faultproxy.Start(t, echo(t))
	c := dial(t, p)
	c.send("first")
	c.wants("first")
	p.Truncate(4)
	c.send("second")
	got := make([]byte, 100)
	n, err := io.ReadFull(c.r, got)
	// A reset may overtake what was written before it.
	if err == nil || errors.Is(err, os.ErrDeadlineExceeded) || !strings.HasPrefix("seco", string(got[:n])) {
		t.Errorf("%q, %v; want at most 4 bytes and an end", got[:n], err)
	}
}

func TestHalfOpen(t *testing.T) {
	p := faultproxy.Start(t, echo(t))
	c := dial(t, p)
	c.send("first")
	c.wants("first")
	p.HalfOpen()
	c.send("anybody?")
	c.wantsSilence()
	fresh := dial(t, p)
	fresh.send("new")
	fresh.wants("new")
}

// A dead target looks as it does without a proxy.
func TestDeadTarget(t *testing.T) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = lis.Close()
	p := faultproxy.Start(t, lis.Addr().String())
	wantsRefusal(t, p)
}

// wantsRefusal: a new connection is reset, in the handshake or at once after it.
func wantsRefusal(t *testing.T, p *faultproxy.Proxy) {
	t.Helper()
	c, err := net.Dial("tcp", p.Addr())
	if err == nil {
		defer func() { _ = c.Close() }()
		_ = c.SetReadDeadline(time.Now().Add(patience))
		_, err = c.Read(make([]byte, 1))
	}
	if !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, io.EOF) {
		t.Errorf("%v, want a reset", err)
	}
}
