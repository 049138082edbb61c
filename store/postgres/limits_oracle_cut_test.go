package postgres_test

import (
	"errors"
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"
)

// cutter is a way to the server that breaks when it is told to.
type cutter struct {
	url    string
	listen net.Listener
	to     string

	mu    sync.Mutex
	conns map[net.Conn]bool
	wait  sync.WaitGroup
}

func newCutter(t *testing.T, server string) *cutter {
	t.Helper()
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	c := &cutter{conns: map[net.Conn]bool{}}
	q := u.Query()
	network := "tcp"
	if c.to = u.Host; q.Get("host") != "" {
		network, c.to = "unix", q.Get("host")+"/.s.PGSQL."+portOf(q.Get("port"))
	}
	if c.listen, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	q.Del("host")
	q.Del("port")
	u.Host, u.RawQuery = c.listen.Addr().String(), q.Encode()
	c.url = u.String()
	c.wait.Go(func() {
		for {
			conn, err := c.listen.Accept()
			if err != nil {
				return
			}
			c.wait.Go(func() { c.serve(conn, network) })
		}
	})
	t.Cleanup(func() {
		if err := c.listen.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
		c.cut()
		c.wait.Wait()
	})
	return c
}

func portOf(port string) string {
	if port == "" {
		return "5432"
	}
	return port
}

func (c *cutter) serve(from net.Conn, network string) {
	defer from.Close() //nolint:errcheck // it may be cut
	to, err := net.DialTimeout(network, c.to, time.Second)
	if err != nil {
		return
	}
	defer to.Close() //nolint:errcheck // it may be cut
	c.mu.Lock()
	c.conns[from], c.conns[to] = true, true
	c.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { _, _ = io.Copy(to, from); _ = to.Close() })
	both.Go(func() { _, _ = io.Copy(from, to); _ = from.Close() })
	both.Wait()
	c.mu.Lock()
	delete(c.conns, from)
	delete(c.conns, to)
	c.mu.Unlock()
}

// cut breaks every connection; new ones can be made.
func (c *cutter) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn := range c.conns {
		_ = conn.Close()
	}
}
