package postgres_test

import (
	"errors"
	"io"
	"net"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"
)

// check counts every window that ends with a release. A release counts only if it was in the window for sure, and in all but those
// of stopped processes the two readings are microseconds apart. Then it looks at every trip: how much of the limit was left then.
func check(t *testing.T, all []oracleEntry, kills, stops, cuts int) {
	t.Helper()
	var released []oracleEntry
	var trips []int64
	unavailable := 0
	for _, e := range all {
		switch e.what {
		case "released":
			released = append(released, e)
		case "tripped":
			trips = append(trips, e.to)
		case "unavailable":
			unavailable++
		}
	}
	slices.SortFunc(released, func(a, b oracleEntry) int { return int(min(max(a.to-b.to, -1), 1)) })
	most, oldest := 0, 0
	for end := range released {
		for released[oldest].to <= released[end].to-int64(oracleWindow) {
			oldest++
		}
		n := 0
		for _, e := range released[oldest : end+1] {
			if e.from > released[end].to-int64(oracleWindow) {
				n++
			}
		}
		most = max(most, n)
		if n > oracleMax {
			t.Errorf("the window of %v that ends at %d holds %d releases of at most %d", oracleWindow, released[end].to, n, oracleMax)
			break
		}
	}
	fewest := oracleMax
	for _, at := range trips {
		n := 0
		for _, e := range released {
			if e.to <= at && e.from > at-int64(oracleWindow) {
				n++
			}
		}
		fewest = min(fewest, n)
	}
	t.Logf("%d released by 8 gateways, at most %d in a window of %v (limit %d); %d answers met a trip, with at least %d in its window; "+
		"%d unavailable; %d killed, %d stopped, %d cut off", len(released), most, oracleWindow, oracleMax, len(trips), fewest, unavailable, kills, stops, cuts)
	if most < oracleMax*3/4 || len(trips) == 0 || kills == 0 || stops == 0 || cuts == 0 {
		t.Errorf("the test tries too little")
	}
}

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
