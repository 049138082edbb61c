package faultproxy

import (
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const (
	// pieceBytes is how much is read at once, ahead how many pieces may be on their way in one direction: beyond it the sender's
	// window fills, as with a real line.
	pieceBytes = 16 << 10
	ahead      = 64
	dialFor    = 5 * time.Second
)

// Proxy forwards connections from its own address to a target. Safe for concurrent use.
type Proxy struct {
	target  string
	lis     net.Listener
	weather *weather
	opened  atomic.Int64
	running sync.WaitGroup

	mu    sync.Mutex
	pairs map[*pair]struct{}
	over  bool
}

// Start starts a proxy on a free port of 127.0.0.1; it ends with the test. The target is a host:port, or the path of a Unix socket.
func Start(t testing.TB, target string) *Proxy {
	t.Helper()
	return StartAt(t, "127.0.0.1:0", target)
}

// StartAt is Start at an address of the caller's choice, for example one that another network namespace can reach.
func StartAt(t testing.TB, address, target string) *Proxy {
	t.Helper()
	lis, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatalf("faultproxy: %v", err)
	}
	p := &Proxy{target: target, lis: lis, weather: newWeather(), pairs: map[*pair]struct{}{}}
	p.running.Go(p.accept)
	t.Cleanup(p.close)
	return p
}

// Addr is the proxy's host:port.
func (p *Proxy) Addr() string { return p.lis.Addr().String() }

// Set changes the fault in force, for connections that exist too.
func (p *Proxy) Set(f Fault) { p.weather.set(f) }

// Opened counts connections since the start.
func (p *Proxy) Opened() int { return int(p.opened.Load()) }

// Reset ends every connection by RST on both sides.
func (p *Proxy) Reset() { p.each((*pair).reset) }

// Truncate lets n bytes more of what the target sends on each connection pass, then resets it: usually within a frame.
func (p *Proxy) Truncate(n int) { p.each(func(q *pair) { q.left.Store(int64(n) + 1) }) }

// HalfOpen ends every connection's side to the target. The client isn't told: what it sends goes nowhere, and nothing comes.
func (p *Proxy) HalfOpen() { p.each((*pair).halfOpen) }

func (p *Proxy) each(f func(*pair)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for q := range p.pairs {
		f(q)
	}
}

func (p *Proxy) accept() {
	for {
		client, err := p.lis.Accept()
		if err != nil {
			return // closed
		}
		p.opened.Add(1)
		if f, _ := p.weather.now(); f.Refuse {
			abort(client)
			continue
		}
		network := "tcp"
		if strings.HasPrefix(p.target, "/") {
			network = "unix"
		}
		server, err := net.DialTimeout(network, p.target, dialFor)
		if err != nil {
			// What a client of a dead server sees.
			abort(client)
			continue
		}
		q := &pair{client: client, server: server, weather: p.weather, done: make(chan struct{})}
		p.mu.Lock()
		if p.over {
			p.mu.Unlock()
			q.reset()
			return
		}
		p.pairs[q] = struct{}{}
		p.mu.Unlock()
		p.running.Go(func() {
			q.run()
			p.mu.Lock()
			delete(p.pairs, q)
			p.mu.Unlock()
		})
	}
}

func (p *Proxy) close() {
	p.mu.Lock()
	p.over = true
	p.mu.Unlock()
	_ = p.lis.Close()
	p.Reset()
	p.running.Wait()
}

// abort closes a connection by RST.
func abort(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.Close()
}

// pair is a client's connection and the one to the target that goes with it.
type pair struct {
	client, server net.Conn
	weather        *weather
	// left is how many bytes the target may still send, and one more; 0: as many as it likes.
	left atomic.Int64
	half atomic.Bool
	once sync.Once
	done chan struct{}
}

func (q *pair) reset() {
	q.once.Do(func() { close(q.done) })
	abort(q.client)
	abort(q.server)
}

func (q *pair) halfOpen() {
	q.half.Store(true)
	abort(q.server)
}

// run carries until both directions have ended.
func (q *pair) run() {
	var both sync.WaitGroup
	both.Go(func() { q.carry(q.server, q.client, false) })
	both.Go(func() { q.carry(q.client, q.server, true) })
	both.Wait()
	q.reset()
}

type piece struct {
	bytes []byte
	came  time.Time
}

// carry moves bytes from one side to the other. Reading goes on while earlier pieces are on their way, so that latency costs no
// throughput.
func (q *pair) carry(to, from net.Conn, back bool) {
	way := make(chan piece, ahead)
	var reader sync.WaitGroup
	reader.Go(func() {
		defer close(way)
		for {
			buf := make([]byte, pieceBytes)
			n, err := from.Read(buf)
			if n > 0 {
				select {
				case way <- piece{buf[:n], time.Now()}:
				case <-q.done:
					return
				}
			}
			if err != nil {
				return
			}
		}
	})
	q.deliver(to, way, back)
	if q.half.Load() {
		// Silent and open until the client goes or the proxy ends.
		if !back {
			_, _ = io.Copy(io.Discard, from)
		} else {
			<-q.done
		}
	} else if half, ok := to.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
	for range way {
		// What can't be delivered any more; the reader ends with its connection.
	}
	reader.Wait()
	if q.half.Load() && !back {
		q.once.Do(func() { close(q.done) })
	}
}

// deliver writes pieces as the weather allows, until there are none or they can't be written.
func (q *pair) deliver(to net.Conn, way <-chan piece, back bool) {
	var busy time.Time
	for p := range way {
		var ok bool
		if busy, ok = q.weather.pass(p.came, busy, len(p.bytes), q.done); !ok {
			return
		}
		if back {
			if left := q.left.Load(); left > 0 {
				n := min(int(left-1), len(p.bytes))
				q.left.Store(left - int64(n))
				if n < len(p.bytes) || left-int64(n) == 1 {
					_, _ = to.Write(p.bytes[:n])
					q.reset()
					return
				}
				p.bytes = p.bytes[:n]
			}
		}
		if _, err := to.Write(p.bytes); err != nil {
			return
		}
	}
}
